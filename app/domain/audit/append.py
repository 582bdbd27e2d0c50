"""Adding entries: each with the change it tells of, or not at all."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from app.domain.actor import Actor
from app.domain.audit import index_columns, search_index
from app.domain.audit.chain import genesis_hash, link_hash, log_uuid
from app.domain.audit.events import Event
from app.domain.audit.integrity import private_details_hash
from app.models.audit import NAMES, Detail, Entry
from app.models.base import in_transaction, utcnow
from app.models.sites import Site
from app.protocol import canonical

_SALT_BYTES = 16


def record(event: Event, by: Actor, *, now: datetime | None = None) -> Entry:
    """Append `event` to the chain, inside the transaction of the change it tells of.

    Raises RuntimeError outside a transaction: an entry that could survive a
    rolled-back change, or be lost beside a committed one, would be worthless.
    """
    if not in_transaction():
        raise RuntimeError("An audit entry needs the transaction of its change.")
    at = (now or utcnow()).astimezone(UTC)
    facts, detail = event.facts(), _detail(event, by)
    salt = secrets.token_bytes(_SALT_BYTES)
    text = "" if detail is None else canonical(detail).decode("utf-8")
    document = {
        "v": 2,
        "at": at.isoformat(),
        "event": event.event_name(),
        "actor": {"kind": by.kind, "id": by.id},
        "site": event.site_id,
        "client": _client_of(event),
        "facts": facts,
        "private": private_details_hash(salt, text) if text else None,
    }
    entry = _append(document, at)
    if text:
        Detail.keep(entry.seq, salt.hex(), text)
    search_index.index_entry(entry, document, detail)
    return entry


def _detail(event: Event, by: Actor) -> dict[str, Any] | None:
    """What is kept beside the chain; None where nothing is about a person."""
    facts = event.personal_facts()
    actor = {} if by.kind in NAMES and not by.ip else {"name": by.name, "ip": by.ip}
    return {"actor": actor, "facts": facts} if actor or facts else None


def _client_of(event: Event) -> int | None:
    if event.client_id is not None or event.site_id is None:
        return event.client_id
    return Site.client_of(event.site_id)


def _append(document: dict[str, Any], at: datetime) -> Entry:
    end = Entry.end()
    seq, prev = (end[0] + 1, end[1]) if end else (1, genesis_hash(log_uuid()))
    body = canonical(document).decode("utf-8")
    kind, component, outcome = index_columns.of_facts(document["facts"])
    return Entry.append(
        seq=seq,
        prev=prev,
        body=body,
        hash=link_hash(seq, prev, body),
        at=at,
        event=document["event"],
        actor=index_columns.of_actor(document["actor"]),
        site_id=document["site"],
        client_id=document["client"],
        kind=kind,
        component=component,
        outcome=outcome,
    )
