"""What the pages show of the stop of all updates, of freezes and of maintenance windows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain.changes import change_times, freezes, maintenance_windows, stop_switch, waves
from app.domain.changes.change_times import Calendar, FreezeTime, Window
from app.domain.changes.rule_hours import WEEKDAYS
from app.domain.changes.stop_switch import Affected
from app.domain.inventory import update_limits
from app.domain.inventory.update_limits import Pause
from app.domain.time_zones import time_zones
from app.models import fleet
from app.models.change_stops import ChangeStop
from app.models.changes import MAY_RUN, PROPOSED, Change
from app.models.clients import Client
from app.models.freezes import Freeze
from app.models.sites import Site
from app.models.visibility import Visibility
from app.views import site_choices
from app.views.authorization import current_session, current_visibility
from app.views.brand import agency_settings

_MOST_FREEZES = 50
# How far ahead a page says when a window is open: the longest time of a plan.
_AHEAD = timedelta(days=14)


@dataclass(frozen=True)
class FreezeRow:
    """A freeze in the list; `state` is `now`, `planned`, `ended` early, or `over`.

    `is_within`: it is for no site that the person cannot see.
    """

    freeze: Freeze
    covers: str
    state: str
    is_within: bool

    @property
    def can_end(self) -> bool:
        return self.is_within and self.state in ("now", "planned")


@dataclass(frozen=True)
class WindowRow:
    """A client or a site with a maintenance window; `owner` is its value in the forms."""

    owner: str
    name: str
    is_client: bool
    words: str


@dataclass(frozen=True)
class WindowsPage:
    """The data of the settings page. `choices` are those of its forms.

    `offers_all` unless there are too many sites for that.
    """

    stop: ChangeStop | None
    affected: Affected
    freezes: list[FreezeRow]
    windows: list[WindowRow]
    choices: dict[str, list[tuple[str, str]]]
    offers_all: bool
    zone: str
    today: date


@dataclass(frozen=True)
class Opening:
    """When an update starts that is approved now; None if its time ends before a window.

    `window` is the maintenance window, `owner_hours` those of the site's owner, in words.
    """

    window: str
    owner_hours: str
    at: datetime | None


@dataclass(frozen=True)
class ChangeTimes:
    """What keeps a change from starting now, for its page.

    `pause` is that of the site's owner, `waits` why an approved change is not sent, `after_freeze`
    when it could start if it is approved for after the freeze.
    """

    is_stopped: bool
    pause: Pause | None
    freeze: FreezeTime | None
    after_freeze: datetime | None
    opens: Opening | None
    waits: str

    @property
    def is_open(self) -> bool:
        """Whether it can be approved now; it may still start in a window."""
        return not self.is_stopped and self.pause is None and self.freeze is None


@dataclass(frozen=True)
class SiteTimes:
    """When updates of a site may start: its window in words, and its freezes.

    `owner_hours` are those that its owner set in wp-admin, in words, and `min_age_hours` how old a
    release has to be there.
    """

    window: str
    owner_hours: str
    is_own: bool
    opens: datetime | None
    freezes: list[FreezeTime]
    min_age_hours: int = 0


def windows_page(now: datetime, chosen: Collection[int]) -> WindowsPage:
    """Return the data of the settings page.

    `chosen` are the ids of sites that its forms offer even if there are too many to offer all.
    """
    visible = current_visibility()
    clients = Client.listing(visible)
    zone = agency_settings().zone
    today = now.astimezone(zone).date()
    return WindowsPage(
        stop=current_session().session.stop,
        affected=stop_switch.affected(visible),
        freezes=[_freeze_row(one, today, visible) for one in Freeze.newest(_MOST_FREEZES, visible)],
        windows=_window_rows([*clients, *fleet.sites_with_own_window(visible)]),
        choices=_choices(clients, site_choices.offered_names(chosen)),
        offers_all=site_choices.are_all_offered(),
        zone=zone.key,
        today=today,
    )


def site_times(site: Site, now: datetime) -> SiteTimes:
    """Return when updates of a site may start."""
    calendar = page_calendar(now)
    window, hours = change_times.window_of(site), change_times.owner_hours_of(site)
    span = calendar.next_span(site, now, now + _AHEAD) if window or hours else None
    return SiteTimes(
        window=maintenance_windows.in_words(window) if window else "",
        owner_hours=maintenance_windows.in_words(hours) if hours else "",
        is_own=site.maintenance_window is not None,
        opens=span.begins if span and span.begins > now else None,
        freezes=calendar.freezes_of(site),
        min_age_hours=update_limits.min_age_hours_of(site),
    )


def client_times(client: Client, now: datetime) -> SiteTimes:
    """Return when updates of a client's sites may start, unless a site has other rules."""
    window = Window.of(client)
    return SiteTimes(
        window=maintenance_windows.in_words(window) if window else "",
        owner_hours="",
        is_own=window is not None,
        opens=None,
        freezes=[
            one
            for one in page_calendar(now).freezes
            if one.freeze.site_id is None and one.freeze.client_id in (None, client.id)
        ],
    )


