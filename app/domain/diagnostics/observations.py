"""The observations of a connection test, and the cause of the problem in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.connection.calls import CallResult
from app.domain.diagnostics import anonymous_probe, responses
from app.domain.diagnostics.responses import Blocker
from app.domain.diagnostics.results import ADDRESSES, NAMES
from app.http.errors import ErrorCode, Trait, printable
from app.http.response import json_object
from app.http.site_client import ProbeResponse

# The finding for each result of the body test.
BODY_FATES = {anonymous_probe.GROWS: "body_grows", anonymous_probe.LOST: "body_shrinks"}
# Only one field is requested, but a site may answer with all its routes.
MAX_INDEX_BYTES = 256 * 1024
_NAMESPACE = "siteagent/v1"
# These answers also come to anonymous requests, which name the cause better.
_NOT_SITEAGENT = frozenset(
    {
        ErrorCode.redirected,
        ErrorCode.not_found,
        ErrorCode.blocked,
        ErrorCode.web_page,
        ErrorCode.server_error,
        ErrorCode.encoded_reply,
        ErrorCode.unsigned_reply,
        ErrorCode.bad_reply_signature,
        ErrorCode.digest_mismatch,
        ErrorCode.reply_too_large,
        ErrorCode.too_slow,
        ErrorCode.broken_off,
    }
)
_CHECKS = {
    ErrorCode.redirected: "redirect",
    ErrorCode.blocked: "challenge",
    ErrorCode.unsigned_reply: "headers",
    ErrorCode.encoded_reply: "body",
    ErrorCode.digest_mismatch: "body",
    ErrorCode.clock_skew: "clock",
}
_AT_ADDRESS = frozenset(
    {
        ErrorCode.not_found,
        ErrorCode.web_page,
        ErrorCode.server_error,
        ErrorCode.too_slow,
        ErrorCode.broken_off,
    }
)


@dataclass(frozen=True)
class Observations:
    """Everything that a test observed.

    `in_use` is the check name of the connection's address. Without a connection it is empty and
    there is no `outcome`. `report` is the result of requesting the site data, which loads all of
    WordPress.
    """

    url: str
    now: datetime
    home: ProbeResponse
    index: tuple[ProbeResponse, ...]
    unknown_calls: dict[str, ProbeResponse]
    in_use: str = ""
    outcome: CallResult | None = None
    report: CallResult | None = None
    header_fates: dict[str, str] | None = None
    body_fate: str = ""


@dataclass(frozen=True)
class Findings:
    """Sorted observations: the finding for each address, and the cause of the problem, if any."""

    observed: Observations
    met: dict[str, Blocker | None]
    at_home: Blocker | None
    cause: Blocker | None

    def is_behind_cause(self, name: str) -> bool:
        """Whether the cause hides this check, so that its result is unknown."""
        return self.cause is not None and NAMES.index(self.cause.check) < NAMES.index(name)


def answering_at(unknown_calls: dict[str, ProbeResponse]) -> list[str]:
    """Return the addresses at which SiteAgent itself refused an anonymous request."""
    return [name for name, look in unknown_calls.items() if _met(look, name) is None]


def lists_siteagent(index: ProbeResponse) -> bool:
    """Whether this REST index lists SiteAgent."""
    return _index_finding(index) == "index_lists"


def findings_of(observed: Observations) -> Findings:
    """Sort the observations and choose the cause.

    The signed call decides if there is one, otherwise the anonymous requests to the addresses that
    pairing would use.
    """
    at_home = (
        responses.classify_intermediary(observed.home.received) if observed.home.received else None
    )
    met = {
        name: _escalate(observed, _met(look, name)) for name, look in observed.unknown_calls.items()
    }
    if observed.outcome is not None:
        changed = _changed_on_the_way(observed)
        cause = _cause_of_failure(
            observed.outcome, met.get(observed.in_use), changed, observed.in_use
        )
    elif None in met.values():
        cause = _changed_on_the_way(observed)
    else:
        # wp-admin often has its own password, which says nothing about the site.
        cause = earliest(obstacle for name, obstacle in met.items() if name != "ajax")
    return Findings(observed, met, at_home, cause)


def earliest(obstacles: Iterable[Blocker | None]) -> Blocker | None:
    """Return the obstacle that a call meets first."""
    found = [obstacle for obstacle in obstacles if obstacle is not None]
    return min(found, key=lambda obstacle: NAMES.index(obstacle.check), default=None)


def _met(look: ProbeResponse, name: str) -> Blocker | None:
    found = None
    if look.received is not None:
        found = responses.classify_probe(look.received, name)
    elif look.error is not None:
        found = Blocker(name, str(look.error.error_code), look.error.evidence)
    # The host needs the called address for its firewall.
    return found and replace(found, evidence={**found.evidence, "address": look.url[:500]})


def _escalate(observed: Observations, found: Blocker | None) -> Blocker | None:
    """Return a broader cause if the whole website fails or SiteAgent is missing."""
    if found is None or found.check not in ADDRESSES:
        return found
    if found.finding == website_error(observed.home):
        return replace(found, check="website")
    index = rest_index_finding(observed.index)
    if found.finding == ErrorCode.not_found and index in ("index_without", "no_index"):
        return replace(found, check="rest_index", finding=index)
    return found


def _changed_on_the_way(observed: Observations) -> Blocker | None:
    """Return the blocker that loses or changes requests, as anonymous requests show it."""
    fates = observed.header_fates or {}
    lost = [name for name, fate in fates.items() if fate == anonymous_probe.LOST]
    if lost and len(lost) == len(fates) and observed.body_fate == anonymous_probe.LOST:
        # The answer is always the same, so the content was not checked.
        return Blocker("cache", "cached_answer")
    if lost:
        return Blocker("headers", "headers_stripped", {"lost": ", ".join(lost)})
    if observed.body_fate in BODY_FATES:
        return Blocker("body", BODY_FATES[observed.body_fate])
    return None


def website_error(home: ProbeResponse) -> str:
    """Return the error of the home page itself; pages in front of it do not count."""
    if home.error is not None:
        return str(home.error.error_code)
    is_down = home.received is not None and home.received.status >= 500
    if (
        is_down
        and home.received is not None
        and responses.classify_intermediary(home.received) is None
    ):
        return str(ErrorCode.server_error)
    return ""


def rest_index_finding(looks: tuple[ProbeResponse, ...]) -> str:
    """Return what the REST index shows, by the better of its two addresses."""
    findings = [_index_finding(look) for look in looks]
    for finding in ("index_lists", "index_without", "rest_closed"):
        if finding in findings:
            return finding
    return "no_index"


def _index_finding(look: ProbeResponse) -> str:
    if look.received is None:
        return ""
    try:
        document = json_object(responses.plain(look.received, MAX_INDEX_BYTES))
    except ValueError:
        return ""
    if isinstance(document.get("namespaces"), list):
        return "index_lists" if _NAMESPACE in document["namespaces"] else "index_without"
    is_refusal = look.received.status in (401, 403) and isinstance(document.get("code"), str)
    return "rest_closed" if is_refusal else ""


# ---- the signed call: the only answer of a site that proves anything ----


def _cause_of_failure(
    outcome: CallResult, met: Blocker | None, changed: Blocker | None, in_use: str
) -> Blocker | None:
    """Return why the signed call failed; None if it did not.

    `met` is what an anonymous request met at the same address, `changed` what is known to be lost
    or changed on the way.
    """
    if outcome.error is None:
        return None
    error_code, evidence = outcome.error.error_code, outcome.error.evidence
    if error_code is ErrorCode.unauthorized:
        return changed or met or Blocker("echo", error_code, evidence)
    if error_code in _NOT_SITEAGENT and not is_proven(outcome) and met is not None:
        return met
    if error_code is ErrorCode.bad_reply_signature:
        return _broken_signature(evidence)
    if error_code in _AT_ADDRESS:
        return Blocker(in_use, error_code, evidence)
    return Blocker(_CHECKS.get(error_code, "echo"), error_code, evidence)


def is_proven(outcome: CallResult | None) -> bool:
    """Whether the site's signature arrived intact, with success or refusal."""
    if outcome is None:
        return False
    if outcome.error is None:
        return True
    error_code = outcome.error.error_code
    # The site refuses a message that became longer in transit, so the connection is not intact.
    has_grown = (
        error_code is ErrorCode.refused_by_site and outcome.error.evidence.get("status") == 413
    )
    return Trait.SIGNED in error_code.traits and not has_grown


def output_started(outcome: CallResult | None) -> str:
    """Return where PHP printed before an earlier answer, from the site's signed data."""
    place = outcome.document.get("output_started") if outcome and outcome.document else None
    return printable(place)[:200] if isinstance(place, str) else ""


def clock_offset_s(outcome: CallResult | None) -> int | None:
    """Return how many seconds the site's clock is ahead, from its signed answer, or None."""
    return None if outcome is None or outcome.reply is None else outcome.reply.clock_offset_s


def _broken_signature(evidence: dict[str, str | int]) -> Blocker:
    detail = str(evidence.get("detail", ""))
    if "content type" in detail:
        return Blocker("headers", "content_type_changed", evidence)
    if "another request" in detail:
        return Blocker("cache", "cached_answer", evidence)
    return Blocker("body", ErrorCode.bad_reply_signature, evidence)
