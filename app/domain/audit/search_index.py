"""The data that only serves searching: the words of full text, and the entry range of each day.

It is written together with each entry and can be rebuilt from the chain at any time.
"""

from __future__ import annotations

import json

from app.models import audit_search
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.search_terms import words_of


def rebuild_index() -> int:
    """Rebuild full text and days from the chain and its private details; return the entry count.

    One transaction, so no search sees half of it.
    """
    count = 0
    days: dict[str, tuple[int, int]] = {}
    with transaction():
        audit_search.clear_index()
        for entry in AuditEntry.stream_with_details():
            body, kept = json.loads(entry.body), entry.detail
            words = words_of(body, json.loads(kept.body) if kept else None)
            audit_search.add_words(entry.seq, words)
            day = body["at"][:10]
            days[day] = (days.get(day, (entry.seq, entry.seq))[0], entry.seq)
            count += 1
        for day, (first, last) in days.items():
            audit_search.add_day(day, first, last)
    return count
