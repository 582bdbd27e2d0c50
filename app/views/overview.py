"""The overview: what needs a person, and how the sites are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app import charts
from app.domain import attention, permissions
from app.domain.actor import Actor
from app.domain.attention import Task
from app.domain.audit import events
from app.domain.changes import fleet_updates
from app.domain.inventory import update_backlog
from app.domain.inventory.update_backlog import Backlog
from app.domain.inventory.version_spread import Spread, php_spread, wordpress_spread
from app.domain.inventory.versions import release_type_between
from app.models import fleet
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.available_updates import AvailableUpdate, UpdateCounts
from app.models.base import utcnow
from app.models.changes import ROLLED_BACK, SUCCEEDED
from app.models.fleet import FleetSite, WidespreadUpdate
from app.views import page_context
from app.views.authorization import current_actor, require_permission
from app.views.entry_groups import EntryGroup, entry_groups

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
    client_id = permissions.restricted_client_id(actor)
    sites = fleet.fleet(client_id)
    urgent = attention.urgent(actor, sites)
    page_context.remember(urgent, len(sites))
    tasks = attention.tasks([*urgent, *attention.upcoming(actor, sites, now)])
    shown = tasks if show_all else attention.most_important(tasks, _TASKS_SHOWN)
    paired = [one for one in sites if one.is_paired]
    is_reader = permissions.is_allowed(actor.role, "audit")
    updates = AvailableUpdate.counts(fleet_updates.updates_visible_to(actor, now))
    return Overview(
        tasks=shown,
        waiting=sum(len(task.items) for task in tasks[_IN_VIEW:] if task.first.about == "approval"),
        hidden=len(tasks) - len(shown),
        urgent=sum(task.is_urgent for task in tasks),
        totals=_totals(sites, paired, fleet.changes_ended_since(now - _DAY, client_id), now),
        updates=updates,
        backlog=update_backlog.backlog(updates.total, now, client_id),
        wordpress=wordpress_spread(one.wordpress for one in paired),
        php=php_spread((one.php for one in paired), now.date()),
        widespread=fleet.widespread_updates(_WIDESPREAD_SHOWN, client_id),
        latest=_latest(now) if is_reader else [],
        site_names={one.id: one.name for one in sites},
        setup=None if any(one.paired_at for one in sites) else _set_up(sites),
        now=now,
    )


def _latest(now: datetime) -> list[EntryGroup]:
    entries = AuditEntry.notable(_NOTABLE, now - _DAY, _ENTRIES_READ)
    return entry_groups(entries)[:_ENTRIES_SHOWN]


def _totals(
    sites: list[FleetSite], paired: list[FleetSite], ended: dict[str, int], now: datetime
) -> Totals:
    return Totals(
        sites=len(sites),
        paired=len(paired),
        connected=sum(one.connection == "healthy" for one in paired),
        synced_today=sum(
            one.last_success_at is not None and now - one.last_success_at < _DAY for one in paired
        ),
        succeeded=ended.get(SUCCEEDED, 0),
        rolled_back=ended.get(ROLLED_BACK, 0),
    )


def _set_up(sites: list[FleetSite]) -> SetUp:
    return SetUp(site=sites[0] if sites else None, has_team=len(User.listing()) > 1)
