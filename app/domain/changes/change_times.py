"""When a change may start: not while changes are stopped, not in a freeze, only in a window.

The owner of a site can also pause updates and set hours for them, in wp-admin. The site enforces
that; Aura plans with what the site reported last.

`read_calendar` reads what people have set. Read it inside the transaction that approves, claims or
sends a change, so that no stop or freeze comes in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from app.domain.changes import change_plan
from app.domain.changes.change_plan import CLOCK_MARGIN_S, PlanTimes
from app.domain.errors import ChangesStopped
from app.domain.inventory import update_limits
from app.domain.time_zones import zone_of, zone_of_site
from app.models.agency import Agency
from app.models.change_stops import ChangeStop
from app.models.changes import Change
from app.models.clients import Client
from app.models.freezes import Freeze
from app.models.sites import Site

# Why an approved change waits: values of Change.outcome_reason.
STOPPED = "changes_stopped"
FROZEN = "in_freeze"
OUTSIDE = "outside_maintenance"
# The same as a site's refusals, because the owner of the site is the reason.
PAUSED_BY_OWNER = "paused_by_owner"
OUTSIDE_OWNER_HOURS = "outside_owner_window"
# An update of a rule, because a person has to look at where it comes from.
SOURCE_CHANGED = "source_changed"
# An update of a rule, because the sites on which it is installed first do not prove it any more.
DISPROVED = "canary_disproved"
WAITS = (STOPPED, PAUSED_BY_OWNER, FROZEN, OUTSIDE, OUTSIDE_OWNER_HOURS, SOURCE_CHANGED, DISPROVED)

# The ends of a time without limits.
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_FOREVER = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """A time from `begins` until just before `ends`."""

    begins: datetime = _ALWAYS
    ends: datetime = _FOREVER

    def contains(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


@dataclass(frozen=True)
class Window:
    """Hours of some days of the week, on the clocks of a time zone.

    `weekdays` are 0 (Monday) to 6. If `to_hour` is not after `from_hour`, the hours cross midnight
    and belong to the day on which they begin.
    """

    weekdays: tuple[int, ...]
    from_hour: int
    to_hour: int
    time_zone: str

    @classmethod
    def of(cls, owner: Client | Site) -> Window | None:
        """Return the window that was set for this client or this site itself."""
        stored = owner.maintenance_window
        return None if stored is None else cls(**{**stored, "weekdays": tuple(stored["weekdays"])})


@dataclass(frozen=True)
class Start:
    """When an approved change starts, and the time in which it may.

    Aura may send it later than its plan allows; the site checks the plan's own times. With
    `is_held`, it also waits for its wave of a rollout.
    """

    at: datetime
    span: Span = Span()
    is_held: bool = False

    def times_in(self, change: Change) -> PlanTimes:
        """Return when the site accepts the plan, by its clock: inside the span and the document.

        Where the document was frozen, its ends were moved by the difference between the clocks and
        by a margin. The difference also counts here, the margin does not.
        """
        frozen = change_plan.times_of(change.document.encode("utf-8"))
        begins, ends = frozen.not_before, frozen.not_after
        slow = begins + CLOCK_MARGIN_S - int(change.not_before.timestamp())
        fast = ends - CLOCK_MARGIN_S - int(change.not_after.timestamp())
        if self.span.begins > _ALWAYS:
            begins = max(begins, int(self.span.begins.timestamp()) + min(slow, 0))
        if self.span.ends < _FOREVER:
            ends = min(ends, int(self.span.ends.timestamp()) + max(fast, 0))
        return PlanTimes(begins, ends)


@dataclass(frozen=True)
class FreezeTime:
    """A freeze with the time that its days are in the agency's zone."""

    freeze: Freeze
    span: Span

    @property
    def in_words(self) -> str:
        """Return for example `Freeze “Black Friday” until 2 Dec 2026`."""
        last = self.freeze.last_day
        return f"Freeze “{self.freeze.name}” until {last.day} {last:%b %Y}"


@dataclass(frozen=True)
class Calendar:
    """What people have set, as it was at one moment."""

    stop: ChangeStop | None
    freezes: list[FreezeTime]

    def require_running(self) -> None:
        """Raise ChangesStopped while all changes are stopped."""
        if self.stop is not None:
            raise ChangesStopped

    def freeze_at(self, site: Site, at: datetime) -> FreezeTime | None:
        """Return the freeze in which a site is at a time; of several the one that ends last."""
        found = [one for one in self.freezes_of(site) if one.span.contains(at)]
        return max(found, key=lambda one: one.span.ends) if found else None

    def freezes_of(self, site: Site) -> list[FreezeTime]:
        """Return the freezes for a site that are not over."""
        return [one for one in self.freezes if one.freeze.applies_to(site)]

    def next_span(
        self, site: Site, earliest: datetime, latest: datetime, *, in_spite: bool = False
    ) -> Span | None:
        """Return the first time in which a change may start between these two.

        The whole time is returned, which may begin before `earliest` and end after `latest`. None
        if there is no such time. With `in_spite`, only the hours of the site's owner count.
        """
        windows = [owner_hours_of(site), None if in_spite else window_of(site)]
        spans = _open_in_all([one for one in windows if one], earliest, latest)
        frozen = [] if in_spite else [one.span for one in self.freezes_of(site)]
        parts = (part for span in spans for part in _without(span, frozen))
        return next((one for one in parts if one.ends > earliest and one.begins <= latest), None)

    def span_for_rule(self, site: Site, now: datetime, latest: datetime) -> Span | None:
        """Return when an update of a rule may start; None while it is stopped, paused or frozen."""
        if self.stop is not None or update_limits.pause_of(site) or self.freeze_at(site, now):
            return None
        return self.next_span(site, now, latest)

    def why_not_now(self, change: Change, site: Site, now: datetime) -> str:
        """Return why an approved change must not be sent now; empty if it may be.

        An override is about freezes and maintenance windows, never about the stop and what the
        site's owner has set.
        """
        if self.stop is not None:
            return STOPPED
        if update_limits.pause_of(site):
            return PAUSED_BY_OWNER
        if not change.override:
            if self.freeze_at(site, now):
                return FROZEN
            if not _is_open(window_of(site), now):
                return OUTSIDE
        return "" if _is_open(owner_hours_of(site), now) else OUTSIDE_OWNER_HOURS


