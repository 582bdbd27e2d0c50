"""Settings → Windows and freezes: the stop of all updates, freezes, and maintenance windows."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.changes import freezes, maintenance_windows, stop_switch
from app.domain.changes.change_times import Window
from app.domain.changes.freezes import FreezeTerms
from app.domain.errors import Invalid, NotFound
from app.formats import counted
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from app.views import window_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    load_client,
    load_site,
    require_permission,
)
from app.views.request_validation import row_number, typed_day

bp = Blueprint("windows", __name__)


@bp.get("/settings/windows")
@require_permission("overview")
def show() -> ResponseReturnValue:
    return _page({})


@bp.post("/settings/windows/stop")
@require_permission("halt")
def stop() -> ResponseReturnValue:
    try:
        found = stop_switch.stop_changes(
            request.form.get("reason", ""),
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(refusal.messages), 422
    flash(f"All updates stopped. {_still_running(found.running)}")
    return _back()


@bp.post("/settings/windows/start")
@require_permission("lift")
def start() -> ResponseReturnValue:
    found = stop_switch.start_changes(
        by=current_actor(), confirmed_at=current_session().session.confirmed_at, now=utcnow()
    )
    flash(f"Updates started. {counted(found.waiting, 'approved update')} may now run.")
    return _back()


@bp.post("/settings/windows/freezes")
@require_permission("halt")
def add_freeze() -> ResponseReturnValue:
    owner = _owner(request.form.get("covers", ""))
    terms = FreezeTerms(
        name=request.form.get("name", ""),
        first_day=_day("first_day"),
        last_day=_day("last_day"),
        client=owner if isinstance(owner, Client) else None,
        site=owner if isinstance(owner, Site) else None,
    )
    confirmed_at = current_session().session.confirmed_at
    try:
        freeze = freezes.add_freeze(
            terms, by=current_actor(), confirmed_at=confirmed_at, now=utcnow()
        )
    except Invalid as refusal:
        return _page(refusal.messages), 422
    flash(f"Freeze “{freeze.name}” added.")
    return _back("freezes")


@bp.post("/settings/windows/freezes/<int:freeze_id>/end")
@require_permission("lift")
def end_freeze(freeze_id: int) -> ResponseReturnValue:
    freeze = freezes.end_freeze(
        freeze_id,
        by=current_actor(),
        confirmed_at=current_session().session.confirmed_at,
        now=utcnow(),
    )
    flash(f"Freeze “{freeze.name}” ended.")
    return _back("freezes")


@bp.post("/settings/windows/maintenance")
@require_permission("lift")
def set_window() -> ResponseReturnValue:
    try:
        owner = _owner(request.form.get("owner", ""))
        if owner is None:
            raise Invalid("owner", "Choose a client or a site.")
        maintenance_windows.set_window(
            owner,
            _window_terms(),
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(refusal.messages), 422
    flash(f"Maintenance window of {owner.name} saved.")
    return _back("maintenance")


@bp.post("/settings/windows/maintenance/remove")
@require_permission("lift")
def remove_window() -> ResponseReturnValue:
    owner = _owner(request.form.get("owner", ""))
    if owner is None:
        raise Invalid("owner", "Choose a client or a site.")
    maintenance_windows.remove_window(
        owner,
        by=current_actor(),
        confirmed_at=current_session().session.confirmed_at,
        now=utcnow(),
    )
    flash(f"Maintenance window of {owner.name} removed.")
    return _back("maintenance")


def _window_terms() -> Window:
    form = request.form
    return Window(
        weekdays=tuple(day for day in range(7) if str(day) in form.getlist("weekdays")),
        from_hour=form.get("from_hour", -1, type=row_number),
        to_hour=form.get("to_hour", -1, type=row_number),
        time_zone=form.get("time_zone", ""),
    )


def _owner(text: str) -> Client | Site | None:
    """Parse `client:3` or `site:9`; None for an empty text. Raises: NotFound."""
    if not text:
        return None
    kind, _, number = text.partition(":")
    try:
        row_id = row_number(number)
    except ValueError:
        row_id = 0
    if kind not in ("client", "site") or not row_id:
        raise NotFound("This client or site does not exist.")
    return load_client(row_id) if kind == "client" else load_site(row_id)


def _site_number(text: str) -> int | None:
    kind, _, number = text.partition(":")
    try:
        return row_number(number) if kind == "site" else None
    except ValueError:
        return None


def _day(name: str) -> date:
    """Return a typed day; an invalid one counts as long past, which is refused."""
    try:
        return typed_day(request.form.get(name, ""))
    except ValueError:
        return date.min


def _still_running(count: int) -> str:
    if not count:
        return "None was running."
    return f"{counted(count, 'update was', 'updates were')} already sent and finish."


def _page(errors: dict[str, str]) -> str:
    typed = request.form or request.args
    named = [_site_number(typed.get(name, "")) for name in ("owner", "covers")]
    chosen = [number for number in named if number is not None]
    return render_template(
        "settings/windows.html",
        page=window_view_models.windows_page(utcnow(), chosen),
        typed=typed,
        errors=errors,
    )


def _back(anchor: str = "") -> ResponseReturnValue:
    return redirect(url_for("windows.show", _anchor=anchor or None), 303)
