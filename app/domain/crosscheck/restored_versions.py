"""Former versions that an administrator of a site restored, from the site's log into Aura's.

The audit log says so at once, because Aura did not approve it and the site now runs other code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import VersionRestored
from app.domain.changes import page_questions
from app.domain.text import one_line
from app.models.sites import Site

_EVENT = "restore_ended"
# A refused one has not touched the site.
_OUTCOMES = ("succeeded", "rolled_back", "failed")
_RESTORED = "succeeded"
_KINDS = ("plugin", "theme")
# More entries of one batch are not copied: a hostile site must not fill the audit log.
_MAX_RECORDED = 5
_MAX_CHARS = 120


def record_restored_versions(site: Site, bodies: Iterable[str], now: datetime) -> None:
    """Record what the verified entries of a site's log say was restored.

    Runs inside the caller's transaction.
    """
    for facts in [facts for body in bodies if (facts := _facts(body))][-_MAX_RECORDED:]:
        event = VersionRestored(
            site_id=site.id,
            kind=facts["kind"],
            name=one_line(facts["id"], _MAX_CHARS),
            from_version=one_line(facts["from"], _MAX_CHARS),
            to_version=one_line(facts["to"], _MAX_CHARS),
            outcome=facts["outcome"],
        )
        audit.record(event, SYSTEM, now=now)
        if facts["outcome"] == _RESTORED:
            about = (facts["kind"], facts["id"], facts["from"])
            page_questions.close_restored(site.id, *about, now)


def _facts(body: str) -> dict[str, Any]:
    """Return the facts of an entry about a restored version; empty for any other entry."""
    document = json.loads(body)
    facts = document.get("facts")
    if document.get("event") != _EVENT or not isinstance(facts, dict):
        return {}
    names = ("kind", "id", "from", "to", "outcome")
    is_text = all(isinstance(facts.get(name), str) for name in names)
    is_known = is_text and facts["kind"] in _KINDS and facts["outcome"] in _OUTCOMES
    return facts if is_known else {}
