"""Write the messages about a person's own account: a new device, a change of second factors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app import formats
from app.config import Config
from app.domain.accounts import codes, security_mail
from app.domain.text import one_line
from app.domain.time_zones import zone_of
from app.mail_format import Letter
from app.models.email import OutgoingEmail

_MAX_CHARS = 120
_SESSIONS = "/account#sessions"
_FACTORS = "/account/second-factor"
_REASON = "Aura sends this to the person of an account when the way to sign in to it changes."
# What a person does who did not cause the message.
_NOT_YOU = (
    "If this was not you: open Your account in Aura and end all other sessions.",
    "Then change your password, and remove every second factor that is not yours.",
    "If you cannot sign in any more, ask an owner to disable your account at once.",
)


def write_security_letter(email: OutgoingEmail, config: Config) -> Letter:
    """Return what the message says; `email.content` is as security_mail.py stores it."""
    content = email.content
    at = datetime.fromisoformat(content["at"])
    when = formats.time_in(zone_of(email.user.time_zone), at)
    happened = _HAPPENED[content["what"]](content)
    path, label = _FACTORS, "Review your second factor"
    if content["what"] == security_mail.NEW_DEVICE:
        path, label = _SESSIONS, "Review your sessions"
    return Letter(
        heading=email.subject,
        paragraphs=(*happened, f"Account: {email.user.email}. Time: {when}."),
        button=(label, f"{config.origin}{path}"),
        notes=_NOT_YOU,
        reason=_REASON,
    )


def _text(content: dict[str, Any], key: str) -> str:
    return one_line(str(content.get(key, "")), _MAX_CHARS)


def _new_device(content: dict[str, Any]) -> tuple[str, ...]:
    browser, address = _text(content, "browser"), _text(content, "address")
    return (
        "Your account was signed in to from a browser that you have not used in the last 90 days.",
        f"Browser: {browser}. Network address: {address}.",
    )


def _added(content: dict[str, Any]) -> tuple[str, ...]:
    return (f"{_factor(content)} was added. Your other sessions ended.",)


def _removed(content: dict[str, Any]) -> tuple[str, ...]:
    return (f"{_factor(content)} was removed. Your other sessions ended.",)


def _factor(content: dict[str, Any]) -> str:
    if content["factor"] == codes.APP:
        return "An authenticator app"
    return f"The passkey “{_text(content, 'name')}”"


def _codes_created(_: dict[str, Any]) -> tuple[str, ...]:
    return ("New recovery codes were created. The former codes no longer work.",)


def _code_used(content: dict[str, Any]) -> tuple[str, ...]:
    left = int(content["left"])
    count = f"{left} recovery codes are" if left != 1 else "One recovery code is"
    return (
        "A recovery code was used in place of your authenticator app or passkey.",
        f"{count} left. You can create new ones at any time.",
    )


def _reset(content: dict[str, Any]) -> tuple[str, ...]:
    by = _text(content, "by")
    return (
        f"{by} removed your authenticator app, passkeys and recovery codes.",
        "Your sessions ended.",
        "Sign in with your password, then add a second factor again.",
    )


_HAPPENED = {
    security_mail.NEW_DEVICE: _new_device,
    security_mail.ADDED: _added,
    security_mail.REMOVED: _removed,
    security_mail.CODES_CREATED: _codes_created,
    security_mail.CODE_USED: _code_used,
    security_mail.RESET: _reset,
}
