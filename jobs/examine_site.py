"""Look along the whole way to a site for what stands in it."""

from __future__ import annotations

from app.domain.diagnostics import runs
from jobs import surroundings


def run(examination_id: int) -> str:
    with surroundings() as config:
        return runs.run(examination_id, config=config)
