"""Turn observations into check results; only the first blocker is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from app.domain.diagnostics import anonymous_probe, responses
from app.domain.diagnostics.observations import (
    BODY_FATES,
    Findings,
    Observations,
    clock_offset_s,
    earliest,
    findings_of,
    is_proven,
    output_started,
    rest_index_finding,
    website_error,
)
from app.domain.diagnostics.responses import Blocker
from app.domain.diagnostics.results import (
    ADDRESSES,
    BLOCKED,
    OK,
    SKIPPED,
    UNKNOWN,
    WARN,
    Check,
    skipped,
)
from app.http.errors import ErrorCode
from app.http.site_client import ProbeResponse
from app.protocol import MAX_SKEW_S

_IN_FRONT = ("redirect", "password", "challenge", "cache")
# Clock difference that gives a warning although calls still work.
_CLOCK_OFF_S = 60
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


def diagnose(observed: Observations) -> list[Check]:
    """Return all checks from the website to the clock."""
    case = findings_of(observed)
    checks = [
        _website(case),
        *(_in_front(case, name) for name in _IN_FRONT),
        _rest_index(case),
        *(_address(case, name) for name in ADDRESSES),
        _headers(case),
        _body(case),
        _output(case),
        _echo(case),
        _report(case),
        _clock(case),
    ]
    flagged = {check.name for check in checks if check.verdict in (BLOCKED, WARN)}
    return [_drop_unsupported_skips(check, flagged) for check in checks]


# ---- from the name to an encrypted connection ----


def network_checks(look: ProbeResponse, now: datetime) -> list[Check]:
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
    """Return the check at which the connection failed, or None."""
    if look.error is None:
        return None
    error_code, addresses = look.error.error_code, ", ".join(look.trace.addresses)[:500]
    found: dict[str, str | int] = {"addresses": addresses} if addresses else {}
    if error_code in _AT_NAME:
        name = "dns"
    elif error_code in _AT_TLS or (error_code in _AT_PORT and look.trace.connect_ms is not None):
        name = "tls"
    elif error_code in _AT_PORT:
        name = "tcp"
    else:
        return None
    return Check(name, BLOCKED, str(error_code), {**found, **look.error.evidence})


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
    days = (datetime.fromisoformat(certificate.not_after) - now).days
    evidence |= {
        "names": certificate.names[:500],
        "issuer": certificate.issuer[:200],
        "not_after": certificate.not_after,
        "days_left": days,
    }
    if days < ENDS_SOON_DAYS:
        return Check("tls", WARN, "certificate_ends_soon", evidence)
    return Check("tls", OK, "certificate_good", evidence)


# ---- from the website to the clock ----


def _website(case: Findings) -> Check:
    home = case.observed.home
    error_code = website_error(home)
    if case.cause is not None and case.cause.check == "website":
        return Check("website", BLOCKED, case.cause.finding, case.cause.evidence)
    if error_code:
        evidence = home.error.evidence if home.error else _seen(home)
        return Check("website", WARN, error_code, evidence)
    if case.at_home is not None:
        return Check("website", SKIPPED, "", because=case.at_home.check)
    if home.received is not None and home.received.status in (404, 410):
        return Check("website", WARN, "website_missing", _seen(home))
    # Normal pages are not quoted.
    short = {name: value for name, value in _seen(home).items() if name in ("status", "server")}
    return Check("website", OK, "website_answers", short)


def _in_front(case: Findings, name: str) -> Check:
    if case.cause is not None and case.cause.check == name:
        return Check(name, BLOCKED, case.cause.finding, _evidence_of(case, case.cause))
    found = earliest(
        obstacle
        for place in dict.fromkeys(("pretty", "plain", case.observed.in_use))
        if (obstacle := case.met.get(place)) is not None and obstacle.check == name
    )
    if found is not None:
        return Check(name, WARN, found.finding, _evidence_of(case, found))
    if case.at_home is not None and case.at_home.check == name:
        return _only_at_home(case, name, case.at_home)
    if case.is_behind_cause(name) and case.cause is not None:
        return Check(name, SKIPPED, "", because=case.cause.check)
    received = case.observed.home.received
    if name == "cache" and received is not None and responses.is_from_cache(received):
        return Check(name, OK, "pages_cached", {"cache": responses.cache_words(received)[:200]})
    return Check(name, OK, f"no_{name}")


def _only_at_home(case: Findings, name: str, found: Blocker) -> Check:
    location = _joined(case.observed.url, str(found.evidence.get("location", "")))
    if (
        name == "redirect"
        and location
        and urlsplit(location)[:2] == urlsplit(case.observed.url)[:2]
    ):
        return Check(name, OK, "redirects_inside", {"location": location[:500]})
    evidence = _evidence_of(case, found) | {"met_at": "front page"}
    return Check(name, WARN, found.finding, evidence)


def _rest_index(case: Findings) -> Check:
    finding = rest_index_finding(case.observed.index)
    evidence = _seen(case.observed.index[-1]) if case.observed.index else {}
    if case.cause is not None and case.cause.check == "rest_index":
        return Check("rest_index", BLOCKED, case.cause.finding, evidence)
    if finding == "index_lists":
        return Check("rest_index", OK, finding, {"address": case.observed.index[-1].url[:500]})
    if case.is_behind_cause("rest_index") and case.cause is not None:
        return Check("rest_index", SKIPPED, "", because=case.cause.check)
    return Check("rest_index", WARN, finding, evidence)


def _address(case: Findings, name: str) -> Check:
    caused, found = _caused(case, name), case.met[name]
    if caused is not None:
        return caused
    if found is None:
        return Check(name, OK, "answers", {"address": case.observed.unknown_calls[name].url[:500]})
    if found.check == name and found.finding == ErrorCode.not_found and None in case.met.values():
        return Check(name, WARN, "not_here", found.evidence)
    if found.check == name:
        return Check(name, WARN, found.finding, found.evidence)
    # Other checks may contradict it, which is decided after all checks.
    return Check(name, SKIPPED, found.finding, found.evidence, because=found.check)


def _headers(case: Findings) -> Check:
    found = _caused(case, "headers") or _warned(case, "headers")
    if found is not None:
        return found
    if is_proven(case.observed.outcome):
        return Check("headers", OK, "headers_proven")
    fates = case.observed.header_fates
    if fates is None:
        return _unseen(case, "headers")
    if all(fate == anonymous_probe.ARRIVES for fate in fates.values()):
        return Check("headers", OK, "headers_arrive", {"sent": ", ".join(fates)})
    untold = ", ".join(name for name, fate in fates.items() if fate != anonymous_probe.ARRIVES)
    return Check("headers", UNKNOWN, "headers_untold", {"untold": untold})


def _body(case: Findings) -> Check:
    found = _caused(case, "body") or _warned(case, "body")
    if found is not None:
        return found
    if is_proven(case.observed.outcome):
        return Check("body", OK, "body_proven")
    compressed = _compressed_index(case.observed)
    if compressed is not None:
        return Check("body", WARN, str(ErrorCode.encoded_reply), compressed)
    if not case.observed.body_fate:
        return _unseen(case, "body")
    if case.observed.body_fate == anonymous_probe.ARRIVES:
        return Check("body", OK, "body_length")
    return Check("body", UNKNOWN, BODY_FATES.get(case.observed.body_fate, "body_untold"))


def _output(case: Findings) -> Check:
    found = _caused(case, "output") or _warned(case, "output")
    if found is not None:
        return found
    printed_by = output_started(case.observed.outcome)
    if printed_by:
        return Check("output", WARN, "output_seen", {"printed_by": printed_by})
    if is_proven(case.observed.outcome) or None in case.met.values():
        return Check("output", OK, "output_clean")
    return _unseen(case, "output")


def _echo(case: Findings) -> Check:
    outcome = case.observed.outcome
    if outcome is None:
        return Check("echo", SKIPPED, "not_paired")
    if outcome.reply is not None:
        return Check("echo", OK, "echoed", {"elapsed_ms": outcome.elapsed_ms})
    return _caused(case, "echo") or _unseen(case, "echo")


def _report(case: Findings) -> Check:
    """Whether a site report arrives, for which all of WordPress has to load."""
    outcome = case.observed.report
    if outcome is None:
        paired = case.observed.outcome is not None
        return _unseen(case, "report") if paired else Check("report", SKIPPED, "not_paired")
    if outcome.error is None:
        return Check("report", OK, "report_arrives", {"elapsed_ms": outcome.elapsed_ms})
    return Check("report", BLOCKED, outcome.error.error_code, outcome.error.evidence)


def _clock(case: Findings) -> Check:
    found = _caused(case, "clock")
    if found is not None:
        return found
    offset = clock_offset_s(case.observed.outcome)
    if offset is not None:
        name = "clock_off" if abs(offset) >= _CLOCK_OFF_S else "clock_right"
        return Check("clock", WARN if name == "clock_off" else OK, name, {"offset_s": offset})
    if case.cause is not None:
        return _unseen(case, "clock")
    return _clock_of_server(case.observed)


def _clock_of_server(observed: Observations) -> Check:
    """Check the clock by the Date header, which may come from a proxy."""
    dates = [look.received.headers.get("Date", "") for look in _received(observed) if look.received]
    try:
        shown = parsedate_to_datetime(next(filter(None, dates), ""))
    except ValueError:
        return Check("clock", UNKNOWN, "clock_untold")
    # "-0000" means an unknown zone, with the time in UTC.
    shown = shown.replace(tzinfo=UTC) if shown.tzinfo is None else shown
    offset = round((shown - observed.now).total_seconds())
    if abs(offset) >= MAX_SKEW_S:
        return Check("clock", WARN, "server_clock_off", {"offset_s": offset})
    return Check("clock", OK, "server_clock_right", {"offset_s": offset})


# ---- pieces ----


def _caused(case: Findings, name: str) -> Check | None:
    if case.cause is None or case.cause.check != name:
        return None
    return Check(name, BLOCKED, case.cause.finding, case.cause.evidence)


def _warned(case: Findings, name: str) -> Check | None:
    found = earliest(
        obstacle
        for obstacle in case.met.values()
        if obstacle is not None and obstacle.check == name
    )
    return Check(name, WARN, found.finding, found.evidence) if found is not None else None


def _unseen(case: Findings, name: str) -> Check:
    if case.cause is None:
        return Check(name, UNKNOWN, f"{name}_untold")
    return Check(name, SKIPPED, "", because=case.cause.check)


def _drop_unsupported_skips(check: Check, flagged: set[str]) -> Check:
    """Turn a skipped address check into a warning, unless a reported problem explains it."""
    if check.name not in ADDRESSES or check.verdict != SKIPPED:
        return check
    if check.because in flagged:
        return replace(check, finding="", evidence={})
    return replace(check, verdict=WARN, because="")


def _evidence_of(case: Findings, found: Blocker) -> dict[str, str | int]:
    use = _address_behind(case.observed, str(found.evidence.get("location", "")))
    return {**found.evidence, "use": use} if use else found.evidence


def _address_behind(observed: Observations, location: str) -> str:
    """Return the site's address after its redirects; empty if that is not a site address."""
    for look in _received(observed):
        met = look.received.headers.get("Location", "") if look.received else ""
        target = _joined(look.url, met) if met and met[:200] == location[:200] else ""
        if not target:
            continue
        path = look.url.removeprefix(observed.url)
        base = target.removesuffix(path) if target.endswith(path) else ""
        parts = urlsplit(target)
        base = (base or f"{parts.scheme}://{parts.netloc}").rstrip("/")
        if base != observed.url:
            return base[:500]
    return ""


def _joined(address: str, location: str) -> str:
    """Return the target of a Location header; empty if it is invalid."""
    try:
        target = urljoin(address, location)
        parts = urlsplit(target)
    except ValueError:
        return ""
    return target if parts.scheme in ("http", "https") and parts.netloc else ""


def _compressed_index(observed: Observations) -> dict[str, str | int] | None:
    """Check compression with the REST index, because refusals are often too short to compress."""
    for look in observed.index:
        if look.received is not None and look.received.is_encoded:
            return _seen(look) | {"met_at": "REST index"}
    return None


def _received(observed: Observations) -> list[ProbeResponse]:
    return [*observed.unknown_calls.values(), observed.home]


def _seen(look: ProbeResponse) -> dict[str, str | int]:
    return responses.seen(look.received) if look.received is not None else {}
