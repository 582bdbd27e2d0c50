"""Renew the keys of a site, resolve a paused connection, and save its server password."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.connection import rotation
from app.domain.errors import Invalid
from app.domain.sites import sites
from app.models.base import utcnow
from app.models.sites import Site
from app.views.authorization import current_actor, load_site, require_permission

bp = Blueprint("connections", __name__)


@bp.post("/sites/<int:site_id>/keys/rotate")
@require_permission("keys")
def rotate(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    rotation.request_rotation(
        site, by=current_actor(), config=current_app.config["AURA"], now=utcnow()
    )
    return _to_site(site)


@bp.post("/sites/<int:site_id>/quarantine/follow")
@require_permission("keys")
def follow(site_id: int) -> ResponseReturnValue:
    """Accept the site's new address and renew the keys there."""
    site = load_site(site_id)
    rotation.follow_move(site, by=current_actor(), config=current_app.config["AURA"], now=utcnow())
    return _to_site(site)


@bp.get("/sites/<int:site_id>/server-login")
@require_permission("keys")
def server_login(site_id: int) -> ResponseReturnValue:
    return _login_page(load_site(site_id), "", {})


@bp.post("/sites/<int:site_id>/server-login")
@require_permission("keys")
def keep_server_login(site_id: int) -> ResponseReturnValue:
    site, name = load_site(site_id), request.form.get("login_name", "").strip()
    try:
        sites.set_server_login(
            site,
            name=name,
            password=request.form.get("login_password", ""),
            by=current_actor(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _login_page(site, name, refusal.messages), 422
    flash("Server password saved (encrypted)." if name else "Server password deleted.")
    return _to_site(site)


def _login_page(site: Site, name: str, errors: dict[str, str]) -> str:
    return render_template("sites/server_login.html", site=site, name=name, errors=errors)


def _to_site(site: Site) -> ResponseReturnValue:
    return redirect(url_for("site_tabs.connection", site_id=site.id), 303)
