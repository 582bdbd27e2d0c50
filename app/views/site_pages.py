"""The pages of a site that must still work after each update."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.errors import Invalid, NotFound
from app.domain.page_checks import addresses, screenshots, settings, suggestions
from app.domain.page_checks.settings import TypedPage
from app.models.base import utcnow
from app.models.site_pages import ChangePages, PageRound, SitePage
from app.views.authorization import current_actor, load_change, load_site, require_permission
from app.views.request_validation import row_number
from app.views.site_view_models import SitePage as SiteTab
from app.views.site_view_models import load_site_page

bp = Blueprint("site_pages", __name__)


@bp.get("/sites/<int:site_id>/pages")
@require_permission("see")
def show(site_id: int) -> ResponseReturnValue:
    return _list(load_site_page(site_id))


@bp.post("/sites/<int:site_id>/pages")
@require_permission("pair")
def add(site_id: int) -> ResponseReturnValue:
    site, typed = load_site(site_id), _typed()
    try:
        page = settings.add_page(site, typed, by=current_actor(), now=utcnow())
    except Invalid as refusal:
        return _list(load_site_page(site_id), typed, refusal.messages), 422
    flash(f"Page {page.path} added. Aura looks at it now.")
    return _to_list(site.id)


@bp.get("/sites/<int:site_id>/pages/<int:page_id>")
@require_permission("pair")
def edit(site_id: int, page_id: int) -> ResponseReturnValue:
    page = _load(load_site(site_id).id, page_id)
    return _form(site_id, page_id, _stored(page))


@bp.post("/sites/<int:site_id>/pages/<int:page_id>")
@require_permission("pair")
def change(site_id: int, page_id: int) -> ResponseReturnValue:
    site, typed = load_site(site_id), _typed()
    try:
        settings.change_page(site, page_id, typed, by=current_actor(), now=utcnow())
    except Invalid as refusal:
        return _form(site_id, page_id, typed, refusal.messages), 422
    flash("Page saved.")
    return _to_list(site.id)


@bp.post("/sites/<int:site_id>/pages/<int:page_id>/remove")
@require_permission("pair")
def remove(site_id: int, page_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    settings.remove_page(site, page_id, by=current_actor(), now=utcnow())
    flash("Page removed. Aura no longer looks at it.")
    return _to_list(site.id)


@bp.post("/sites/<int:site_id>/pages/look")
@require_permission("sync")
def look(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    settings.request_look(site, by=current_actor(), now=utcnow())
    flash("Look requested. Reload this page in a moment.")
    return _to_list(site.id)


@bp.get("/changes/<int:change_id>/screenshots/<int:index>/<moment>/<width>")
@require_permission("see")
def screenshot(change_id: int, index: int, moment: str, width: str) -> ResponseReturnValue:
    """Return a screenshot of the page with this place in the results of an update."""
    found = load_change(change_id)
    picture = screenshots.read(found.id, index, moment, width, current_app.config["AURA"])
    if picture is None:
        raise NotFound("This screenshot is not kept any more. Aura keeps them for 30 days.")
    # A picture and nothing else, also when it is opened alone.
    policy = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(picture, mimetype="image/webp", headers=policy)


def _typed() -> TypedPage:
    return TypedPage(
        path=request.form.get("path", ""),
        phrase=request.form.get("phrase", ""),
        selector=request.form.get("selector", ""),
        form_action=request.form.get("form_action", ""),
        status=request.form.get("status", -1, type=row_number),
        no_notice=bool(request.form.get("no_notice")),
        no_console_error=bool(request.form.get("no_console_error")),
    )


def _stored(page: SitePage) -> TypedPage:
    return TypedPage(path=page.path, **asdict(settings.requirements_of(page)))


def _load(site_id: int, page_id: int) -> SitePage:
    page = SitePage.known(site_id, page_id)
    if page is None:
        raise NotFound("This page is not in the list. It may have been removed.")
    return page


def _list(
    tab: SiteTab, typed: TypedPage | None = None, errors: dict[str, str] | None = None
) -> str:
    pages, asked = SitePage.of_site(tab.site.id), PageRound.of(tab.site.id)
    listed: list[dict[str, Any]] = tab.document.get("plugins", [])
    active = [str(plugin.get("id", "")) for plugin in listed if plugin.get("active")]
    linked = asked.suggestions if asked else []
    return render_template(
        "pages/show.html",
        page=tab,
        pages=pages,
        address_of=addresses.address_of,
        to_judge=ChangePages.to_judge(tab.site.id),
        asked=asked,
        suggestions=suggestions.suggest(linked, active, {page.path for page in pages}),
        most=settings.MOST_PAGES,
        statuses=settings.STATUSES,
        has_browser=current_app.config["AURA"].chromium is not None,
        typed=typed or TypedPage(""),
        errors=errors or {},
    )


def _form(
    site_id: int, page_id: int, typed: TypedPage, errors: dict[str, str] | None = None
) -> str:
    return render_template(
        "pages/edit.html",
        page=load_site_page(site_id),
        page_id=page_id,
        has_browser=current_app.config["AURA"].chromium is not None,
        statuses=settings.STATUSES,
        typed=typed,
        errors=errors or {},
    )


def _to_list(site_id: int) -> ResponseReturnValue:
    return redirect(url_for("site_pages.show", site_id=site_id), 303)
