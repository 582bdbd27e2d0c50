"""What may arrive in an address or a form: texts and numbers that a database can hold."""

from __future__ import annotations

from flask import Flask, abort, request
from werkzeug.routing import IntegerConverter

from app.views import agent

_MOST_DIGITS = 18


class RowId(IntegerConverter):
    """The `int` of our routes: no more digits than a row's number can have, else 404."""

    regex = r"\d{1,9}"


def register(app: Flask) -> None:
    """Before the blueprints, whose routes are made with the converter."""
    app.url_map.converters["int"] = RowId
    app.before_request(_refuse_nul)


def row_number(text: str) -> int:
    """For `request.args.get(…, type=row_number)`: ValueError for what no row can have."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ValueError(text)
    return int(text)


def _refuse_nul() -> None:
    """No person types a NUL, and PostgreSQL keeps none: it would fail halfway through a view.

    A site's notice is left alone; its signature is over bytes that nobody read before.
    """
    if request.endpoint == f"{agent.bp.name}.{agent.notice.__name__}":
        return
    texts = (*request.args.items(multi=True), *request.form.items(multi=True))
    if any("\0" in text for _, text in texts):
        abort(400)
