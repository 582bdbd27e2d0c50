"""Error codes of calls to sites, and the evidence that people may see."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import Enum, StrEnum, auto
from typing import Self

MAX_EVIDENCE_CHARS = 500
_MAX_EVIDENCE_FACTS = 12
_MIN_SECRET_CHARS = 8


class Trait(Enum):
    """A property of an error code."""

    TRANSIENT = auto()  # a retry may succeed without any change
    SIGNED = auto()  # the site itself signed the refusal
    NOTHING_SENT = auto()  # no byte of the request left
    UNANSWERED = auto()  # no web server that serves the site answered
    ELSEWHERE = auto()  # something other than the plugin answered at this address


_TRANSIENT, _SIGNED, _NOTHING_SENT, _UNANSWERED, _ELSEWHERE = Trait


class ErrorCode(StrEnum):
    """What went wrong, from DNS to the last byte. Templates have the next steps for each."""

    traits: frozenset[Trait]

    def __new__(cls, code: str, *traits: Trait) -> Self:
        """Make the user `code`, which is its own text and has these traits."""
        user = str.__new__(cls, code)
        user._value_ = code
        user.traits = frozenset(traits)
        return user

    held_up = "held_up", _TRANSIENT, _NOTHING_SENT
    dns = "dns", _TRANSIENT, _NOTHING_SENT, _UNANSWERED
    address_refused = "address_refused", _NOTHING_SENT, _UNANSWERED
    connection_refused = "connection_refused", _TRANSIENT, _NOTHING_SENT, _UNANSWERED
    connect_timeout = "connect_timeout", _TRANSIENT, _NOTHING_SENT, _UNANSWERED
    tls_invalid = "tls_invalid", _NOTHING_SENT, _UNANSWERED
    tls_expired = "tls_expired", _NOTHING_SENT, _UNANSWERED
    tls_wrong_name = "tls_wrong_name", _NOTHING_SENT, _UNANSWERED
    tls_not_spoken = "tls_not_spoken", _NOTHING_SENT, _UNANSWERED
    redirected = "redirected", _ELSEWHERE
    unauthorized = "unauthorized"
    disconnected = "disconnected"
    site_keys_unreadable = "site_keys_unreadable"
    not_found = "not_found", _ELSEWHERE
    blocked = "blocked", _ELSEWHERE
    post_refused = "post_refused", _ELSEWHERE
    web_page = "web_page", _ELSEWHERE
    server_error = "server_error", _TRANSIENT, _UNANSWERED, _ELSEWHERE
    reply_too_large = "reply_too_large", _ELSEWHERE
    too_slow = "too_slow", _TRANSIENT, _UNANSWERED
    broken_off = "broken_off", _TRANSIENT, _UNANSWERED
    encoded_reply = "encoded_reply", _ELSEWHERE
    unsigned_reply = "unsigned_reply", _ELSEWHERE
    bad_reply_signature = "bad_reply_signature"
    malformed_reply = "malformed_reply", _ELSEWHERE
    report_invalid = "report_invalid"
    clock_skew = "clock_skew", _SIGNED
    replayed = "replayed", _TRANSIENT, _SIGNED
    digest_mismatch = "digest_mismatch"
    identity_changed = "identity_changed", _SIGNED
    wrong_site = "wrong_site", _SIGNED
    pairing_closed = "pairing_closed", _SIGNED
    nonce_store_unavailable = "nonce_store_unavailable", _TRANSIENT, _SIGNED
    refused_by_site = "refused_by_site", _SIGNED

    @classmethod
    def having(cls, trait: Trait) -> frozenset[ErrorCode]:
        """Return every code with that trait."""
        return frozenset(code for code in cls if trait in code.traits)


_TRANSIENT_REFUSALS = frozenset({"internal_error"})


class CallError(Exception):
    """A call to a site failed.

    `evidence` is short, printable and without Aura's secrets. Only an error code that comes from a
    signed refusal is a statement of the site itself.
    """

    def __init__(self, error_code: ErrorCode, evidence: dict[str, str | int] | None = None) -> None:
        super().__init__(error_code.value)
        self.error_code = error_code
        self.evidence = evidence or {}

    @property
    def permanent(self) -> bool:
        """Whether a retry is pointless without any change."""
        if self.error_code is ErrorCode.refused_by_site:
            return self.evidence.get("code") not in _TRANSIENT_REFUSALS
        return Trait.TRANSIENT not in self.error_code.traits


def evidence(facts: dict[str, object], hidden: Iterable[str] = ()) -> dict[str, str | int]:
    """Return the facts worth keeping, cleaned and truncated, without the `hidden` texts.

    Empty ones are left out. A site may send our own request back, so what we sent is hidden before
    anything is stored.
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
    """Return the text as one line without control, bidirectional or invisible characters."""
    seen = (" " if unicodedata.category(char)[0] == "C" else char for char in text)
    return " ".join("".join(seen).split())
