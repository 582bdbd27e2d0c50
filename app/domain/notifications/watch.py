"""Look once a minute what needs whom, and queue the messages that are due.

One look needs a fixed number of queries for any number of sites and people. What was sent is
stored in the transaction that queues the message, so a restart tells nothing twice.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from app.domain import attention
from app.domain.actor import Actor
from app.domain.attention import Findings, Item
from app.domain.mail import outbox
from app.domain.notifications import contents, plans, preferences
from app.domain.notifications.memory import Memory
from app.domain.notifications.plans import Plan, Situation
from app.domain.notifications.preferences import Preferences
from app.domain.permissions import visibility_of
from app.domain.time_zones import zone_of
from app.models import fleet
from app.models.base import transaction
from app.models.email import NotificationPreference, NotifiedItem
from app.models.fleet import FleetSite
from app.models.visibility import EVERYTHING


@dataclass(frozen=True)
class _Person:
    row: NotificationPreference
    actor: Actor
    chosen: Preferences
    zone: ZoneInfo


@dataclass
class _Look:
    """What is read once for everyone. All sites are only read when a digest is due.

    `queued` is the number of messages so far.
    """

    now: datetime
    queued: int = 0

    @cached_property
    def findings(self) -> Findings:
        return attention.read_findings()

    @cached_property
    def every_key(self) -> set[str]:
        return self.findings.keys()

    @cached_property
    def sites(self) -> list[FleetSite]:
        return fleet.fleet(EVERYTHING)

    @cached_property
    def known(self) -> dict[int, list[NotifiedItem]]:
        return NotifiedItem.by_listener()


def notify_due(now: datetime) -> int:
    """Queue what people have to get now; return the number of messages.

    An error about one person is raised after the messages of all others are queued.
    """
    if not outbox.is_on():
        return 0
    NotificationPreference.add_missing(now)
    look = _Look(now)
    # An ExitStack calls all its callbacks, last first, even after one of them has raised.
    with ExitStack() as stack:
        for row in reversed(NotificationPreference.with_active_users()):
            person = _person(row)
            if not person.chosen.is_off and not row.user.is_invited:
                stack.callback(_notify, person, look)
    return look.queued


def _person(row: NotificationPreference) -> _Person:
    user = row.user
    return _Person(
        row=row,
        actor=Actor.of(user),
        chosen=preferences.in_force(row, user.role),
        zone=zone_of(user.time_zone),
    )


def _notify(person: _Person, look: _Look) -> None:
    """Store what is new for a person and queue a message if one is due."""
    row, now = person.row, look.now
    is_quiet = person.chosen.is_quiet(now, person.zone)
    last_time = person.chosen.last_digest_time(now, person.zone)
    is_digest = (
        plans.is_digest_due(person.chosen, last_time, row.digest_at)
        and plans.has_waited(row.message_at, now)
        and not is_quiet
    )
    situation = Situation(
        preferences=person.chosen,
        items=_covered(person, attention.urgent_from(look.findings, person.actor)),
        every_key=look.every_key,
        known=look.known.get(row.user_id, []),
        last_message_at=row.message_at,
        is_quiet=is_quiet,
        now=now,
        later=_later(person, look) if is_digest else None,
    )
    plan = plans.make_plan(situation)
    look.queued += _store(person, plan, last_time if is_digest else None, now)


def _later(person: _Person, look: _Look) -> list[Item]:
    visible = visibility_of(person.actor)
    sites = [site for site in look.sites if visible.has(site.client_id)]
    return _covered(person, attention.upcoming(person.actor, sites, look.now))


def _covered(person: _Person, items: list[Item]) -> list[Item]:
    """Return the items about the clients that the person chose, and those about no site."""
    return [
        item
        for item in items
        if item.client_ids is None or any(map(person.chosen.covers, item.client_ids))
    ]


def _store(person: _Person, plan: Plan, digest_at: datetime | None, now: datetime) -> bool:
    """Carry out a plan in one transaction; return whether a message was queued.

    Of two processes at once, one stores; the other changes nothing.
    """
    if plan.is_empty and digest_at is None:
        return False
    columns: dict[str, Any] = {} if digest_at is None else {"digest_at": digest_at}
    if plan.kind:
        columns["message_at"] = now
    with transaction():
        if columns and not person.row.claim(person.row.message_at, **columns):
            return False
        memory = Memory(NotifiedItem, person.row.user_id, person.zone)
        memory.follow(plan, now)
        if plan.kind:
            _queue(person, plan, now)
            memory.mark_told(plan, now)
    return bool(plan.kind)


def _queue(person: _Person, plan: Plan, now: datetime) -> None:
    content = contents.content_of(plan, person.zone, now)
    subject = contents.subject_of(plan, content, person.chosen.digest)
    outbox.queue_email(person.row.user, plan.kind, subject, content, now=now)
