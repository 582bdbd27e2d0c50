"""What a request must show before it may change anything: that it comes from our own page.

Two independent proofs: the token every form carries, and what the browser itself says
about where the request began.
"""

from __future__ import annotations

from flask import Flask, current_app, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from app.views import agent_api
from app.views.authorization import SAFE_METHODS

# A site signs its notice and has no session here that could be abused.
_SIGNED = agent_api.notice


def register(app: Flask) -> None:
    csrf = CSRFProtect()
    app.before_request(_refuse_foreign)
    csrf.init_app(app)
    csrf.exempt(_SIGNED)


def _refuse_foreign() -> None:
    """Raise CSRFError for a request that a page of somebody else began."""
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
