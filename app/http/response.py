"""The raw response of a site, the classification of unsigned responses, and JSON of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from app import protocol
from app.http.errors import CallError, ErrorCode, evidence
from app.protocol import ProtocolError

EXCERPT_BYTES = 16 * 1024
FORM = "application/x-www-form-urlencoded"
_SHOWN_CHARS = 200


@dataclass(frozen=True)
class RawResponse:
    """An unverified response, cut to `limit` bytes.

    `headers` are case-insensitive. `hidden` are Aura's own texts, which evidence must not contain.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool
    limit: int
    address: str
    hidden: tuple[str, ...]

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        start = self.body[:512].lstrip().lower()
        return "html" in self.media_type or start.startswith((b"<!doctype html", b"<html"))

    @property
    def is_encoded(self) -> bool:
        return self.headers.get("Content-Encoding", "identity").strip().lower() != "identity"

    def error(self, error_code: ErrorCode, **more: object) -> CallError:
        """Return a CallError with code `error_code` and the evidence of this response."""
        # Hide before cutting: half a secret at the cut would not be recognized.
        text = "" if self.is_encoded else self.body[:EXCERPT_BYTES].decode("utf-8", "replace")
        seen: dict[str, object] = {
            "status": self.status,
            "server": self.headers.get("Server", "")[:_SHOWN_CHARS],
            "content_type": self.headers.get("Content-Type", "")[:_SHOWN_CHARS],
            "address": self.address,
            "text": text,
            **more,
        }
        kept = evidence(seen, self.hidden)
        if isinstance(kept.get("text"), str):
            kept["text"] = str(kept["text"])[:_SHOWN_CHARS]
        return CallError(error_code, kept)


def own_texts(headers: Mapping[str, str], body: bytes) -> tuple[str, ...]:
    """Return what evidence must not repeat of a request: signatures, and the values of its body."""
    if headers.get("Content-Type") == FORM:
        return headers.get("Authorization", ""), *dict(parse_qsl(body.decode("ascii"))).values()
    fields = protocol.parse_json(body) if body else {}
    return (
        headers.get("Signature", "").removeprefix("sa=").strip(":"),
        headers.get("Signature-Input", ""),
        *(value for value in fields.values() if isinstance(value, str)),
    )


def refuse_redirect(received: RawResponse) -> None:
    """Raise CallError for every redirect: the signature of a call includes its address."""
    if 300 <= received.status < 400:
        raise received.error(ErrorCode.redirected, location=received.headers.get("Location", ""))


def classify_unsigned(received: RawResponse) -> CallError:
    """Return the CallError for an unsigned response.

    The code only explains the failure. It is no statement of the site.
    """
    status = received.status
    own = _own_refusal(received)
    if own is not None:
        return own
    if "cf-mitigated" in received.headers:
        return received.error(ErrorCode.blocked, detail="a browser challenge")
    if status in (404, 410):
        return received.error(ErrorCode.not_found)
    if status in (405, 501):
        return received.error(ErrorCode.post_refused)
    if status >= 500:
        return received.error(ErrorCode.server_error)
    if status == 401 and "WWW-Authenticate" in received.headers:
        return received.error(ErrorCode.blocked, detail="the web server asks for a password")
    if status != 200:
        return received.error(ErrorCode.blocked)
    if received.is_html:
        return received.error(ErrorCode.web_page)
    if received.is_encoded:
        return received.error(
            ErrorCode.encoded_reply, encoding=received.headers.get("Content-Encoding", "")
        )
    if received.is_cut:
        return received.error(ErrorCode.reply_too_large, limit=received.limit)
    return received.error(ErrorCode.unsigned_reply)


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a server sent. Raises: ValueError for any other body.

    Besides invalid JSON, that is text that is no UTF-8, and deep nesting.
    """
    try:
        document = json.loads(body)
    except RecursionError as why:
        raise ValueError("nested too deeply") from why
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def _own_refusal(received: RawResponse) -> CallError | None:
    """Return the plugin's own unsigned refusal, recognized by its shape."""
    if received.status not in (401, 413) or received.is_cut or received.is_encoded:
        return None
    try:
        document = protocol.parse_json(received.body)
    except ProtocolError:
        return None
    if document.get("siteagent") != 1 or document.get("siteagent") is True:
        return None
    code, proof = document.get("code"), document.get("g")
    if received.status == 413:
        return received.error(ErrorCode.refused_by_site, code="too_large")
    if code == "disconnected" and isinstance(proof, str):
        return received.error(ErrorCode.disconnected, g=proof, text="")
    if code == "keys_unreadable":
        return received.error(ErrorCode.site_keys_unreadable)
    if code == "unauthorized":
        return received.error(ErrorCode.unauthorized)
    return None
