"""What one person wants to hear by e-mail, and when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import NotificationsChanged
from app.domain.errors import Invalid
from app.models.accounts import CLIENT, MANAGER, OPERATOR, OWNER
from app.models.clients import Client
from app.models.email import DAILY, DIGESTS, OFF, WEEKLY, NotificationPreference, NotifiedItem

_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Preferences:
    """Choices of a person. Hours are in the person's time zone, weekdays count from Monday.

    Nothing but critical items is sent from `quiet_from` until `quiet_to`, and not even those if
    `critical_waits`. `client_ids` is empty for all clients.
    """

    critical_now: bool = False
    digest: str = OFF
    digest_hour: int = 8
    digest_weekday: int = 0
    quiet_from: int | None = None
    quiet_to: int | None = None
    critical_waits: bool = False
    client_ids: tuple[int, ...] = ()

    @property
    def is_off(self) -> bool:
        """Whether this person gets no notification at all."""
        return not self.critical_now and self.digest == OFF

    def is_quiet(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether this moment is in the quiet hours, which may go past midnight."""
        if self.quiet_from is None or self.quiet_to is None:
            return False
        hour = at.astimezone(zone).hour
        if self.quiet_from < self.quiet_to:
            return self.quiet_from <= hour < self.quiet_to
        return hour >= self.quiet_from or hour < self.quiet_to

    def last_digest_time(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the newest time for a digest up to `at`, in UTC.

        Where the clocks change, an hour that occurs twice counts once, and one that is skipped is
        the hour after it.
        """
        day = at.astimezone(zone).date()
        step = timedelta(days=1)
        if self.digest == WEEKLY:
            day -= timedelta(days=(day.weekday() - self.digest_weekday) % 7)
            step = _WEEK
        # In UTC, because times of one zone are compared without their offsets.
        found = datetime.combine(day, time(self.digest_hour), zone).astimezone(UTC)
        if found > at:
            found = datetime.combine(day - step, time(self.digest_hour), zone).astimezone(UTC)
        return found

    def covers(self, client_id: int | None) -> bool:
        """Whether sites of this client are among those that the person chose."""
        return not self.client_ids or client_id in self.client_ids


# People of the agency who can do something about it hear of it; others turn it on.
_STAFF = Preferences(critical_now=True, digest=DAILY)
_DEFAULTS = {OWNER: _STAFF, MANAGER: _STAFF, OPERATOR: _STAFF}


def in_force(row: NotificationPreference | None, role: str) -> Preferences:
    """Return what a person has chosen, or the default of the role."""
    if row is None or row.chosen_at is None:
        return _DEFAULTS.get(role, Preferences())
    return Preferences(
        critical_now=row.critical_now,
        digest=row.digest,
        digest_hour=row.digest_hour,
        digest_weekday=row.digest_weekday,
        quiet_from=row.quiet_from,
        quiet_to=row.quiet_to,
        critical_waits=row.critical_waits,
        client_ids=tuple(row.client_ids),
    )


def read_preferences(by: Actor) -> Preferences:
    """Return the preferences of this user."""
    return in_force(NotificationPreference.of(by.id or 0), by.role)


def change_preferences(chosen: Preferences, *, by: Actor, now: datetime) -> bool:
    """Save the preferences of this person; return False if nothing is new.

    Raises: Invalid, with a message for each invalid field.
    """
    permissions.require(by, "account")
    Invalid.raise_for(_problems(chosen, by))
    with permissions.user_transaction(by, "account") as (_, present):
        row = NotificationPreference.of(present.id or 0)
        before = in_force(row, present.role)
        if row is not None and row.chosen_at and before == chosen:
            return False
        if before.is_off or chosen.is_off:
            # Who gets messages again is sent what is open then, and not what has ended since.
            NotifiedItem.forget(present.id or 0)
        columns = {**asdict(chosen), "client_ids": list(chosen.client_ids)}
        NotificationPreference.choose(present.id or 0, now, **columns)
        event = NotificationsChanged(
            critical_now=chosen.critical_now,
            digest=chosen.digest,
            quiet=_quiet_words(chosen),
            clients=len(chosen.client_ids),
        )
        audit.record(event, present, now=now)
    return True


def _quiet_words(chosen: Preferences) -> str:
    if chosen.quiet_from is None:
        return ""
    return f"{chosen.quiet_from:02}:00 to {chosen.quiet_to:02}:00"


def _problems(chosen: Preferences, by: Actor) -> dict[str, str]:
    found: dict[str, str] = {}
    if chosen.digest not in DIGESTS:
        found["digest"] = "Choose how often to get a digest."
    if not 0 <= chosen.digest_hour <= 23:
        found["digest_hour"] = "Choose an hour from the list."
    if not 0 <= chosen.digest_weekday <= 6:
        found["digest_weekday"] = "Choose a day of the week."
    if (chosen.quiet_from is None) != (chosen.quiet_to is None):
        found["quiet_to"] = "Choose both the beginning and the end, or neither."
    elif chosen.quiet_from is not None and chosen.quiet_from == chosen.quiet_to:
        found["quiet_to"] = "Choose another hour than the beginning."
    if any(not 0 <= (hour or 0) <= 23 for hour in (chosen.quiet_from, chosen.quiet_to)):
        found["quiet_from"] = "Choose hours from the lists."
    if chosen.client_ids and not _are_known(chosen.client_ids, by):
        found["client"] = "Choose clients from the list."
    return found


def _are_known(client_ids: tuple[int, ...], by: Actor) -> bool:
    if by.role == CLIENT or not permissions.visibility_of(by).has_clients(client_ids):
        return False
    return Client.select().where(Client.id.in_(client_ids)).count() == len(set(client_ids))
