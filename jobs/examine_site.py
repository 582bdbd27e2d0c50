"""Look along the whole way to a site for what stands in it."""

from __future__ import annotations

from app.domain.diagnostics import runs
from jobs import job_context


def run(examination_id: int) -> str:
    with job_context() as config:
        return runs.run_examination(examination_id, config=config)
