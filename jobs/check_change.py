"""Have a site say in a dry run whether it could do what is proposed."""

from __future__ import annotations

from app.domain.changes import dry_run
from jobs import job_context


def run(change_id: int) -> str:
    with job_context() as config:
        return dry_run.run_dry_run(change_id, config=config)
