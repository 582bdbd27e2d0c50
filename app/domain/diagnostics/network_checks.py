"""From the name to an encrypted connection: the first three checks."""

from __future__ import annotations

from datetime import datetime

from app.domain.diagnostics.results import BLOCKED, OK, WARN, Check, skipped
from app.http.certificates import CertificateFacts
from app.http.errors import ErrorCode
from app.http.site_client import ProbeResponse

ENDS_SOON_DAYS = 14

_AT_NAME = frozenset({ErrorCode.dns, ErrorCode.address_refused})
_AT_TLS = frozenset(
    {
        ErrorCode.tls_invalid,
        ErrorCode.tls_expired,
        ErrorCode.tls_wrong_name,
        ErrorCode.tls_not_spoken,
    }
)
_AT_PORT = frozenset({ErrorCode.connection_refused, ErrorCode.connect_timeout})


def checks(look: ProbeResponse, now: datetime) -> list[Check]:
    """dns, tcp and tls, as one request found them; what it did not reach is skipped."""
    failed = _failed(look)
    if failed is None:
        return [_name(look), _port(look), _encryption(look, now)]
    if failed.name == "dns":
        return [failed, *skipped(("tcp", "tls"), "dns")]
    if failed.name == "tcp":
        return [_name(look), failed, *skipped(("tls",), "tcp")]
    return [_name(look), _port(look), failed]


def _failed(look: ProbeResponse) -> Check | None:
    """Return the check at which the connection failed; None if it was made."""
    if look.error is None:
        return None
    fault, addresses = look.error.fault, ", ".join(look.trace.addresses)[:500]
    found: dict[str, str | int] = {"addresses": addresses} if addresses else {}
    if fault in _AT_NAME:
        name = "dns"
    elif fault in _AT_TLS or (fault in _AT_PORT and look.trace.connect_ms is not None):
        name = "tls"
    elif fault in _AT_PORT:
        name = "tcp"
    else:
        return None
    return Check(name, BLOCKED, str(fault), {**found, **look.error.evidence})


def _name(look: ProbeResponse) -> Check:
    return Check("dns", OK, "name_found", {"addresses": ", ".join(look.trace.addresses)[:500]})


def _port(look: ProbeResponse) -> Check:
    trace = look.trace
    evidence: dict[str, str | int] = {"connect_ms": trace.connect_ms or 0}
    if trace.silent:
        evidence["silent"] = ", ".join(trace.silent)[:500]
        return Check("tcp", WARN, "some_addresses_silent", evidence)
    return Check("tcp", OK, "connected", evidence)


def _encryption(look: ProbeResponse, now: datetime) -> Check:
    if not look.url.startswith("https:"):
        return Check("tls", WARN, "no_tls")
    evidence: dict[str, str | int] = {"tls": look.trace.tls_version}
    certificate = look.trace.certificate
    if certificate is None:
        return Check("tls", OK, "certificate_good", evidence)
    days = _days_left(certificate, now)
    evidence |= {
        "names": certificate.names[:500],
        "issuer": certificate.issuer[:200],
        "not_after": certificate.not_after,
        "days_left": days,
    }
    if days < ENDS_SOON_DAYS:
        return Check("tls", WARN, "certificate_ends_soon", evidence)
    return Check("tls", OK, "certificate_good", evidence)


def _days_left(certificate: CertificateFacts, now: datetime) -> int:
    return (datetime.fromisoformat(certificate.not_after) - now).days
