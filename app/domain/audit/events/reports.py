"""Syncs: requests and results."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event


@dataclass(frozen=True, kw_only=True)
class SyncRequested(Event):
    sync_id: int


@dataclass(frozen=True, kw_only=True)
class SyncFailed(Event):
    sync_id: int
    error_code: str
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class ReportReceived(Event):
    digest: str
    components: int
    available_updates: int
    dropped_fields: int


@dataclass(frozen=True, kw_only=True)
class ReportRefused(Event):
    field: str
    why: str
    outcome: str = "refused"
