"""A form that was sent after its session ended: kept during sign-in, then sent again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote_plus

from flask import request

# The fields that confirm a sensitive action: the password, with a code, or the answer of a passkey.
OWN_PASSWORD = "own_password"  # noqa: S105 - the name of a field
OWN_CODE = "own_code"
OWN_PASSKEY = "own_passkey"
# The sign-in form carries it, and its body is limited to MAX_CONTENT_LENGTH.
_MOST_BYTES = 24 * 1024
PASSWORDS = frozenset({"password", "present", "new", "again", "login_password"})
_DROPPED = frozenset({"csrf_token", OWN_PASSWORD, OWN_CODE, OWN_PASSKEY})


@dataclass(frozen=True)
class KeptForm:
    """The address and the fields of the form, in order."""

    path: str
    fields: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """Return the form as the hidden field of the sign-in form."""
        return json.dumps([self.path, self.fields])


def of_this_request() -> KeptForm | None:
    """Return the form of this request; None if it has a password in it, or is too long."""
    if PASSWORDS & request.form.keys():
        return None
    path = request.full_path if request.query_string else request.path
    fields = tuple(
        (name, value) for name, value in request.form.items(multi=True) if name not in _DROPPED
    )
    kept = KeptForm(safe_next(path), fields)
    return kept if len(quote_plus(kept.text)) <= _MOST_BYTES else None


def carried() -> KeptForm | None:
    """Return the form that the sign-in form carries; None if there is none, or it is not ours."""
    try:
        path, fields = json.loads(request.form.get("kept", ""))
        return KeptForm(
            safe_next(path), tuple((_text(name), _text(value)) for name, value in fields)
        )
    except (TypeError, ValueError):
        return None


def safe_next(path: str | None) -> str:
    """Return `path` if it leads to a page of Aura, otherwise home.

    Browsers treat `//host`, a slash with a backslash, and addresses with control characters as
    another site. A sign-in that redirects there would help phishing.
    """
    if not path or path[0] != "/" or path[1:2] == "/" or "\\" in path:
        return "/"
    if any(ord(char) < 0x21 or ord(char) == 0x7F for char in path):
        return "/"
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
