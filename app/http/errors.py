"""Every way a call to a site can fail, each under one name, with evidence a person may see."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import StrEnum, auto

MAX_EVIDENCE_CHARS = 500
_MAX_EVIDENCE_FACTS = 12
_MIN_SECRET_CHARS = 8


class ErrorCode(StrEnum):
    """What went wrong, from the name lookup to the last byte; the UI has a next step for each."""

    held_up = auto()
    dns = auto()
    address_refused = auto()
    connection_refused = auto()
    connect_timeout = auto()
    tls_invalid = auto()
    tls_expired = auto()
    tls_wrong_name = auto()
    tls_not_spoken = auto()
    redirected = auto()
    unauthorized = auto()
    disconnected = auto()
    site_keys_unreadable = auto()
    not_found = auto()
    blocked = auto()
    post_refused = auto()
    web_page = auto()
    server_error = auto()
    reply_too_large = auto()
    too_slow = auto()
    broken_off = auto()
    encoded_reply = auto()
    unsigned_reply = auto()
    bad_reply_signature = auto()
    malformed_reply = auto()
    report_invalid = auto()
    clock_skew = auto()
    replayed = auto()
    digest_mismatch = auto()
    identity_changed = auto()
    wrong_site = auto()
    pairing_closed = auto()
    nonce_store_unavailable = auto()
    refused_by_site = auto()


# These may pass by themselves; every other fault waits for a person.
_PASSING = frozenset(
    {
        ErrorCode.held_up,
        ErrorCode.dns,
        ErrorCode.connection_refused,
        ErrorCode.connect_timeout,
        ErrorCode.server_error,
        ErrorCode.too_slow,
        ErrorCode.broken_off,
        ErrorCode.replayed,
        ErrorCode.nonce_store_unavailable,
    }
)
_PASSING_REFUSALS = frozenset({"internal_error"})


class CallError(Exception):
    """A call did not succeed. `evidence` is short, printable and free of our own secrets.

    Nothing about the site may be believed but `fault` and `evidence` themselves; only
    a fault that comes from a signed refusal says something the site itself vouches for.
    """

    def __init__(self, fault: ErrorCode, evidence: dict[str, str | int] | None = None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.evidence = evidence or {}

    @property
    def permanent(self) -> bool:
        """Whether trying again without anybody changing anything is pointless."""
        if self.fault is ErrorCode.refused_by_site:
            return self.evidence.get("code") not in _PASSING_REFUSALS
        return self.fault not in _PASSING


def evidence(facts: dict[str, object], hidden: Iterable[str] = ()) -> dict[str, str | int]:
    """The facts worth keeping: texts and whole numbers, cleaned, cut, without the `hidden` texts.

    Empty ones are left out. A site may well send our own request back at us, so what
    we sent is hidden before anything is stored.
    """
    secrets = [text for text in hidden if len(text) >= _MIN_SECRET_CHARS]
    kept: dict[str, str | int] = {}
    for name, value in facts.items():
        if len(kept) == _MAX_EVIDENCE_FACTS:
            break
        if isinstance(value, int) and not isinstance(value, bool):
            kept[printable(name)[:40]] = value
        elif isinstance(value, str) and value:
            for secret in secrets:
                value = value.replace(secret, "[hidden]")
            kept[printable(name)[:40]] = printable(value)[:MAX_EVIDENCE_CHARS]
    return kept


def printable(text: str) -> str:
    """One line without control, direction-changing or invisible characters."""
    return " ".join("".join(" " if _is_control(char) else char for char in text).split())


def _is_control(char: str) -> bool:
    return unicodedata.category(char).startswith("C")
