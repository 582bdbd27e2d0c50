"""Write an export of the trail."""

from __future__ import annotations

from app.domain import exporting
from jobs import surroundings


def run(export_id: int) -> str:
    with surroundings() as config:
        return exporting.run(export_id, config=config)
