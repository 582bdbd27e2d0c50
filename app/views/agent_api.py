"""The endpoint that sites call with signed messages. It has no session and no form."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.domain.inventory import notices
from app.models.base import utcnow
from app.protocol import CONTENT_TYPE, MAX_REQUEST_BYTES

bp = Blueprint("agent_api", __name__)


@bp.post(notices.PATH)
def notice() -> Response:
    """Pass the raw body to the domain and return its answer unchanged."""
    # Read one byte more than allowed, so that the domain can refuse a body that is too large.
    request.max_content_length = MAX_REQUEST_BYTES + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        body = bytes(MAX_REQUEST_BYTES + 1)
    answer = notices.receive_notice(
        method=request.method,
        headers=dict(request.headers),
        body=body,
        config=current_app.config["AURA"],
        ip=request.remote_addr or "",
        now=utcnow(),
    )
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", **answer.headers}
    return Response(answer.body, answer.status, headers)
