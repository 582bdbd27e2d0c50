"""Check again that a connection which ended has not come back."""

from __future__ import annotations

from app.domain.connection import revocation_checks
from jobs import job_context


def run(site_id: int) -> str:
    with job_context() as config:
        return revocation_checks.run(site_id, config=config)
