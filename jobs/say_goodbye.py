"""Tell a site that its connection is revoked, and prove it."""

from __future__ import annotations

from app.domain.connection import revocation
from jobs import surroundings


def run(site_id: int) -> str:
    with surroundings() as config:
        return revocation.say_goodbye(site_id, config=config)
