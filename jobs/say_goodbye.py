"""Tell a site that its connection is revoked, and prove it."""

from __future__ import annotations

from app.domain.connection import revocation
from jobs import job_context


def run(site_id: int) -> str:
    with job_context() as config:
        return revocation.deliver_revocation(site_id, config=config)
