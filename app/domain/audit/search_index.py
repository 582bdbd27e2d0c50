"""What follows from the chain and serves searching alone: the words of full text, and between
which entries a day lies. Kept as entries are written; can be made anew at any time."""

from __future__ import annotations

import json

from app.models import audit_search
from app.models.audit import Detail, Entry
from app.models.base import transaction
from app.models.search_terms import words_of

_BATCH = 5000


def rebuild_index() -> int:
    """Make full text and days anew from the chain and what is private beside it; how many
    entries there are. One transaction: nobody searches half of it."""
    count = 0
    days: dict[str, tuple[int, int]] = {}
    with transaction():
        audit_search.clear_index()
        while entries := _after(count):
            details = Detail.of(one.seq for one in entries)
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


def _after(seq: int) -> list[Entry]:
    return list(Entry.select().where(Entry.seq > seq).order_by(Entry.seq).limit(_BATCH))
