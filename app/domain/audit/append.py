"""Append entries to the audit log, each in the transaction of its change."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from app.domain.actor import Actor
from app.domain.audit import entry_format
from app.domain.audit.chain import log_uuid
from app.domain.audit.events import Event
from app.models import audit_search
from app.models.audit import NAMES, AuditEntry, PrivateDetail
from app.models.base import in_transaction, utcnow
from app.models.search_terms import words_of
from app.models.sites import Site
from app.protocol import canonical

_SALT_BYTES = 16


def record(event: Event, by: Actor, *, now: datetime | None = None) -> AuditEntry:
    """Append `event` to the chain in the transaction of its change.

    Raises: RuntimeError outside a transaction, because an entry must be committed or rolled back
    with its change.
    """
    if not in_transaction():
        raise RuntimeError("An audit entry needs the transaction of its change.")
    at = (now or utcnow()).astimezone(UTC)
    facts, private = event.split_facts()
    actor = {} if by.kind in NAMES and not by.ip else {"name": by.name, "ip": by.ip}
    # An entry without personal data has no row of details.
    detail = {"actor": actor, "facts": private} if actor or private else None
    salt = secrets.token_bytes(_SALT_BYTES)
    text = canonical(detail).decode("utf-8") if detail else ""
    client_id = event.client_id
    if client_id is None and event.site_id is not None:
        client_id = Site.client_of(event.site_id)
    document = {
        "v": 1,
        "at": at.isoformat(),
        "event": event.event_name(),
        "actor": {"kind": by.kind, "id": by.id},
        "site": event.site_id,
        "client": client_id,
        "facts": facts,
        "private": entry_format.private_details_hash(salt, text) if text else None,
    }
    entry = _append(document, at)
    if text:
        PrivateDetail.keep(entry.seq, salt.hex(), text)
    audit_search.add_words(entry.seq, words_of(document, detail))
    audit_search.add_day(at.isoformat()[:10], entry.seq, entry.seq)
    return entry


def _append(document: dict[str, Any], at: datetime) -> AuditEntry:
    end = AuditEntry.end()
    seq, prev = (end[0] + 1, end[1]) if end else (1, entry_format.genesis_hash(log_uuid()))
    body = canonical(document).decode("utf-8")
    kind, component, outcome = entry_format.of_facts(document["facts"])
    return AuditEntry.append(
        seq=seq,
        prev=prev,
        body=body,
        hash=entry_format.link_hash(seq, prev, body),
        at=at,
        event=document["event"],
        actor=entry_format.of_actor(document["actor"]),
        site_id=document["site"],
        client_id=document["client"],
        kind=kind,
        component=component,
        outcome=outcome,
    )
