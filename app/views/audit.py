"""Activity pages: search the audit log, show one entry, and verify the log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import audit as audit_log
from app.domain import permissions
from app.domain.audit import SEARCHED_KINDS, EntryFilter, verification
from app.domain.audit.documents import entry_document
from app.domain.audit.entry_format import OUTCOMES
from app.domain.audit.events import REGISTRY
from app.domain.audit.subjects import EVERYTHING, HIGHLIGHTS, SUBJECTS
from app.models.accounts import User
from app.models.audit import AuditEntry, Verification
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from app.views.authorization import (
    current_actor,
    current_visibility,
    load_entry,
    require_permission,
)
from app.views.filters import local_day, user_zone
from app.views.request_validation import row_number, typed_midnight
from app.views.site_choices import site_choices
from app.views.site_view_models import SitePage, load_site_page

bp = Blueprint("audit", __name__)

_PAGE = 50
# No entry contains longer words.
_MOST_CHARS = 300


@dataclass(frozen=True)
class SearchForm:
    """A search as typed and as parsed; `wrong` maps fields to their problems."""

    typed: dict[str, str]
    which: EntryFilter
    wrong: dict[str, str]

    @property
    def is_narrow(self) -> bool:
        return any(value for name, value in self.typed.items() if name != "subject")

    @property
    def is_folded(self) -> bool:
        """Whether a filter is set that the page folds away."""
        shown = ("subject", "words")
        return any(value for name, value in self.typed.items() if name not in shown)


@bp.get("/activity")
@require_permission("audit")
def index() -> ResponseReturnValue:
    return _page(None)


@bp.get("/sites/<int:site_id>/activity")
@require_permission("audit")
def site(site_id: int) -> ResponseReturnValue:
    return _page(load_site_page(site_id))


@bp.get("/activity/<int:seq>")
@require_permission("see")
def entry(seq: int) -> ResponseReturnValue:
    """Show one audit entry."""
    found = load_entry(seq)
    document = entry_document(found)
    known = Site.get_or_none(Site.id == found.site_id) if found.site_id else None
    client = Client.get_or_none(Client.id == document["client"]) if document["client"] else None
    return render_template(
        "audit/entry.html",
        entry=found,
        document=document,
        site=known,
        client=client,
        is_followed=AuditEntry.select().where(AuditEntry.seq == seq + 1).exists(),
        spelt=json.dumps(json.loads(found.body), ensure_ascii=False, indent=2),
    )


@bp.get("/activity/verification")
@require_permission("audit")
def verification_page() -> ResponseReturnValue:
    """Show the result of the last verification of the audit log."""
    permissions.require_everything(current_actor(), "audit")
    return render_template("audit/verification.html", reading=Verification.latest())


@bp.post("/activity/verify")
@require_permission("audit")
def verify() -> ResponseReturnValue:
    verification.request_verification(by=current_actor(), now=utcnow())
    return redirect(url_for("audit.verification_page"), 303)


@bp.get("/activity/progress")
@require_permission("audit")
def progress() -> ResponseReturnValue:
    """Render the part that polls. At its end htmx loads the whole page with the new entry."""
    permissions.require_everything(current_actor(), "audit")
    reading = Verification.latest()
    answer = make_response(render_template("audit/_reading.html", reading=reading))
    answer.cache_control.no_store = True
    if reading is None or not reading.is_open:
        answer.headers["HX-Redirect"] = url_for("audit.verification_page")
    return answer


@bp.post("/activity/verifications/<int:verification_id>/seen")
@require_permission("security")
def seen(verification_id: int) -> ResponseReturnValue:
    verification.acknowledge_failure(verification_id, by=current_actor(), now=utcnow())
    flash("Message dismissed. The result stays in the activity log.")
    return redirect(url_for("audit.index"), 303)


def _page(site_page: SitePage | None) -> ResponseReturnValue:
    """Return the page of all sites, or of one."""
    site = None if site_page is None else site_page.site
    form = _search_form(site)
    before = request.args.get("before", type=row_number)
    # Fetch one more than is shown, to know whether there is an older page.
    found = [] if form.wrong else audit_log.find_entries(form.which, _PAGE + 1, before=before)
    page = render_template(
        "audit/site.html" if site is not None else "audit/index.html",
        days=_days(found[:_PAGE]),
        page=site_page,
        site=site,
        **(_about_all_sites(form.which, found) if site is None else {}),
        search=form,
        subjects=SUBJECTS,
        subject_urls={name: _url(site, form, subject=name) for name in SUBJECTS},
        people={user.id: user.name for user in User.listing(current_visibility())},
        events=sorted(REGISTRY),
        kinds=sorted(SEARCHED_KINDS),
        outcomes=sorted(OUTCOMES),
        before=before,
        newest_url=_url(site, form),
        older_url=_url(site, form, before=found[_PAGE - 1].seq) if len(found) > _PAGE else "",
    )
    return (page, 422) if form.wrong else page


def _about_all_sites(which: EntryFilter, entries: list[AuditEntry]) -> dict[str, object]:
    """Return what only the page of all sites shows and filters by."""
    return {
        "reading": Verification.latest() if current_visibility().is_everything else None,
        "site_names": Site.names(
            {entry.site_id for entry in entries if entry.site_id}, current_visibility()
        ),
        "sites": site_choices(
            which.client, which.site, "Search a client to choose from its sites."
        ),
        "clients": Client.names(current_visibility()),
    }


def _days(entries: list[AuditEntry]) -> list[tuple[date, list[AuditEntry]]]:
    """Return the entries by day, in their order.

    A clock that was set back, or two processes at midnight, can leave an entry of one day between
    those of another. Each day is there once, because its heading names a part of the page.
    """
    days: dict[date, list[AuditEntry]] = {}
    for entry in entries:
        days.setdefault(local_day(entry.at), []).append(entry)
    return list(days.items())


_NAMES = (
    *("client", "site", "kind", "component", "person"),
    *("event", "outcome", "since", "until", "words", "subject"),
)
# With these filters, a search covers every entry unless a subject is chosen.
_NAMES_OF_ANY = ("event", "outcome", "component", "words")


def _search_form(site: Site | None) -> SearchForm:
    typed = {name: request.args.get(name, "").strip()[:_MOST_CHARS] for name in _NAMES}
    if site is not None:
        typed["site"] = ""
    wrong: dict[str, str] = {}
    which = EntryFilter(
        client=_number("client"),
        site=site.id if site is not None else _number("site"),
        person=_number("person"),
        kind=typed["kind"] if typed["kind"] in SEARCHED_KINDS else "",
        component=typed["component"],
        event=typed["event"] if typed["event"] in REGISTRY else "",
        outcome=typed["outcome"] if typed["outcome"] in OUTCOMES else "",
        since=_day(typed, "since", wrong),
        until=_day(typed, "until", wrong, days=1),
        words=typed["words"],
        subject=_subject(typed),
        visible=current_visibility(),
    )
    return SearchForm(typed, which, wrong)


def _subject(typed: dict[str, str]) -> str:
    if typed["subject"] in SUBJECTS:
        return typed["subject"]
    return EVERYTHING if any(typed[name] for name in _NAMES_OF_ANY) else HIGHLIGHTS


def _number(name: str) -> int | None:
    return request.args.get(name, type=row_number)


def _day(typed: dict[str, str], name: str, wrong: dict[str, str], days: int = 0) -> datetime | None:
    """Return the start or the end of the typed day, which is one of those in the list."""
    if not typed[name]:
        return None
    try:
        return typed_midnight(typed[name], days=days, zone=user_zone())
    except ValueError:
        wrong[name] = "Enter a date, for example 2026-11-26."
        return None


def _url(site: Site | None, form: SearchForm, **changes: Any) -> str:
    typed: dict[str, Any] = {name: value for name, value in form.typed.items() if value} | changes
    if site is not None:
        return url_for("audit.site", site_id=site.id, **typed)
    return url_for("audit.index", **typed)
