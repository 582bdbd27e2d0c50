"""Write an export of the trail."""

from __future__ import annotations

from app.domain.audit import export
from jobs import job_context


def run(export_id: int) -> str:
    with job_context() as config:
        return export.run_export(export_id, config=config)
