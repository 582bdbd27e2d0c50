"""The uptime of a site, and its settings."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import charts
from app.domain.errors import Invalid
from app.domain.uptime import figures, settings
from app.models.base import utcnow
from app.models.domains import DomainName
from app.models.uptime import DEFAULT_MINUTES, RESULTS
from app.views.authorization import current_actor, load_site, require_permission
from app.views.brand import agency_settings
from app.views.site_view_models import SitePage, load_site_page

bp = Blueprint("uptime", __name__)


@bp.app_template_global("uptime_strip")
def uptime_strip(states: Sequence[str]) -> dict[str, str]:
    return charts.strip(states)


@bp.app_template_global("response_chart")
def response_chart(hours: Sequence[tuple[int, int]]) -> charts.Line:
    return charts.line(hours)


@bp.app_template_global("check_result")
def check_result(number: int) -> str:
    """Return the word for the stored result of a check."""
    return RESULTS[number]


@bp.get("/sites/<int:site_id>/uptime")
@require_permission("see")
def show(site_id: int) -> ResponseReturnValue:
    return _page(load_site_page(site_id))


@bp.post("/sites/<int:site_id>/uptime")
@require_permission("pair")
def change_settings(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    typed = {name: request.form.get(name, "") for name in ("every_minutes", "phrase")}
    choices = {str(minutes): minutes for minutes in settings.CHOICES}
    try:
        settings.change_settings(
            site,
            every_minutes=choices.get(typed["every_minutes"], -1),
            phrase=typed["phrase"],
            by=current_actor(),
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(load_site_page(site_id), typed, refusal.messages), 422
    flash("Uptime checks saved.")
    return redirect(url_for("uptime.show", site_id=site.id), 303)


def _page(
    page: SitePage, typed: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> str:
    watch = page.watch
    stored = {
        "every_minutes": str(watch.every_minutes if watch else DEFAULT_MINUTES),
        "phrase": watch.phrase if watch else "",
    }
    return render_template(
        "uptime/show.html",
        page=page,
        uptime=figures.read_site(page.site.id, watch, page.now, agency_settings().zone),
        domain=DomainName.of(watch.domain) if watch else None,
        asks_registries=current_app.config["AURA"].asks_registries,
        choices=settings.CHOICES,
        typed=typed or stored,
        errors=errors or {},
    )
