"""Ask a site for its report."""

from __future__ import annotations

from app.domain import inventory
from jobs import surroundings


def run(sync_id: int) -> str:
    with surroundings() as config:
        return inventory.run_sync(sync_id, config=config)
