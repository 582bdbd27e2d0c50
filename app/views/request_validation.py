"""Check the texts and numbers of addresses and forms before a view uses them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from flask import Flask, abort, request
from werkzeug.exceptions import SecurityError
from werkzeug.routing import IntegerConverter

from app.views import agent_api

_MOST_DIGITS = 18
# Forms with hundreds of checkboxes. All others are limited to MAX_CONTENT_LENGTH.
_LARGE_FORMS = frozenset(
    {
        "auto_update_rules.make",
        "batches.approve",
        "bulk_sites.change_tags",
        "bulk_sites.ignore_updates",
        "site_csv.import_sites",
        "updates.ignore",
        "updates.review",
    }
)
_LARGE_FORM_BYTES = 256 * 1024
# More than a logo may have, so that the form itself can say that a file is too large.
_UPLOADS = frozenset({"agency.upload_logo"})
_UPLOAD_BYTES = 2 * 1024 * 1024


class RowId(IntegerConverter):
    """The `int` converter of routes: at most as many digits as a row id can have, else 404."""

    regex = r"\d{1,9}"


def register(app: Flask) -> None:
    """Add the converter; call it before the blueprints are registered."""
    app.url_map.converters["int"] = RowId
    app.before_request(_refuse_nul)


def prepare() -> None:
    """Refuse unreadable requests, and set the body limit of the route.

    It runs first, so later steps can read every part of the request.
    """
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception
    # Browsers and SiteAgent always send the length, and gunicorn fails halfway through a
    # malformed body.
    if "Transfer-Encoding" in request.headers:
        abort(411)
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        abort(400)
    if request.endpoint in _LARGE_FORMS:
        request.max_content_length = _LARGE_FORM_BYTES
    elif request.endpoint in _UPLOADS:
        request.max_content_length = _UPLOAD_BYTES


def row_number(text: str) -> int:
    """Parse a row id, for `request.args.get(…, type=row_number)`.

    Raises: ValueError if no row can have it.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ValueError(text)
    return int(text)


def ticked_clients() -> tuple[int, ...]:
    """Return the ids of the clients that a form chooses; empty for all of them.

    "Some clients" without any is an id that no client has, so that it is refused and never all.
    """
    if request.form.get("which") != "some":
        return ()
    return tuple(sorted(set(request.form.getlist("client", type=row_number)))) or (0,)


def typed_day(text: str) -> date:
    """Parse a day such as 2026-11-30.

    Raises: ValueError for anything else, and for the last year of the calendar, because the end of
    its last day cannot be expressed.
    """
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip(), re.ASCII):
        raise ValueError(text)
    found = date.fromisoformat(text.strip())
    if found.year == date.max.year:
        raise ValueError(text)
    return found


def typed_midnight(text: str, *, days: int = 0, zone: tzinfo = UTC) -> datetime:
    """Return when a typed day begins in a time zone, or the day `days` later.

    Raises: ValueError.
    """
    begins = datetime.combine(typed_day(text) + timedelta(days=days), time(), zone)
    try:
        return begins.astimezone(UTC)
    except OverflowError as why:
        raise ValueError(text) from why


def _refuse_nul() -> None:
    """Refuse NUL characters, which PostgreSQL cannot store.

    A site's message is not changed, because its signature covers the bytes.
    """
    if request.endpoint == f"{agent_api.bp.name}.{agent_api.notice.__name__}":
        return
    texts = (*request.args.items(multi=True), *request.form.items(multi=True))
    if any("\0" in text for _, text in texts):
        abort(400)
