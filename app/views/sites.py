"""Pages about sites: the list, one site and its actions."""

from __future__ import annotations

from flask import (
    Blueprint,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain import plugin_package, plugin_release
from app.domain.changes import site_assignment
from app.domain.connection import pairing, revocation
from app.domain.errors import Invalid, NotFound, StaleState, TagsJoinRules
from app.domain.inventory import report_schema as report_manifest
from app.domain.inventory import site_sync
from app.domain.sites import sites
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Pairing, Site
from app.views import auto_update_rule_view_models, one_time_display
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    load_site,
    page_they_came_from,
    require_permission,
)
from app.views.downloads import download
from app.views.request_validation import row_number
from app.views.site_list_view_models import SiteFilter, list_sites
from app.views.site_tabs import ENDPOINTS, tab_address
from app.views.site_view_models import load_site_page

bp = Blueprint("sites", __name__)

_NOT_ENCRYPTED = (
    "This address uses http, so site data is sent unencrypted. Signatures still protect each call. "
    "Use https as soon as the site supports it."
)


@bp.get("/sites")
@require_permission("see")
def index() -> ResponseReturnValue:
    return render_template(
        "sites/index.html",
        listing=list_sites(current_actor(), SiteFilter.from_values(request.args)),
        is_selected=request.args.get("select") == "shown",
        syncs=site_sync.read_progress(current_actor()),
        has_ended=False,
    )


@bp.get("/sites/new")
@require_permission("pair")
def new() -> ResponseReturnValue:
    return _new_page({"client": request.args.get("client", "")[:120]}, {})


@bp.post("/sites/new")
@require_permission("pair")
def add() -> ResponseReturnValue:
    typed = {name: request.form.get(name, "").strip() for name in ("name", "client", "url")}
    try:
        site = sites.add_site(
            name=typed["name"],
            url=typed["url"],
            client_name=typed["client"],
            by=current_actor(),
            now=utcnow(),
            allow_nets=current_app.config["AURA"].allow_nets,
        )
    except Invalid as refusal:
        return _new_page(typed, refusal.messages), 422
    flash("Site added. Connect it now.")
    if site.url.startswith("http://"):
        flash(_NOT_ENCRYPTED, "info")
    return _to_new_token(site) if "connect" in request.form else _to_site(site)