def opening_of(change: Change, calendar: Calendar, now: datetime) -> Opening | None:
    """Return when a change starts that is approved now; None if that is at once."""
    site = change.site
    window, hours = change_times.window_of(site), change_times.owner_hours_of(site)
    earliest = max(now, change.not_before)
    span = calendar.next_span(site, earliest, change.not_after)
    if (window is None and hours is None) or (span is not None and span.begins <= earliest):
        return None
    return Opening(
        window=maintenance_windows.in_words(window) if window else "",
        owner_hours=maintenance_windows.in_words(hours) if hours else "",
        at=None if span is None else span.begins,
    )


def change_times_of(change: Change, now: datetime) -> ChangeTimes:
    """Return what keeps a change from starting now."""
    calendar = page_calendar(now)
    is_proposed = change.state == PROPOSED
    freeze = calendar.freeze_at(change.site, now) if is_proposed else None
    later = calendar.next_span(change.site, freeze.span.ends, change.not_after) if freeze else None
    return ChangeTimes(
        is_stopped=calendar.stop is not None,
        pause=update_limits.pause_of(change.site),
        freeze=freeze,
        after_freeze=max(later.begins, freeze.span.ends) if later and freeze else None,
        opens=opening_of(change, calendar, now) if is_proposed and not freeze else None,
        waits=_why_it_waits(change, calendar, now) if change.state in MAY_RUN else "",
    )


def _why_it_waits(change: Change, calendar: Calendar, now: datetime) -> str:
    if waves.is_held(change):
        return waves.ROLLOUT_HALTED
    return calendar.why_not_now(change, change.site, now)


def active_freezes(now: datetime, visible: Visibility) -> list[FreezeTime]:
    """Return the freezes that last now, of all sites and of visible clients and sites."""
    found = [one for one in page_calendar(now).freezes if one.span.contains(now)]
    if visible.is_everything:
        return found
    named = {one.freeze.site_id for one in found if one.freeze.site_id is not None}
    site_ids = Site.names(named, visible).keys()
    return [one for one in found if _is_visible(one.freeze, visible, site_ids)]


def page_calendar(now: datetime) -> Calendar:
    """Return the calendar as it was read with the session of this request, without a query."""
    present = current_session()
    freezes = change_times.freeze_times(present.freezes, agency_settings().zone, now)
    return Calendar(present.session.stop, freezes)


def _is_visible(freeze: Freeze, visible: Visibility, site_ids: Collection[int]) -> bool:
    """Whether a freeze is for all sites, for a visible client, or for one of these sites."""
    if freeze.site_id is not None:
        return freeze.site_id in site_ids
    return freeze.client_id is None or visible.has(freeze.client_id)


def _freeze_row(freeze: Freeze, today: date, visible: Visibility) -> FreezeRow:
    if freeze.ended_at is not None:
        state = "ended"
    elif freeze.last_day < today:
        state = "over"
    else:
        state = "now" if freeze.first_day <= today else "planned"
    is_within = visible.is_everything or not freeze.is_for_all
    return FreezeRow(freeze, freezes.covers_in_words(freeze), state, is_within)


def _window_rows(owners: Iterable[Client | Site]) -> list[WindowRow]:
    """Return the rows of those that have a window of their own."""
    rows = []
    for owner in owners:
        window, is_client = Window.of(owner), isinstance(owner, Client)
        if window is not None:
            value = f"{'client' if is_client else 'site'}:{owner.id}"
            words = maintenance_windows.in_words(window)
            rows.append(WindowRow(value, owner.name, is_client, words))
    return rows


def _choices(clients: Sequence[Client], sites: dict[int, str]) -> dict[str, list[tuple[str, str]]]:
    is_everything = current_visibility().is_everything
    every_site = "All sites" if is_everything else "Choose a client or a site"
    owners = [
        *((f"client:{one.id}", f"All sites of {one.name}") for one in clients),
        *((f"site:{site_id}", name) for site_id, name in sites.items()),
    ]
    return {
        "covers": [("", every_site), *owners],
        "owner": [("", "Choose a client or a site"), *owners],
        "weekdays": [(str(number), day) for number, day in enumerate(WEEKDAYS)],
        "from_hours": _hours(range(24)),
        "to_hours": _hours(range(1, 25)),
        "zones": [(name, name.replace("_", " ")) for name in time_zones()],
    }


def _hours(numbers: Iterable[int]) -> list[tuple[str, str]]:
    return [(str(hour), f"{hour:02}:00") for hour in numbers]
