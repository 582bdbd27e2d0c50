"""Read an audit entry as one document, from its body and its private details."""

from __future__ import annotations

import json
from typing import Any

from app.domain.audit.events.base import PERSONAL_FACTS
from app.models.accounts import ERASED
from app.models.audit import NAMES, AuditEntry


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """Return the content of an entry as one document, whatever the version of its body.

    It has `event`, `at`, `actor` (kind, id, name, ip), `site`, `client` and `facts`. If private
    details were erased, `is_erased` is true and each of them reads ERASED.
    """
    body = json.loads(entry.body)
    detail = _private_details(entry, body)
    actor = body["actor"]
    name = NAMES.get(actor["kind"], ERASED)
    if detail is None:
        private_facts: dict[str, Any] = dict.fromkeys(PERSONAL_FACTS.get(body["event"], ()), ERASED)
    else:
        private_facts = detail["facts"]
    return {
        "event": body["event"],
        "at": body["at"],
        "actor": {"name": name, "ip": "", **actor, **(detail or {}).get("actor", {})},
        "site": body["site"],
        "client": body.get("client", entry.client_id),
        "facts": {**private_facts, **body["facts"]},
        "is_erased": detail is None,
    }


def _private_details(entry: AuditEntry, body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the private details, empty where the entry has none; None if they were erased."""
    if body.get("private") is None:
        return {"actor": {}, "facts": {}}
    return None if entry.detail is None else json.loads(entry.detail.body)
