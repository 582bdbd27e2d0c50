"""Read what is new in a site's own log, and compare it with the trail."""

from __future__ import annotations

from app.domain.crosscheck import site_log
from jobs import job_context


def run(site_id: int) -> str:
    with job_context() as config:
        return site_log.read_site_log(site_id, config=config)
