"""Send an approved change to its site."""

from __future__ import annotations

from app.domain.changes import execution
from jobs import surroundings


def run(change_id: int) -> str:
    with surroundings() as config:
        return execution.run(change_id, config=config)
