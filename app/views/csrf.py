"""Check that a state-changing request comes from a page of Aura.

Two independent checks: the token in each form, and the browser's own headers about the origin.
"""

from __future__ import annotations

from flask import Flask, current_app, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from app.views import agent_api
from app.views.authorization import SAFE_METHODS

# Sites sign their messages and have no session that could be abused.
_SIGNED = agent_api.notice


def register(app: Flask) -> None:
    csrf = CSRFProtect()
    app.before_request(_refuse_foreign)
    csrf.init_app(app)
    csrf.exempt(_SIGNED)


def _refuse_foreign() -> None:
    """Raise CSRFError for a request from another website."""
    if (
        request.method in SAFE_METHODS
        or request.endpoint == f"{agent_api.bp.name}.{_SIGNED.__name__}"
    ):
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    ours = (current_app.config["AURA"].origin, request.host_url.rstrip("/"))
    if site != "same-origin" or (origin is not None and origin not in ours):
        raise CSRFError("This request does not come from a page of Aura.")
