"""What the signed call shows: the only answer of a site that proves anything."""

from __future__ import annotations

from app.domain.connection.calls import Outcome
from app.domain.diagnostics.responses import Obstacle
from app.http.errors import Fault, printable

# Refusals the site signed: the way there and back is whole.
_SIGNED = frozenset(
    {
        Fault.clock_skew,
        Fault.replayed,
        Fault.identity_changed,
        Fault.wrong_site,
        Fault.pairing_closed,
        Fault.nonce_store_unavailable,
    }
)
# What comes back in SiteAgent's place, comes back to strangers too, and is named better there.
_NOT_SITEAGENT = frozenset(
    {
        Fault.redirected,
        Fault.not_found,
        Fault.blocked,
        Fault.web_page,
        Fault.server_error,
        Fault.encoded_reply,
        Fault.unsigned_reply,
        Fault.bad_reply_signature,
        Fault.digest_mismatch,
        Fault.reply_too_large,
        Fault.too_slow,
        Fault.broken_off,
    }
)
_CHECKS = {
    Fault.redirected: "redirect",
    Fault.blocked: "challenge",
    Fault.unsigned_reply: "headers",
    Fault.encoded_reply: "body",
    Fault.digest_mismatch: "body",
    Fault.clock_skew: "clock",
}
_AT_ADDRESS = frozenset(
    {Fault.not_found, Fault.web_page, Fault.server_error, Fault.too_slow, Fault.broken_off}
)


def cause(
    outcome: Outcome, met: Obstacle | None, changed: Obstacle | None, in_use: str
) -> Obstacle | None:
    """Why the signed call failed; None if it did not.

    `met` is what a stranger met at the same address, `changed` what is known to be lost or
    changed on the way there.
    """
    if outcome.error is None:
        return None
    fault, evidence = outcome.error.fault, outcome.error.evidence
    if fault is Fault.unauthorized:
        return changed or met or Obstacle("echo", fault, evidence)
    if fault in _NOT_SITEAGENT and not is_proven(outcome) and met is not None:
        return met
    if fault is Fault.bad_reply_signature:
        return _broken_signature(evidence)
    if fault in _AT_ADDRESS:
        return Obstacle(in_use, fault, evidence)
    return Obstacle(_CHECKS.get(fault, "echo"), fault, evidence)


def is_proven(outcome: Outcome | None) -> bool:
    """Whether the site's own signature came back whole, with a yes or with a no."""
    if outcome is None:
        return False
    if outcome.error is None:
        return True
    fault = outcome.error.fault
    is_signed_no = fault is Fault.refused_by_site and outcome.error.evidence.get("status") != 413
    return fault in _SIGNED or is_signed_no


def output_started(outcome: Outcome | None) -> str:
    """Where, by the site's signed word, something printed before an earlier answer."""
    said = outcome.document.get("output_started") if outcome and outcome.document else None
    return printable(said)[:200] if isinstance(said, str) else ""


def clock_offset_s(outcome: Outcome | None) -> int | None:
    """How far the site's clock is ahead, by its signed word; None when it gave none."""
    return None if outcome is None or outcome.reply is None else outcome.reply.clock_offset_s


def _broken_signature(evidence: dict[str, str | int]) -> Obstacle:
    detail = str(evidence.get("detail", ""))
    if "content type" in detail:
        return Obstacle("headers", "content_type_changed", evidence)
    if "another request" in detail:
        return Obstacle("cache", "cached_answer", evidence)
    return Obstacle("body", Fault.bad_reply_signature, evidence)
