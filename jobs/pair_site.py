"""Ask a site whether its pairing token has arrived."""

from __future__ import annotations

from app.domain.connection import pairing
from jobs import surroundings


def run(pairing_id: int) -> str:
    with surroundings() as config:
        return pairing.attempt(pairing_id, config=config)
