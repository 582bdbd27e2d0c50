"""The data that only serves searching: the words of full text, and the entry range of each day.

It is written together with each entry and can be rebuilt from the chain at any time.
"""

from __future__ import annotations

import json

from app.models import audit_search
from app.models.audit import AuditEntry, PrivateDetail
from app.models.base import transaction
from app.models.search_terms import words_of

_BATCH = 5000


def rebuild_index() -> int:
    """Rebuild full text and days from the chain and its private details; return the entry count.

    One transaction, so no search sees half of it.
    """
    count = 0
    days: dict[str, tuple[int, int]] = {}
    with transaction():
        audit_search.clear_index()
        while entries := _after(count):
            details = PrivateDetail.of(one.seq for one in entries)
            for one in entries:
                body = json.loads(one.body)
                kept = details.get(one.seq)
                audit_search.add_words(
                    one.seq, words_of(body, json.loads(kept.body) if kept else None)
                )
                day = body["at"][:10]
                days[day] = (days.get(day, (one.seq, one.seq))[0], one.seq)
            count = entries[-1].seq
        for day, (first, last) in days.items():
            audit_search.add_day(day, first, last)
    return count


def _after(seq: int) -> list[AuditEntry]:
    return list(
        AuditEntry.select().where(AuditEntry.seq > seq).order_by(AuditEntry.seq).limit(_BATCH)
    )
