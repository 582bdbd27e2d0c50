"""Name what went wrong with a connection to a site."""

from __future__ import annotations

import ssl
from http.client import IncompleteRead

from app.http import egress
from app.http.errors import CallError, ErrorCode, evidence

# What OpenSSL calls an answer that is no TLS at all.
_PLAIN_HTTP = frozenset({"wrong_version_number", "http_request", "record_layer_failure"})
_TLS_ERRORS = {"expired": ErrorCode.tls_expired, "wrong_name": ErrorCode.tls_wrong_name}


def not_connected(why: egress.EgressError) -> CallError:
    """Name why no connection was made."""
    if isinstance(why, egress.AddressRefused):
        return CallError(
            ErrorCode.address_refused, evidence({"host": why.host, "address": why.address})
        )
    if isinstance(why, egress.NameUnknown):
        return CallError(ErrorCode.dns, evidence({"host": why.host, "detail": why.reason}))
    if isinstance(why, egress.CertificateRefused):
        facts = vars(why.facts) if why.facts else {}
        error_code = _TLS_ERRORS.get(why.kind, ErrorCode.tls_invalid)
        return CallError(error_code, evidence({"detail": why.reason, **facts}))
    error_code = ErrorCode.connection_refused
    if isinstance(why, egress.ConnectTimedOut):
        error_code = ErrorCode.connect_timeout
    elif isinstance(why, egress.TlsFailed):
        is_plain = why.reason in _PLAIN_HTTP
        error_code = ErrorCode.tls_not_spoken if is_plain else ErrorCode.tls_invalid
    if isinstance(why, egress.NoConnection):
        return CallError(error_code, evidence({"address": why.address, "detail": why.reason}))
    return CallError(error_code)


def broken_off(why: Exception, address: str) -> CallError:
    """Return the error of a connection that failed before the reply was complete."""
    causes = _causes(why)
    detail = str(causes[-1]) or type(causes[-1]).__name__
    facts = evidence({"address": address, "detail": detail[:200]})
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return CallError(ErrorCode.too_slow, facts)
    if any(isinstance(cause, ConnectionError | ssl.SSLError | IncompleteRead) for cause in causes):
        return CallError(ErrorCode.broken_off, facts)
    return CallError(ErrorCode.malformed_reply, facts)


def _causes(why: BaseException) -> list[BaseException]:
    """Return the exception and everything it wraps, however the libraries wrapped it."""
    found: list[BaseException] = []
    waiting: list[object] = [why]
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            waiting += [item.__context__, item.__cause__, *item.args]
    return found
