"""Pages of one component of a site: its history, and ignored updates."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.changes import rest_decisions
from app.domain.errors import Invalid
from app.domain.inventory.targets import kind_of
from app.domain.sites import holds
from app.models.base import utcnow
from app.models.sites import Site
from app.views import change_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    load_site,
    require_permission,
)
from app.views.filters import user_zone
from app.views.request_validation import typed_midnight

bp = Blueprint("components", __name__)


@bp.get("/sites/<int:site_id>/component")
@require_permission("see")
def history(site_id: int) -> ResponseReturnValue:
    return _page(load_site(site_id), {})


@bp.post("/sites/<int:site_id>/component/hold")
@require_permission("propose")
def hold(site_id: int) -> ResponseReturnValue:
    site, (kind, ident) = load_site(site_id), _named()
    try:
        holds.hold_updates(
            [site],
            kind,
            ident,
            until=typed_day(),
            reason=request.form.get("hold_reason", ""),
            by=current_actor(),
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(site, refusal.messages), 422
    flash("Updates are ignored.")
    return _back(site)


@bp.post("/sites/<int:site_id>/component/release")
@require_permission("propose")
def release(site_id: int) -> ResponseReturnValue:
    site, (kind, ident) = load_site(site_id), _named()
    holds.release_hold(site, kind, ident, by=current_actor(), now=utcnow())
    flash("Updates are no longer ignored.")
    return _back(site)


@bp.post("/sites/<int:site_id>/component/lift")
@require_permission("lift")
def lift(site_id: int) -> ResponseReturnValue:
    """Let rules install a release without waiting for it to rest."""
    site, (kind, ident) = load_site(site_id), _named()
    try:
        rest_decisions.lift_rest(
            site,
            kind,
            ident,
            request.form.get("version", "")[:300],
            reason=request.form.get("rest", ""),
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(site, refusal.messages), 422
    flash("Auto-update rules install this release without a rest.")
    return _back(site)


def _named() -> tuple[str, str]:
    ident = request.values.get("ident", "")[:300]
    return kind_of(request.values.get("kind", "")[:16], ident), ident


def typed_day() -> datetime | None:
    """Return the end of the typed day for this user; None if there is none.

    Raises: Invalid for a wrong day.
    """
    text = request.form.get("until", "").strip()
    if not text:
        return None
    try:
        return typed_midnight(text, days=1, zone=user_zone())
    except ValueError as why:
        raise Invalid(
            "until", "Enter a date, for example 2026-12-31, or leave the field empty."
        ) from why


def _page(site: Site, errors: dict[str, str]) -> str:
    kind, ident = _named()
    page = change_view_models.history_page(site, kind, ident, current_actor())
    return render_template("changes/history.html", page=page, errors=errors, typed=request.form)


def _back(site: Site) -> ResponseReturnValue:
    kind, ident = _named()
    address = url_for("components.history", site_id=site.id, kind=kind, ident=ident)
    return redirect(address, 303)
