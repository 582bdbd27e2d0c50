"""Ask a site what became of a change whose answer was lost."""

from __future__ import annotations

from app.domain.changes import settlement
from jobs import job_context


def run(change_id: int) -> str:
    with job_context() as config:
        return settlement.settle_change(change_id, config=config)
