"""What the signed call shows: the only answer of a site that proves anything."""

from __future__ import annotations

from app.domain.connection.calls import CallResult
from app.domain.diagnostics.responses import Blocker
from app.http.errors import ErrorCode, Trait, printable

# What comes back in SiteAgent's place, comes back to strangers too, and is named better there.
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


def cause(
    outcome: CallResult, met: Blocker | None, changed: Blocker | None, in_use: str
) -> Blocker | None:
    """Return why the signed call failed; None if it did not.

    `met` is what an anonymous request met at the same address, `changed` what is known to be lost
    or changed on the way.
    """
    if outcome.error is None:
        return None
    fault, evidence = outcome.error.fault, outcome.error.evidence
    if fault is ErrorCode.unauthorized:
        return changed or met or Blocker("echo", fault, evidence)
    if fault in _NOT_SITEAGENT and not is_proven(outcome) and met is not None:
        return met
    if fault is ErrorCode.bad_reply_signature:
        return _broken_signature(evidence)
    if fault in _AT_ADDRESS:
        return Blocker(in_use, fault, evidence)
    return Blocker(_CHECKS.get(fault, "echo"), fault, evidence)


def is_proven(outcome: CallResult | None) -> bool:
    """Whether the site's own signature came back whole, with a yes or with a no."""
    if outcome is None:
        return False
    if outcome.error is None:
        return True
    fault = outcome.error.fault
    # The site refuses a message that grew on its way; then the way is not whole.
    has_grown = fault is ErrorCode.refused_by_site and outcome.error.evidence.get("status") == 413
    return Trait.SIGNED in fault.traits and not has_grown


def output_started(outcome: CallResult | None) -> str:
    """Where, by the site's signed word, something printed before an earlier answer."""
    said = outcome.document.get("output_started") if outcome and outcome.document else None
    return printable(said)[:200] if isinstance(said, str) else ""


def clock_offset_s(outcome: CallResult | None) -> int | None:
    """How far the site's clock is ahead, by its signed word; None when it gave none."""
    return None if outcome is None or outcome.reply is None else outcome.reply.clock_offset_s


def _broken_signature(evidence: dict[str, str | int]) -> Blocker:
    detail = str(evidence.get("detail", ""))
    if "content type" in detail:
        return Blocker("headers", "content_type_changed", evidence)
    if "another request" in detail:
        return Blocker("cache", "cached_answer", evidence)
    return Blocker("body", ErrorCode.bad_reply_signature, evidence)
