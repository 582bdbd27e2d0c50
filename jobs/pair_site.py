"""Ask a site whether its pairing token has arrived."""

from __future__ import annotations

from app.domain.connection import pairing
from jobs import job_context


def run(pairing_id: int) -> str:
    with job_context() as config:
        return pairing.attempt_pairing(pairing_id, config=config)
