"""Read the whole trail again."""

from __future__ import annotations

from app.domain import verifying
from jobs import surroundings


def run(verification_id: int) -> str:
    with surroundings():
        return verifying.run(verification_id)
