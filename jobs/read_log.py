"""Read what is new in a site's own log, and compare it with the trail."""

from __future__ import annotations

from app.domain.crosscheck import site_log
from jobs import surroundings


def run(site_id: int) -> str:
    with surroundings() as config:
        return site_log.run(site_id, config=config)
