"""Settings of the agency: name, time zone, accent color and logo. For owners."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.agency import colors, logo, settings
from app.domain.agency.colors import DARK, LIGHT
from app.domain.agency.settings import AgencySettings, TypedSettings
from app.domain.errors import Invalid
from app.domain.time_zones import time_zones
from app.models.agency import Agency
from app.models.base import utcnow
from app.views.authorization import current_actor, require_permission

bp = Blueprint("agency", __name__)

_FIELDS = ("name", "time_zone", "accent", "accent_dark")
# Aura's own accent, measured on the page where no other is set. A test compares it with tokens.css.
OWN_ACCENTS = ("#1d5bd6", "#7fb0ff")


@bp.get("/settings/agency")
@require_permission("agency")
def show() -> ResponseReturnValue:
    row = Agency.read()
    return _page({field: getattr(row, field) for field in _FIELDS}, {})


@bp.post("/settings/agency")
@require_permission("agency")
def change() -> ResponseReturnValue:
    typed = TypedSettings(**{field: request.form.get(field, "").strip() for field in _FIELDS})
    try:
        settings.change_settings(typed, by=current_actor(), now=utcnow())
    except Invalid as refusal:
        return _page(asdict(typed), refusal.messages), 422
    flash("Agency settings saved.")
    return _back()


@bp.post("/settings/agency/logo")
@require_permission("agency")
def upload_logo() -> ResponseReturnValue:
    upload = request.files.get("logo")
    # One byte more than the limit, so that a larger file is noticed and not read.
    data = upload.stream.read(logo.MAX_BYTES + 1) if upload else b""
    try:
        logo.set_logo(data, by=current_actor(), now=utcnow())
    except Invalid as refusal:
        row = Agency.read()
        return _page({field: getattr(row, field) for field in _FIELDS}, refusal.messages), 422
    flash("Logo uploaded.")
    return _back()


@bp.post("/settings/agency/logo/remove")
@require_permission("agency")
def remove_logo() -> ResponseReturnValue:
    logo.remove_logo(by=current_actor(), now=utcnow())
    flash("Logo removed.")
    return _back()


def _back() -> ResponseReturnValue:
    return redirect(url_for("agency.show"), 303)


def _page(typed: dict[str, str], errors: dict[str, str]) -> str:
    config = current_app.config["AURA"]
    found = settings.read_settings(config)
    return render_template(
        "settings/agency.html",
        found=found,
        typed=typed,
        errors=errors,
        default_name=config.agency,
        zones=[(name, name.replace("_", " ")) for name in time_zones()],
        previews=_previews(found),
        limits=logo,
    )


def _previews(found: AgencySettings) -> list[tuple[str, str, list[colors.Measurement]]]:
    """Return the name, the color and the contrasts of each theme as they are in use."""
    accents = found.accents
    light, dark = (shades.accent for shades in accents) if accents else OWN_ACCENTS
    return [
        (theme.name, color, colors.measure(color, theme))
        for theme, color in ((LIGHT, light), (DARK, dark))
    ]
