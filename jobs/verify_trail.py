"""Read the whole trail again."""

from __future__ import annotations

from app.domain.audit import verification
from jobs import surroundings


def run(verification_id: int) -> str:
    with surroundings():
        return verification.run(verification_id)
