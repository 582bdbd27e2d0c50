"""Write an export of the trail."""

from __future__ import annotations

from app.domain.audit import export
from jobs import surroundings


def run(export_id: int) -> str:
    with surroundings() as config:
        return export.run(export_id, config=config)
