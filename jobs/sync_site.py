"""Ask a site for its report."""

from __future__ import annotations

from app.domain.changes import late_failures
from app.domain.inventory import site_sync
from app.models.reports import Sync
from jobs import job_context


def run(sync_id: int) -> str:
    with job_context() as config:
        state = site_sync.run_sync(sync_id, config=config)
        sync = Sync.get_or_none(Sync.id == sync_id)
        if sync is not None and sync.site.is_paired:
            late_failures.check_synced_site(sync.site, sync.fault, config=config)
        return state
