"""The overview: what needs a person, and how the sites are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app import charts
from app.domain import attention, permissions
from app.domain.actor import Actor
from app.domain.attention import Task
from app.domain.audit import events
from app.domain.changes import fleet_updates
from app.domain.changes.change_times import FreezeTime
from app.domain.inventory import update_backlog
from app.domain.inventory.php_eol import ends_on
from app.domain.inventory.update_backlog import Backlog
from app.domain.inventory.version_spread import Spread, php_spread, wordpress_spread
from app.domain.inventory.versions import release_type_between
from app.models import fleet
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.available_updates import AvailableUpdate, UpdateCounts
from app.models.base import utcnow
from app.models.changes import ROLLED_BACK, SUCCEEDED
from app.models.fleet import AlikeSites, FleetSite, WidespreadUpdate
from app.models.visibility import Visibility
from app.views import page_context
from app.views.authorization import current_actor, require_permission
from app.views.entry_groups import EntryGroup, entry_groups
from app.views.window_view_models import active_freezes

bp = Blueprint("overview", __name__)

_TASKS_SHOWN = 7
# As many rows are on the first screen of any phone.
_IN_VIEW = 4
_WIDESPREAD_SHOWN = 5
_ENTRIES_SHOWN = 6
# More than are shown, because the updates of one night are one line.
_ENTRIES_READ = 150
_DAY = timedelta(days=1)
# What the overview shows of the activity: decisions and results, not each call to a site.
_NOTABLE = tuple(
    event.event_name()
    for event in (
        events.AlertClosed,
        events.AlertRaised,
        events.AutoUpdateRuleCreated,
        events.AutoUpdateRuleEnded,
        events.ChangeBrokeLater,
        events.ChangeEnded,
        events.ChangeRejected,
        events.ClientReportIssued,
        events.FreezeAdded,
        events.FreezeEnded,
        events.FreezeOverridden,
        events.IncidentClosed,
        events.InvitationIssued,
        events.KeysRotated,
        events.PairingCompleted,
        events.QuarantineEnded,
        events.RevocationConfirmed,
        events.RevocationStarted,
        events.RoleChanged,
        events.SiteDisconnected,
        events.SiteQuarantined,
        events.SiteRemoved,
        events.UpdatesStarted,
        events.UpdatesStopped,
        events.UserDisabled,
        events.VerificationFailed,
    )
)


@dataclass(frozen=True)
class Totals:
    """The linked figures."""

    sites: int
    paired: int
    connected: int
    synced_today: int
    succeeded: int
    rolled_back: int


@dataclass(frozen=True)
class Overview:
    """The data of the page. `setup` is None once a site has been paired.

    `waiting` is the number of approvals so far down that they may not be in view.
    """

    tasks: list[Task]
    waiting: int
    hidden: int
    urgent: int
    totals: Totals
    updates: UpdateCounts
    backlog: Backlog
    wordpress: Spread
    php: Spread
    widespread: list[WidespreadUpdate]
    latest: list[EntryGroup]
    site_names: dict[int, str]
    setup: SetUp | None
    freezes: list[FreezeTime]
    now: datetime


@dataclass(frozen=True)
class SetUp:
    """How far the first steps are."""

    site: FleetSite | None
    has_team: bool


@bp.get("/")
@require_permission("see")
def index() -> ResponseReturnValue:
    page = _overview(current_actor(), utcnow(), show_all=request.args.get("tasks") == "all")
    return render_template("overview/index.html", page=page)


@bp.app_template_global("stacked_bar")
def stacked_bar(values: Sequence[int]) -> list[charts.Segment]:
    return charts.stacked_bar(values)


@bp.app_template_global("line_chart")
def line_chart(backlog: Backlog) -> charts.Line:
    return charts.line([(day.toordinal(), count) for day, count in backlog.days])


@bp.app_template_global("release_type")
def release_type(update: WidespreadUpdate) -> str:
    """Return 'patch', 'minor', 'major' or 'unclear' for the step from the oldest version."""
    return release_type_between(update.oldest, update.available)


def _overview(actor: Actor, now: datetime, *, show_all: bool) -> Overview:
    visible = permissions.visibility_of(actor)
    counts = fleet.count_fleet(now - _DAY, visible)
    alike = counts.alike
    latest = _latest(now, visible) if permissions.is_allowed(actor.role, "audit") else []
    sites = _noticeable(alike, latest, visible, now)
    urgent = attention.urgent(actor, sites)
    page_context.remember(urgent, sum(one.sites for one in alike))
    tasks = attention.tasks([*urgent, *attention.upcoming(actor, sites, now)])
    shown = tasks if show_all else attention.most_important(tasks, _TASKS_SHOWN)
    updates = AvailableUpdate.counts(fleet_updates.updates_visible_to(actor, now))
    paired = [one for one in alike if one.is_paired]
    return Overview(
        tasks=shown,
        waiting=sum(len(task.items) for task in tasks[_IN_VIEW:] if task.first.about == "approval"),
        hidden=len(tasks) - len(shown),
        urgent=sum(task.is_urgent for task in tasks),
        totals=_totals(alike, paired, counts.ended),
        updates=updates,
        backlog=update_backlog.backlog(updates.total, now, visible),
        wordpress=wordpress_spread(_counted(paired, "wordpress")),
        php=php_spread(_counted(paired, "php"), now.date()),
        widespread=fleet.widespread_updates(_WIDESPREAD_SHOWN, visible),
        latest=latest,
        site_names={one.id: one.name for one in sites},
        setup=None if any(one.ever_paired for one in alike) else _set_up(sites, visible),
        freezes=active_freezes(now, visible),
        now=now,
    )


def _noticeable(
    alike: list[AlikeSites], latest: list[EntryGroup], visible: Visibility, now: datetime
) -> list[FleetSite]:
    """Return the sites that need attention now or later, and those that the page names."""
    versions = {one.php for one in alike if one.is_paired}
    ended = [one for one in versions if (ends_on(one) or date.max) < now.date()]
    named = {group.first.site_id for group in latest if group.first.site_id is not None}
    return fleet.noticeable_sites(attention.CONNECTIONS, ended, named, visible)


def _counted(paired: list[AlikeSites], column: str) -> Counter[str]:
    """Return the number of sites by version."""
    found: Counter[str] = Counter()
    for one in paired:
        found[getattr(one, column)] += one.sites
    return found


def _latest(now: datetime, visible: Visibility) -> list[EntryGroup]:
    entries = AuditEntry.notable(_NOTABLE, now - _DAY, _ENTRIES_READ, visible)
    return entry_groups(entries)[:_ENTRIES_SHOWN]


def _totals(alike: list[AlikeSites], paired: list[AlikeSites], ended: dict[str, int]) -> Totals:
    return Totals(
        sites=sum(one.sites for one in alike),
        paired=sum(one.sites for one in paired),
        connected=sum(one.sites for one in paired if one.connection == "healthy"),
        synced_today=sum(one.synced for one in paired),
        succeeded=ended[SUCCEEDED],
        rolled_back=ended[ROLLED_BACK],
    )


def _set_up(sites: list[FleetSite], visible: Visibility) -> SetUp:
    return SetUp(site=sites[0] if sites else None, has_team=len(User.listing(visible)) > 1)
