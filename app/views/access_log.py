"""Log each request: its route, status, duration and user.

The route stands for the address, which may be a one-time link or contain what a person typed.
"""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

_log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Measure from before the first step of a request; call it before all other steps."""
    app.before_request(_begin)
    app.after_request(_log_request)


def _begin() -> None:
    g.began, g.user_id = time.monotonic(), None


def _log_request(response: Response) -> Response:
    """Log the request when its response begins to be sent."""
    route = request.url_rule.rule if request.url_rule else None
    _log.info(
        "%s %s: %s",
        request.method,
        route or "(no route)",
        response.status_code,
        extra={
            "method": request.method,
            "route": route,
            "status": response.status_code,
            "duration_ms": round((time.monotonic() - g.began) * 1000, 1),
            "user_id": g.user_id,
        },
    )
    return response
