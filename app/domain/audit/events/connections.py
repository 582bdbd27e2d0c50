"""Keys, addresses, paused connections and connection tests."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event


@dataclass(frozen=True, kw_only=True)
class KeyRotationRequested(Event):
    """Key renewal was requested; with `home`, at the site's new address."""

    rotation_id: int
    home: str


@dataclass(frozen=True, kw_only=True)
class KeysRotated(Event):
    rotation_id: int
    kid: str
    generation: int


@dataclass(frozen=True, kw_only=True)
class KeyRotationFailed(Event):
    rotation_id: int
    error_code: str
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class SiteMoved(Event):
    from_url: str
    to_url: str


@dataclass(frozen=True, kw_only=True)
class SiteQuarantined(Event):
    kind: str
    evidence: dict[str, str | int]


@dataclass(frozen=True, kw_only=True)
class QuarantineEnded(Event):
    kind: str
    how: str


@dataclass(frozen=True, kw_only=True)
class EndpointChanged(Event):
    endpoint: str


@dataclass(frozen=True, kw_only=True)
class ServerLoginChanged(Event):
    """The login for the web server in front of a site was saved or deleted."""

    is_kept: bool


@dataclass(frozen=True, kw_only=True)
class DiagnosticsRequested(Event):
    diagnostic_run_id: int


@dataclass(frozen=True, kw_only=True)
class DiagnosticsCompleted(Event):
    """A connection test ended; `blocker` is the problem, `requests` the number of requests."""

    verdict: str
    blocker: str
    requests: int
