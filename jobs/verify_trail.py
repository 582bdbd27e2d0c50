"""Read the whole trail again."""

from __future__ import annotations

from app.domain.audit import verification
from jobs import job_context


def run(verification_id: int) -> str:
    with job_context():
        return verification.run_verification(verification_id)
