"""Send an approved change to its site."""

from __future__ import annotations

from app.domain.changes import execution
from jobs import job_context


def run(change_id: int) -> str:
    with job_context() as config:
        return execution.run_change(change_id, config=config)