def read_calendar(now: datetime) -> Calendar:
    """Return the stop, and the freezes that are not over."""
    return Calendar(
        stop=ChangeStop.current(),
        freezes=freeze_times(
            # A day earlier, because in some zones it is still yesterday.
            Freeze.not_over((now - _DAY).date()),
            zone_of(Agency.read().time_zone),
            now,
        ),
    )


def freeze_times(freezes: Iterable[Freeze], zone: ZoneInfo, now: datetime) -> list[FreezeTime]:
    """Return these freezes with their times in the agency's zone, without those that are over."""
    found = [FreezeTime(one, freeze_span(one, zone)) for one in freezes]
    return sorted((one for one in found if one.span.ends > now), key=lambda one: one.span.begins)


def freeze_span(freeze: Freeze, zone: ZoneInfo) -> Span:
    """Return the time from the first to the end of the last day, in this zone."""
    return Span(_midnight(freeze.first_day, zone), _midnight(freeze.last_day + _DAY, zone))


def window_of(site: Site) -> Window | None:
    """Return the site's own window, otherwise its client's; None if any time will do."""
    return Window.of(site) or (Window.of(site.client) if site.client else None)


def owner_hours_of(site: Site) -> Window | None:
    """Return the hours that the site's owner set in wp-admin; None if any time will do.

    None also if Aura does not know the time zone of the site: then only the site can tell.
    """
    stored = (site.update_limits or {}).get("hours")
    if stored is None or zone_of_site(stored["time_zone"]) is None:
        return None
    return Window(**{**stored, "weekdays": tuple(stored["weekdays"])})


def _is_open(window: Window | None, now: datetime) -> bool:
    return window is None or any(one.contains(now) for one in open_spans(window, now, now + _DAY))


def _open_in_all(windows: list[Window], earliest: datetime, latest: datetime) -> list[Span]:
    """Return the times in which all of these windows are open, in order."""
    common = [Span()]
    for window in windows:
        spans = list(open_spans(window, earliest, latest))
        pairs = [
            Span(max(one.begins, other.begins), min(one.ends, other.ends))
            for one in common
            for other in spans
        ]
        common = [one for one in pairs if one.begins < one.ends]
    return common


def open_spans(window: Window, earliest: datetime, latest: datetime) -> Iterator[Span]:
    """Yield the times of a window that overlap `earliest` to `latest`, in order.

    Hours that follow each other without a gap are one time. The hours are those of the clock on
    the wall: when it is put forward, hours that do not exist are left out; when it is put back,
    an hour that occurs twice is open twice, unless it is the end.
    """
    zone = zone_of_site(window.time_zone) or UTC
    day = earliest.astimezone(zone).date() - _DAY
    current: Span | None = None
    while _midnight(day, zone) <= latest or (current and current.ends >= _midnight(day, zone)):
        span = _hours_of(window, day, zone)
        day += _DAY
        if span is None or span.ends <= earliest:
            continue
        if current is not None and span.begins <= current.ends:
            current = Span(current.begins, span.ends)
        else:
            if current is not None:
                yield current
            current = span
        if current.ends > latest:
            break
    if current is not None and current.begins <= latest:
        yield current


def _hours_of(window: Window, day: date, zone: tzinfo) -> Span | None:
    """Return the hours that begin on this day; None on other days and if they do not exist."""
    if day.weekday() not in window.weekdays:
        return None
    last_day = day if window.to_hour > window.from_hour else day + _DAY
    begins = _wall(day, window.from_hour, zone)
    ends = _wall(last_day, window.to_hour, zone)
    return Span(begins, ends) if begins < ends else None


def _wall(day: date, hour: int, zone: tzinfo) -> datetime:
    """Return the moment at which a clock shows this hour; 24 is the next midnight."""
    day, hour = (day + _DAY, 0) if hour == 24 else (day, hour)
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return _wall(day, 0, zone)


def _without(span: Span, frozen: Iterable[Span]) -> list[Span]:
    """Return what is left of a span without the frozen times, in order."""
    left, begins = [], span.begins
    for freeze in sorted(frozen, key=lambda one: one.begins):
        if freeze.ends <= begins or freeze.begins >= span.ends:
            continue
        if freeze.begins > begins:
            left.append(Span(begins, freeze.begins))
        begins = max(begins, freeze.ends)
    return [*left, Span(begins, span.ends)] if begins < span.ends else left
