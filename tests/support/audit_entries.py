"""Fill an audit log."""

from __future__ import annotations

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.events import SiteCalled
from app.models.base import transaction


def fill(count: int) -> None:
    for number in range(count):
        with transaction():
            audit.record(SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=number), SYSTEM)
