"""Look once a minute what needs attention, and queue what the webhooks have to get.

The rules are those for people (plans.py), without digests and quiet hours. What was sent is stored
in the transaction that queues the messages, so a restart tells nothing twice.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.agency.settings import read_settings
from app.domain.attention import CRITICAL, SEVERITIES, SOON, Findings
from app.domain.notifications import contents, plans
from app.domain.notifications.contents import NEEDS_YOU, RESOLVED, STILL_OPEN
from app.domain.notifications.memory import Memory
from app.domain.notifications.plans import Plan, Situation
from app.domain.notifications.preferences import Preferences
from app.domain.webhooks import outbox
from app.models.accounts import OWNER
from app.models.base import transaction
from app.models.webhooks import EVERYTHING, STANDARD, EndpointItem, WebhookEndpoint

# A chat is read by people, and gets no more messages than a person. A program gets them sooner.
PROGRAM_AT_MOST_EVERY = timedelta(minutes=5)
_AT_ONCE = {EVERYTHING: frozenset(SEVERITIES) - {SOON}}
_TYPES = {
    NEEDS_YOU: outbox.OPENED,
    STILL_OPEN: outbox.REMINDER,
    RESOLVED: outbox.RESOLVED,
}


@dataclass(frozen=True)
class _Look:
    """What is read once for all endpoints."""

    findings: Findings
    every_key: set[str]
    known: dict[int, list[EndpointItem]]
    zone: ZoneInfo
    now: datetime


def notify_due(config: Config, now: datetime) -> int:
    """Queue what the endpoints have to get now; return the number of messages.

    An error about one endpoint is raised after the messages of all others are queued.
    """
    endpoints = WebhookEndpoint.turned_on()
    if not endpoints:
        return 0
    findings = attention.read_findings()
    zone = read_settings(config).zone
    look = _Look(findings, findings.keys(), EndpointItem.by_listener(), zone, now)
    queued: list[int] = []
    # An ExitStack calls all its callbacks, last first, even after one of them has raised.
    with ExitStack() as stack:
        for endpoint in reversed(endpoints):
            stack.callback(lambda one: queued.append(_notify(one, look)), endpoint)
    return sum(queued)


def _notify(endpoint: WebhookEndpoint, look: _Look) -> int:
    """Store what is new for an endpoint; return how many messages were queued."""
    situation = Situation(
        preferences=Preferences(critical_now=True),
        items=attention.urgent_from(look.findings, _reader(endpoint)),
        every_key=look.every_key,
        known=list(look.known.get(endpoint.id, [])),
        last_message_at=endpoint.message_at,
        is_quiet=False,
        now=look.now,
        at_once=_AT_ONCE.get(endpoint.wants, frozenset({CRITICAL})),
        at_most_every=_at_most_every(endpoint),
    )
    return _store(endpoint, plans.make_plan(situation), look)


def _reader(endpoint: WebhookEndpoint) -> Actor:
    """Return who reads it: an owner, who sees no more than the clients that were chosen.

    With an id that no person has, an update waits for them, no matter who proposed it.
    """
    chosen = frozenset(endpoint.client_ids) or None
    return Actor(kind="system", id=0, name="webhook", role=OWNER, limited_to=chosen)


def _at_most_every(endpoint: WebhookEndpoint) -> timedelta:
    return PROGRAM_AT_MOST_EVERY if endpoint.format == STANDARD else plans.AT_MOST_EVERY


def _store(endpoint: WebhookEndpoint, plan: Plan, look: _Look) -> int:
    """Carry out a plan in one transaction. Of two processes at once, one queues messages."""
    if plan.is_empty:
        return 0
    memory = Memory(EndpointItem, endpoint.id, look.zone)
    with transaction():
        if plan.kind and not endpoint.claim(look.now):
            return 0
        memory.follow(plan, look.now)
        if not plan.kind:
            return 0
        queued = _queue(endpoint, plan, look)
        memory.mark_told(plan, look.now)
    return queued


def _queue(endpoint: WebhookEndpoint, plan: Plan, look: _Look) -> int:
    """Queue one message for each kind of news, but only one in all to a chat."""
    content = contents.content_of(plan, look.zone, look.now)
    sections: list[dict[str, Any]] = content["sections"]
    if endpoint.format == STANDARD:
        parts = [(_TYPES[one["heading"]], [one]) for one in sections]
    else:
        parts = [(outbox.CHANGED, sections)]
    for kind, sent in parts:
        subject = contents.subject_of_sections(sent)
        outbox.queue_message(endpoint, kind, subject, {"sections": sent}, now=look.now)
    return len(parts)
