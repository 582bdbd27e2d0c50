"""Ask a site for its report."""

from __future__ import annotations

from app.domain import inventory, later_breakage
from app.models.reports import Sync
from jobs import surroundings


def run(sync_id: int) -> str:
    with surroundings() as config:
        state = inventory.run_sync(sync_id, config=config)
        sync = Sync.get_or_none(Sync.id == sync_id)
        if sync is not None and sync.site.is_paired:
            later_breakage.check_synced_site(sync.site, sync.fault, config=config)
        return state
