"""Read an audit entry as one document, from its body and its private details."""

from __future__ import annotations

import json
from typing import Any

from app.domain.audit.events.base import PERSONAL_FACTS
from app.models.accounts import ERASED
from app.models.audit import NAMES, AuditEntry


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """Return the content of an entry as one document.

    It has `event`, `at`, `actor` (kind, id, name, ip), `site`, `client` and `facts`. If private
    details were erased, `is_erased` is true and each of them reads ERASED.
    """
    body = json.loads(entry.body)
    actor = body["actor"]
    private: dict[str, Any] = {"actor": {}, "facts": {}}
    is_erased = body["private"] is not None and entry.detail is None
    if is_erased:
        private["facts"] = dict.fromkeys(PERSONAL_FACTS.get(body["event"], ()), ERASED)
    elif entry.detail is not None:
        private = json.loads(entry.detail.body)
    name = NAMES.get(actor["kind"], ERASED)
    return {
        "event": body["event"],
        "at": body["at"],
        "actor": {"name": name, "ip": "", **actor, **private["actor"]},
        "site": body["site"],
        "client": body["client"],
        "facts": {**private["facts"], **body["facts"]},
        "is_erased": is_erased,
    }
