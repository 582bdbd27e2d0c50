"""What may arrive in an address or a form: texts and numbers that a database can hold."""

from __future__ import annotations

from flask import Flask, abort, request
from werkzeug.exceptions import SecurityError
from werkzeug.routing import IntegerConverter

from app.views import agent_api

_MOST_DIGITS = 18
# Forms in which hundreds of boxes can be checked. Every other one has MAX_CONTENT_LENGTH.
_LARGE_FORMS = frozenset({"changes.propose", "changes.approve_together", "auto_update_rules.make"})
_LARGE_FORM_BYTES = 256 * 1024


class RowId(IntegerConverter):
    """The `int` of our routes: no more digits than a row's number can have, else 404."""

    regex = r"\d{1,9}"


def register(app: Flask) -> None:
    """Before the blueprints, whose routes are made with the converter."""
    app.url_map.converters["int"] = RowId
    app.before_request(_refuse_nul)


def prepare() -> None:
    """Refuse what cannot be read before anything reads it, and limit the body by its route.

    Runs before everything else: whatever a later step reads of the request can be read.
    """
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception
    # No browser and no SiteAgent sends a body without its length, and the server in front of
    # us fails halfway through a malformed one.
    if "Transfer-Encoding" in request.headers:
        abort(411)
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        abort(400)
    if request.endpoint in _LARGE_FORMS:
        request.max_content_length = _LARGE_FORM_BYTES


def row_number(text: str) -> int:
    """For `request.args.get(…, type=row_number)`: ValueError for what no row can have."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ValueError(text)
    return int(text)


def _refuse_nul() -> None:
    """No person types a NUL, and PostgreSQL keeps none: it would fail halfway through a view.

    A site's notice is left alone; its signature is over bytes that nobody read before.
    """
    if request.endpoint == f"{agent_api.bp.name}.{agent_api.notice.__name__}":
        return
    texts = (*request.args.items(multi=True), *request.form.items(multi=True))
    if any("\0" in text for _, text in texts):
        abort(400)
