"""Actions on several sites of the list: sync, tag, ignore updates."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.changes import bulk_assignment
from app.domain.errors import Invalid, TagsJoinRules
from app.domain.inventory import site_sync
from app.domain.inventory.targets import kind_of
from app.domain.sites import holds
from app.formats import counted
from app.models.base import utcnow
from app.models.reports import Component
from app.models.sites import Site
from app.views import auto_update_rule_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    require_permission,
)
from app.views.components import typed_day
from app.views.request_validation import row_number
from app.views.site_list_view_models import SiteFilter, select_sites

bp = Blueprint("bulk_sites", __name__)

MAX_SITES = 500
# As many ids as an address may have with every web server in front of Aura.
MAX_IN_ADDRESS = 200


@bp.post("/sites/bulk/sync")
@require_permission("sync")
def sync() -> ResponseReturnValue:
    count = site_sync.request_syncs(_chosen(), by=current_actor(), now=utcnow())
    requested = f"Sync requested for {counted(count, 'site')}."
    flash(requested if count else "None of these sites is connected.")
    return _to_list()


@bp.get("/sites/bulk/progress")
@require_permission("see")
def progress() -> ResponseReturnValue:
    """Return how far the present syncs are, for the list of sites."""
    syncs = site_sync.read_progress(current_actor())
    return render_template("sites/_syncs.html", syncs=syncs, has_ended=not syncs[1])


@bp.get("/sites/bulk/updates")
@require_permission("propose")
def updates() -> ResponseReturnValue:
    """Lead to the available updates of the selected sites."""
    chosen = _chosen()
    if len(chosen) > MAX_IN_ADDRESS:
        raise Invalid("site", f"At most {MAX_IN_ADDRESS} sites at once. Use a filter first.")
    return redirect(url_for("updates.index", by="site", site=[site.id for site in chosen]), 303)


@bp.get("/sites/bulk/tags")
@require_permission("pair")
def tags() -> ResponseReturnValue:
    return _tags_page(_chosen(), {})


@bp.post("/sites/bulk/tags")
@require_permission("pair")
def change_tags() -> ResponseReturnValue:
    chosen, typed = _chosen(), {name: request.form.get(name, "") for name in ("add", "remove")}
    try:
        count = bulk_assignment.change_tags(
            chosen,
            **typed,
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            agreed=request.form.getlist("agreed", type=row_number),
            now=utcnow(),
        )
    except Invalid as refusal:
        return _tags_page(chosen, refusal.messages), 422
    except TagsJoinRules as question:
        return _agree(chosen, typed, question), 409
    changed = f"Tags changed for {counted(count, 'site')}."
    flash(changed if count else "These sites already have these tags.")
    return _to_list()


@bp.get("/sites/bulk/ignore")
@require_permission("propose")
def ignore() -> ResponseReturnValue:
    return _ignore_page(_chosen(), {})


@bp.post("/sites/bulk/ignore")
@require_permission("propose")
def ignore_updates() -> ResponseReturnValue:
    chosen = _chosen()
    listed, _, ident = request.form.get("component", "").partition("|")
    affected = Component.sites_with(listed, ident, [site.id for site in chosen])
    try:
        if not affected:
            raise Invalid("component", "Choose a plugin or theme.")
        holds.hold_updates(
            [site for site in chosen if site.id in affected],
            kind_of(listed, ident),
            ident,
            until=typed_day(),
            reason=request.form.get("hold_reason", ""),
            by=current_actor(),
            now=utcnow(),
        )
    except Invalid as refusal:
        return _ignore_page(chosen, refusal.messages), 422
    flash(f"Updates are ignored on {counted(len(affected), 'site')}.")
    return _to_list()


def _chosen() -> list[Site]:
    """Return the selected sites, or with `everything` all that the filter selects.

    Raises: Invalid if none or too many are selected.
    """
    is_filter = "everything" in request.values
    which = _filter() if is_filter else SiteFilter()
    found = {site.id for site in select_sites(current_actor(), which).sites}
    if not is_filter:
        found &= set(request.values.getlist("site", type=row_number))
    if not found:
        raise Invalid("site", "Select at least one site in the list.")
    if len(found) > MAX_SITES:
        raise Invalid("site", f"At most {MAX_SITES} sites at once. Use a filter first.")
    return [site for site in Site.listing(current_visibility()) if site.id in found]


def _filter() -> SiteFilter:
    return SiteFilter.from_values(request.values)


def _to_list() -> ResponseReturnValue:
    return redirect(url_for("sites.index", **_filter().args()), 303)


def _tags_page(chosen: list[Site], errors: dict[str, str]) -> str:
    return render_template(
        "sites/bulk_tags.html",
        chosen=chosen,
        errors=errors,
        typed=request.form,
        filter=_filter().args(),
    )


def _ignore_page(chosen: list[Site], errors: dict[str, str]) -> str:
    return render_template(
        "sites/bulk_ignore.html",
        chosen=chosen,
        components=Component.outdated_on([site.id for site in chosen]),
        errors=errors,
        typed=request.form,
        filter=_filter().args(),
    )


def _agree(chosen: list[Site], typed: dict[str, str], question: TagsJoinRules) -> str:
    fields = {**_filter().args(), **typed}
    return render_template(
        "sites/agree.html",
        subject=counted(len(chosen), "site"),
        change="Changing these tags",
        rows=auto_update_rule_view_models.rule_rows(question.rule_ids),
        action=url_for("bulk_sites.change_tags"),
        held=[*fields.items(), *(("site", site.id) for site in chosen)],
        confirm="Save and apply rules",
        back=url_for("sites.index", **_filter().args()),
    )
