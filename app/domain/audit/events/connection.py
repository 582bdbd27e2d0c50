"""Pairing, keys, addresses, paused connections, connection tests, and the end of a connection."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class PairingTokenIssued(Event):
    pairing_id: int
    expires_at: str


class PairingCancelled(Event):
    pairing_id: int


class PairingExpired(Event):
    pairing_id: int


class PairingAttemptFailed(Event):
    pairing_id: int
    error_code: str
    evidence: dict[str, str | int]
    outcome: str = "failed"


class PairingFailed(Event):
    """The token was closed because of an error that waiting cannot fix."""

    pairing_id: int
    error_code: str
    evidence: dict[str, str | int]
    outcome: str = "failed"


class PairingCompleted(Event):
    pairing_id: int
    fingerprint: str
    endpoint: str
    kid: str


# ---- keys, addresses and connection tests ----


class KeyRotationRequested(Event):
    """Key renewal was requested; with `home`, at the site's new address."""

    rotation_id: int
    home: str


class SigningKeyRenewed(Event):
    """Aura made another key to sign with; `public` is its public half."""

    public: str


class SiteRecovered(Event):
    """The site answers again after `failures` failed calls, the last one with `error_code`."""

    failures: int
    error_code: str


class KeysRotated(Event):
    rotation_id: int
    kid: str
    generation: int


class KeyRotationFailed(Event):
    rotation_id: int
    error_code: str
    outcome: str = "failed"


class SiteMoved(Event):
    from_url: str
    to_url: str


class SiteQuarantined(Event):
    kind: str
    evidence: dict[str, str | int]


class QuarantineEnded(Event):
    kind: str
    how: str


class EndpointChanged(Event):
    endpoint: str


class ServerLoginChanged(Event):
    """The login for the web server in front of a site was saved or deleted."""

    is_kept: bool


class DiagnosticsRequested(Event):
    diagnostic_run_id: int


class DiagnosticsCompleted(Event):
    """A connection test ended; `blocker` is the problem, `requests` the number of requests."""

    verdict: str
    blocker: str
    requests: int


# ---- the end of a connection, from either side ----


class RevocationStarted(Event):
    kid: str
    reason: Personal


class RevocationConfirmed(Event):
    kid: str
    acknowledged_at: str
    refused_at: str


class RevocationUnproven(Event):
    kid: str
    acknowledged: bool
    probe: str


class RevocationUndelivered(Event):
    kid: str
    error_code: str
    next_attempt_at: str


class RevocationChecksEnded(Event):
    """The connection was not restored for a year, so its last secret was destroyed."""

    kid: str


class RevocationAbandoned(Event):
    """Aura stopped after ninety days without reaching the site."""

    kid: str


class SiteDisconnected(Event):
    kid: str
    confirmed: bool
    how: str


class DisconnectProofForged(Event):
    """A disconnect notice had a valid proof, but the site never sent it: a copy of it exists."""

    kid: str


class SiteReconnected(Event):
    kid: str


class NoticeRefused(Event):
    op: str
    reason: str
    outcome: str = "refused"
