"""The list of sites as a CSV file, and sites to add from one."""

from __future__ import annotations

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.changes import bulk_assignment
from app.domain.errors import Invalid, TagsJoinRules
from app.domain.sites import site_csv, tag_names
from app.domain.sites.site_csv import SiteFile
from app.formats import counted, iso_time
from app.models import fleet
from app.models.base import utcnow
from app.models.clients import Client
from app.models.fleet import FleetSite
from app.models.tags import SiteTag
from app.models.visibility import EVERYTHING
from app.views import auto_update_rule_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    require_permission,
)
from app.views.downloads import csv_download
from app.views.request_validation import row_number
from app.views.site_list_view_models import SiteFilter, select_sites

bp = Blueprint("site_csv", __name__)

_COLUMNS = (
    *("name", "address", "client", "tags", "state"),
    *("wordpress", "php", "updates", "last synced"),
)


@bp.get("/sites/export.csv")
@require_permission("overview")
def export() -> ResponseReturnValue:
    """Return the filtered list, in its order."""
    found = select_sites(current_actor(), SiteFilter.from_values(request.args)).sites
    tags = SiteTag.by_site()
    rows = (_cells(site, tags.get(site.id, [])) for site in found)
    return csv_download("sites.csv", _COLUMNS, rows)


@bp.get("/sites/import")
@require_permission("pair")
def show_import() -> ResponseReturnValue:
    return _form("", {})


@bp.post("/sites/import")
@require_permission("pair")
def import_sites() -> ResponseReturnValue:
    """Show the result of each line; with `confirmed`, add the sites of all valid lines."""
    try:
        text = _text()
        file = _read(text)
    except Invalid as refusal:
        return _form(request.form.get("csv", ""), refusal.messages), 422
    if "confirmed" not in request.form or not file.good:
        return render_template("sites/import_preview.html", file=file, text=text)
    try:
        added = bulk_assignment.import_sites(
            file.good,
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            agreed=request.form.getlist("agreed", type=row_number),
            now=utcnow(),
        )
    except TagsJoinRules as question:
        return _agree(text, len(file.good), question), 409
    flash(f"{counted(len(added), 'site')} added. Create a pairing token for each.")
    return redirect(url_for("sites.index", state="unpaired", sort="-added"), 303)


def _cells(site: FleetSite, tags: list[str]) -> tuple[object, ...]:
    return (
        *(site.name, site.url, site.client_name),
        f"{tag_names.SEPARATOR} ".join(tags),
        _state_word(site),
        *(site.wordpress, site.php, site.available_updates),
        iso_time(site.last_success_at) if site.last_success_at else "",
    )


def _state_word(site: FleetSite) -> str:
    """Return the state of a site as the list shows it."""
    macros = vars(current_app.jinja_env.get_template("components/status.html").module)
    return str(macros["site_state"](site)).strip()


def _text() -> str:
    """Return the text of the chosen file, or what was pasted. Raises Invalid."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return request.form.get("csv", "")
    try:
        text: str = file.read().decode("utf-8-sig")
        return text
    except UnicodeDecodeError as why:
        raise Invalid("csv", "The file is not UTF-8. Save it as “CSV UTF-8”.") from why


def _read(text: str) -> SiteFile:
    known = {site.url for site in fleet.fleet(EVERYTHING)}
    visible = current_visibility()
    clients = None if visible.is_everything else Client.names(visible).values()
    return site_csv.read_sites(text, known, current_app.config["AURA"].allow_nets, clients)


def _form(text: str, errors: dict[str, str]) -> str:
    return render_template(
        "sites/import.html",
        text=text,
        errors=errors,
        most_sites=site_csv.MAX_SITES,
        most_chars=site_csv.MAX_CHARS,
    )


def _agree(text: str, count: int, question: TagsJoinRules) -> str:
    return render_template(
        "sites/agree.html",
        subject=counted(count, "new site"),
        change="Adding these sites with their tags",
        rows=auto_update_rule_view_models.rule_rows(question.rule_ids),
        action=url_for("site_csv.import_sites"),
        held=[("csv", text), ("confirmed", "1")],
        confirm="Add sites and apply rules",
        back=url_for("site_csv.show_import"),
    )
