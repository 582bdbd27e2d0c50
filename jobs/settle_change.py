"""Ask a site what became of a change whose answer was lost."""

from __future__ import annotations

from app.domain.changes import settlement
from jobs import surroundings


def run(change_id: int) -> str:
    with surroundings() as config:
        return settlement.settle(change_id, config=config)