@bp.get("/sites/<int:site_id>/edit")
@require_permission("pair")
def edit_page(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    typed = {"name": site.name, "client": site.client.name if site.client else ""}
    return _edit_page(site, typed, {})


@bp.post("/sites/<int:site_id>/edit")
@require_permission("pair")
def edit(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    typed = {name: request.form.get(name, "").strip() for name in ("name", "client")}
    try:
        site_assignment.edit_site(
            site,
            name=typed["name"],
            client_name=typed["client"],
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            agreed=request.form.getlist("agreed", type=row_number),
            now=utcnow(),
        )
    except Invalid as refusal:
        return _edit_page(load_site(site_id), typed, refusal.messages), 422
    except TagsJoinRules as question:
        return _agree(load_site(site_id), question, "edit", list(typed.items())), 409
    flash(f"{site.name} saved.")
    return _to_site(site)


@bp.get("/sites/<int:site_id>")
@require_permission("see")
def show(site_id: int) -> ResponseReturnValue:
    return render_template("sites/show.html", page=load_site_page(site_id))


@bp.get("/sites/<int:site_id>/progress")
@require_permission("see")
def progress(site_id: int) -> ResponseReturnValue:
    """Render the part that polls. When the work has ended, htmx loads the whole page."""
    page, tab = load_site_page(site_id), request.args.get("tab", "")
    answer = make_response(render_template("sites/_progress.html", page=page, tab=tab))
    answer.cache_control.no_store = True
    if page.watched != request.args.get("seen"):
        answer.headers["HX-Redirect"] = tab_address(site_id, tab)
    return answer


@bp.post("/sites/<int:site_id>/tags")
@require_permission("pair")
def set_tags(site_id: int) -> ResponseReturnValue:
    site, typed = load_site(site_id), request.form.get("tags", "")
    try:
        site_assignment.set_tags(
            site,
            typed,
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            agreed=request.form.getlist("agreed", type=row_number),
            now=utcnow(),
        )
    except Invalid as refusal:
        page, errors = load_site_page(site_id), refusal.messages
        return render_template("sites/show.html", page=page, tags_typed=typed, errors=errors), 422
    except TagsJoinRules as question:
        return _agree(site, question, "tags", [("tags", typed)]), 409
    flash("Tags saved.")
    return redirect(url_for("sites.show", site_id=site.id, _anchor="tags"), 303)


@bp.post("/sites/<int:site_id>/token")
@require_permission("pair")
def token(site_id: int) -> ResponseReturnValue:
    return _to_new_token(load_site(site_id))


@bp.get("/sites/<int:site_id>/token")
@require_permission("pair")
def show_token(site_id: int) -> ResponseReturnValue:
    """Show the token once; a reload leads to the site's page."""
    site = load_site(site_id)
    text = one_time_display.take(f"token:{site.id}")
    if text is None:
        flash("A pairing token is shown only once. If you did not copy it, create a new one.")
        return _to_site(site)
    return render_template("sites/token.html", page=load_site_page(site_id), token_text=text)


@bp.post("/sites/<int:site_id>/pairing/cancel")
@require_permission("pair")
def cancel(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    pairing.cancel_pairing(_token_out(site), by=current_actor())
    flash("Pairing token cancelled.")
    return _to_site(site)


@bp.post("/sites/<int:site_id>/pairing/try")
@require_permission("pair")
def try_now(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    pairing.retry_pairing_now(_token_out(site), by=current_actor())
    return _to_site(site)


@bp.post("/sites/<int:site_id>/sync")
@require_permission("sync")
def sync(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    site_sync.request_sync(site, by=current_actor(), now=utcnow())
    return _to_same_tab(site)


@bp.post("/sites/<int:site_id>/revoke")
@require_permission("revoke")
def revoke(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    revocation.revoke_access(site, by=current_actor())
    return redirect(url_for("site_tabs.connection", site_id=site.id), 303)


@bp.get("/sites/<int:site_id>/certificate")
@require_permission("see")
def certificate(site_id: int) -> ResponseReturnValue:
    page = load_site_page(site_id)
    if not page.has_ended or page.running:
        raise NotFound("The certificate is available after the connection has ended.")
    return render_template(
        "sites/certificate.html",
        page=page,
        head=AuditEntry.head(),
        issuer=current_actor().name,
        origin=current_app.config["AURA"].origin,
    )


@bp.post("/sites/<int:site_id>/forget")
@require_permission("revoke")
def forget(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    sites.remove_site(site, by=current_actor())
    flash("Site removed. Its activity stays in the audit log.")
    return redirect(url_for("sites.index"), 303)


@bp.get("/plugin/siteagent.zip")
@require_permission("see")
def plugin_zip() -> ResponseReturnValue:
    release = plugin_release.read_release(current_app.config["AURA"].plugin_release)
    package = plugin_package.build_plugin_zip() if release is None else release.package
    return download(package, "siteagent.zip", "application/zip")


@bp.get("/what-leaves")
@require_permission("see")
def what_leaves() -> ResponseReturnValue:
    return render_template(
        "what_leaves.html",
        fields=report_manifest.fields(),
        log_fields=report_manifest.log_fields(),
        evidence_fields=report_manifest.evidence_fields(),
    )


def _to_new_token(site: Site) -> ResponseReturnValue:
    """Create a pairing token, and redirect to the page that shows it once."""
    _, text = pairing.issue_token(
        site, by=current_actor(), config=current_app.config["AURA"], now=utcnow()
    )
    one_time_display.hold(f"token:{site.id}", text)
    return redirect(url_for("sites.show_token", site_id=site.id), 303)


def _token_out(site: Site) -> Pairing:
    token = site.waiting_token()
    if token is None:
        raise StaleState("This site has no open pairing token. Create a new one.")
    return token


def _new_page(typed: dict[str, str], errors: dict[str, str]) -> str:
    known = list(Client.names(current_visibility()).values())
    return render_template("sites/new.html", typed=typed, errors=errors, clients=known)


def _edit_page(site: Site, typed: dict[str, str], errors: dict[str, str]) -> str:
    known = list(Client.names(current_visibility()).values())
    return render_template("sites/edit.html", site=site, typed=typed, errors=errors, clients=known)


def _agree(site: Site, question: TagsJoinRules, form: str, held: list[tuple[str, str]]) -> str:
    """Render the page that asks to confirm the auto-update rules that would apply to the site."""
    action = {"tags": "sites.set_tags", "edit": "sites.edit"}[form]
    return render_template(
        "sites/agree.html",
        subject=site.name,
        change={"tags": "Saving these tags", "edit": "Changing the client"}[form],
        rows=auto_update_rule_view_models.rule_rows(question.rule_ids),
        action=url_for(action, site_id=site.id),
        held=held,
        confirm="Save and apply rules",
        back=url_for("sites.show", site_id=site.id),
    )


def _to_site(site: Site) -> ResponseReturnValue:
    return redirect(url_for("sites.show", site_id=site.id), 303)


def _to_same_tab(site: Site) -> ResponseReturnValue:
    """Return to the tab of the site whose button was used, or to the overview."""
    back, tabs = page_they_came_from(), (tab_address(site.id, tab) for tab in ENDPOINTS)
    return redirect(back, 303) if back in tabs else _to_site(site)
