"""Keep only the digests of a site's routine entries, once both logs were compared.

A site writes an entry for each request. Of a request that only reads, the call log has all that
matters. With the digest of each body, the chain can still be verified, and the entry can be proved
with the site's own copy of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from app.domain.connection.calls import ROUTINE_OPS
from app.domain.crosscheck.log_records import OVERLAP
from app.models.base import transaction
from app.models.site_log import SiteLog, SiteLogDigests, SiteLogEntry
from app.models.sites import Site

_EVENT = "answered"
_SUNDAY = 6
# `in` compares with a list, because a site may have written an operation that has no hash.
_ROUTINE = list(ROUTINE_OPS)


def keep_digests(site: Site) -> int:
    """Replace entries that are no longer compared by their digests; return how many.

    All stay but successful requests that only read. Of these, the last one of each Sunday stays,
    because it contains how far the audit log had reached.
    """
    read = SiteLog.get_or_create_for(site)
    until = read.reconciled_n - OVERLAP
    # A verification begins with a whole entry, so the first one stays.
    after = read.digests_n or SiteLogEntry.first_of(site.id, read.branch)
    entries = _whole_days(SiteLogEntry.between(site.id, read.branch, after, until))
    if not entries:
        return 0
    replaced = 0
    with transaction():
        if not read.advance_digests(entries[-1].entry.seq):
            return 0
        for run in _runs(entries):
            digests = b"".join(hashlib.sha256(entry.body.encode()).digest() for entry in run)
            SiteLogDigests.replace_run(run, digests)
            replaced += len(run)
    return replaced


@dataclass(frozen=True)
class _Dated:
    """An entry, its day as the site wrote it, and whether it is routine."""

    entry: SiteLogEntry
    day: str
    is_routine: bool


def _whole_days(entries: Iterable[SiteLogEntry]) -> list[_Dated]:
    """Return the entries before the last day among them. The last one of a Sunday is not routine.

    All if they are of one day and as many as are read at once: a site may date them as it likes.
    """
    dated = [_dated(entry) for entry in entries]
    earlier = [place for place, one in enumerate(dated, 1) if one.day != dated[-1].day]
    if not earlier and len(dated) < SiteLogEntry.MOST:
        return []
    whole = dated[: earlier[-1]] if earlier else dated
    last = {one.day: one.entry.seq for one in whole if one.is_routine and _is_sunday(one.day)}
    return [
        replace(one, is_routine=one.is_routine and one.entry.seq != last.get(one.day))
        for one in whole
    ]


def _is_sunday(day: str) -> bool:
    try:
        return date.fromisoformat(day).weekday() == _SUNDAY
    except ValueError:
        return False


def _dated(entry: SiteLogEntry) -> _Dated:
    body = json.loads(entry.body)
    facts = body.get("facts")
    operation = facts.get("operation") if isinstance(facts, dict) else None
    is_routine = body.get("event") == _EVENT and operation in _ROUTINE
    return _Dated(entry, str(body.get("at"))[:10], is_routine)


def _runs(entries: Iterable[_Dated]) -> Iterator[list[SiteLogEntry]]:
    """Yield the routine entries, those whose numbers follow each other together."""
    run: list[SiteLogEntry] = []
    for one in entries:
        if run and not (one.is_routine and one.entry.seq == run[-1].seq + 1):
            yield run
            run = []
        if one.is_routine:
            run.append(one.entry)
    if run:
        yield run
