"""The page with what the search box finds."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.domain import directory
from app.views.authorization import current_actor, require_permission

bp = Blueprint("search", __name__)


@bp.get("/search")
@require_permission("see")
def index() -> ResponseReturnValue:
    text = request.args.get("q", "").strip()[: directory.MAX_CHARS]
    found = directory.search(current_actor(), text)
    return render_template("search/index.html", q=text, found=found, most_found=directory.MAX_FOUND)
