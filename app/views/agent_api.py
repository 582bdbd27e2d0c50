"""The door the sites knock on. Not for people: no session, no form, signed bodies only."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.domain.inventory import notices
from app.models.base import utcnow
from app.protocol import CONTENT_TYPE, MAX_REQUEST_BYTES

bp = Blueprint("agent_api", __name__)


@bp.post(notices.PATH)
def notice() -> Response:
    """Hand the bytes to the domain as they came, and its answer back as it is."""
    # One byte more than is allowed lets the domain give its own answer to too much.
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
