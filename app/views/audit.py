"""The audit trail as sentences, whole or about one site. Only reads."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import audit as trail
from app.domain import verifying
from app.domain.audit import Filter
from app.domain.events import REGISTRY
from app.models.audit import Entry, Verification
from app.models.base import utcnow
from app.models.sites import Site
from app.views.arrivals import row_number
from app.views.guards import load_site, may, me

bp = Blueprint("audit", __name__)

_PAGE = 50


@bp.get("/audit")
@may("audit")
def index() -> ResponseReturnValue:
    return _page(None, request.args.get("site", type=row_number))


@bp.get("/sites/<int:site_id>/audit")
@may("audit")
def site(site_id: int) -> ResponseReturnValue:
    return _page(load_site(site_id), site_id)


@bp.post("/audit/verify")
@may("audit")
def verify() -> ResponseReturnValue:
    verifying.request(by=me(), now=utcnow())
    return redirect(url_for("audit.index", _anchor="reading"), 303)


@bp.get("/audit/progress")
@may("audit")
def progress() -> ResponseReturnValue:
    """The part that polls; at its end htmx is sent to the whole page, which has a new entry."""
    reading = Verification.latest()
    answer = make_response(render_template("audit/_reading.html", reading=reading))
    answer.cache_control.no_store = True
    if reading is None or not reading.is_open:
        answer.headers["HX-Redirect"] = url_for("audit.index")
    return answer


@bp.post("/audit/verifications/<int:verification_id>/seen")
@may("people")
def seen(verification_id: int) -> ResponseReturnValue:
    verifying.acknowledge(verification_id, by=me(), now=utcnow())
    flash("Noted. What was found stays in the trail.")
    return redirect(url_for("audit.index"), 303)


def _page(site: Site | None, site_id: int | None) -> str:
    asked = request.args.get("event", "")
    event = asked if asked in REGISTRY else None
    before = request.args.get("before", type=row_number)
    # One more than is shown tells whether there is an older page.
    entries = trail.find(Filter(site=site_id, event=event or ""), _PAGE + 1, before=before)
    return render_template(
        "audit/index.html",
        entries=entries[:_PAGE],
        reading=Verification.latest(),
        site=site,
        site_id=site_id,
        site_names={one.id: one.name for one in Site.listing()},
        events=sorted(REGISTRY),
        event=event,
        before=before,
        newest_url=_url(site, site_id, event),
        older_url=_url(site, site_id, event, entries[_PAGE - 1]) if len(entries) > _PAGE else "",
    )


def _url(
    site: Site | None, site_id: int | None, event: str | None, last: Entry | None = None
) -> str:
    before = last.seq if last else None
    if site is not None:
        return url_for("audit.site", site_id=site.id, event=event, before=before)
    return url_for("audit.index", site=site_id, event=event, before=before)
