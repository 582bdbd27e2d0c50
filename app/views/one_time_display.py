"""Carry a secret to the one page that shows it.

A form that creates a secret redirects, so that a reload does not create another one. Until then the
secret is sealed in the session cookie of its creator.
"""

from __future__ import annotations

from flask import current_app, session

from app.keys import KeyRing, SealBroken
from app.views.authorization import current_session

_NAME = "shown_once"


def hold(purpose: str, text: str) -> None:
    """Keep `text` for the next page that takes `purpose`; it replaces an earlier text."""
    ring = KeyRing(current_app.config["AURA"].sealing_keys)
    session[_NAME] = [purpose, ring.seal(text.encode(), _context(purpose))]


def take(purpose: str) -> str | None:
    """Return the text for `purpose` and delete it; None the second time."""
    kept, sealed = session.pop(_NAME, None) or ("", "")
    if kept != purpose:
        return None
    ring = KeyRing(current_app.config["AURA"].sealing_keys)
    try:
        return ring.open(sealed, _context(purpose)).decode()
    except SealBroken:
        return None


def _context(purpose: str) -> str:
    """Return the sealing context, so that no other session can open the text."""
    return f"shown_once:{current_session().session.id}:{purpose}"
