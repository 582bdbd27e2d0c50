"""The call log: one compact row for each request to a site, deleted after some months."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from peewee import AutoField, BigIntegerField, CharField, IntegerField, chunked, fn

from app.models.base import BaseModel, UtcField
from app.models.statements import Statement, given

OK = "ok"
# Aura repeated the request with another nonce, because the clocks differ.
REPEATED = "repeated"
# No result was recorded, for example because the worker ended.
UNKNOWN = "unknown"

# Longer than the deadline of any call.
_LONGEST_CALL = timedelta(minutes=30)
_NONCES_AT_ONCE = 500
_STREAMED_AT_ONCE = 5000
_FORGOTTEN_AT_ONCE = 5000


class SiteCall(BaseModel):
    """A request to a site, stored before it is sent and completed by its result.

    A worker that dies on the way leaves no other trace of the request, and the site's entry about
    it must not look like an unknown caller's. `outcome` is empty until the result is recorded; then
    it is one of the words above or an error code. `head_n` is the newest entry of the site's log
    that the answer names.
    """

    id = AutoField()
    nonce = CharField(max_length=22, unique=True)
    site_id = IntegerField()
    op = CharField(max_length=32)
    at = UtcField()
    elapsed_ms = IntegerField(null=True)
    outcome = CharField(max_length=32, default="")
    head_n = BigIntegerField(default=0)

    class Meta:
        indexes = ((("site_id", "at"), False),)

    @classmethod
    def note(cls, nonce: str, site_id: int, op: str, now: datetime) -> None:
        """Store a request that is about to be sent."""
        cls.insert_one(nonce=nonce, site_id=site_id, op=op, at=now)

    @classmethod
    def finish(cls, nonces: list[str], outcome: str, elapsed_ms: int, head_n: int) -> None:
        """Record the result of a call; the last of its nonces is the one that counts.

        What is summarized already stays as it is.
        """
        *repeated, last = nonces
        if repeated:
            is_open = cls.outcome == ""
            cls.update(outcome=REPEATED).where(cls.nonce.in_(repeated), is_open).execute()
        _FINISH.execute(nonce=last, outcome=outcome, elapsed_ms=elapsed_ms, head_n=head_n)

    @classmethod
    def known(cls, nonces: Iterable[str]) -> set[str]:
        """Return those of these nonces that Aura used."""
        found: set[str] = set()
        for some in chunked(nonces, _NONCES_AT_ONCE):
            found |= {call.nonce for call in cls.select(cls.nonce).where(cls.nonce.in_(list(some)))}
        return found

    @classmethod
    def answered(cls, site_id: int, since: datetime) -> list[SiteCall]:
        """Return the calls that a site answered with a signature, oldest first."""
        query = cls.select().where(cls.site_id == site_id, cls.at >= since, cls.outcome == OK)
        return list(query.order_by(cls.at, cls.id))

    @classmethod
    def count_after(cls, site_id: int, n: int, since: datetime) -> int:
        """Return how many calls a site answered after entry `n` of its log, read at `since`."""
        found = _COUNT_AFTER.read_row(site_id=site_id, at=since - _LONGEST_CALL, head_n=n)
        return int(found[0])

    @classmethod
    def newest_of(cls, site_id: int, limit: int, before: int | None = None) -> list[SiteCall]:
        """Return a site's newest calls, the newest first; only those before call `before`."""
        query = cls.select().where(cls.site_id == site_id)
        known = cls.get_or_none(cls.id == before) if before is not None else None
        if known is not None:
            query = query.where((cls.at < known.at) | ((cls.at == known.at) & (cls.id < known.id)))
        return list(query.order_by(cls.at.desc(), cls.id.desc()).limit(limit))

    @classmethod
    def oldest_at(cls) -> datetime | None:
        """Return the time of the oldest call that is kept."""
        oldest = cls.select(cls.at).order_by(cls.id).first()
        return None if oldest is None else oldest.at

    @classmethod
    def last_before(cls, moment: datetime) -> int:
        """Return the number of the newest call before `moment`; 0 if there is none."""
        found = cls.select(cls.id).where(cls.at < moment).order_by(cls.id.desc()).first()
        return 0 if found is None else int(found.id)

    @classmethod
    def count_since(cls, moment: datetime) -> dict[tuple[str, str], int]:
        """Return how many calls there were since then, by operation and outcome."""
        is_later = cls.id > cls.last_before(moment)
        query: Any = cls.select(cls.op, cls.outcome, fn.COUNT(cls.id)).where(is_later)
        return {
            (op, outcome): count
            for op, outcome, count in query.group_by(cls.op, cls.outcome).tuples()
        }

    @classmethod
    def first_open(cls, after: int) -> int | None:
        """Return the number of the oldest call after number `after` that has no result."""
        number: int | None = (
            cls.select(fn.MIN(cls.id)).where(cls.id > after, cls.outcome == "").scalar()
        )
        return number

    @classmethod
    def give_up(cls, after: int, through: int) -> None:
        """Record that the results of these calls are not known."""
        is_open = cls.outcome == ""
        cls.update(outcome=UNKNOWN).where(cls.id > after, cls.id <= through, is_open).execute()

    @classmethod
    def stream(cls, first: int, last: int) -> Iterator[SiteCall]:
        """Yield the calls from one number to another, in order; a batch at a time is in memory."""
        after = first - 1
        while True:
            query = cls.select().where(cls.id > after, cls.id <= last).order_by(cls.id)
            calls = list(query.limit(_STREAMED_AT_ONCE))
            yield from calls
            if len(calls) < _STREAMED_AT_ONCE:
                return
            after = calls[-1].id

    @classmethod
    def forget(cls, through: int) -> int:
        """Delete the calls up to a number; return how many.

        A batch at a time, so that a year of them does not keep all others from writing.
        """
        count, first = 0, cls._first()
        while first is not None and first <= through:
            last = min(through, first + _FORGOTTEN_AT_ONCE - 1)
            count += int(cls.delete().where(cls.id <= last).execute())
            first = cls._first()
        return count

    @classmethod
    def _first(cls) -> int | None:
        number: int | None = cls.select(fn.MIN(cls.id)).scalar()
        return number


_FINISH = Statement(
    SiteCall.update(
        outcome=given(SiteCall.outcome),
        elapsed_ms=given(SiteCall.elapsed_ms),
        head_n=given(SiteCall.head_n),
    ).where(SiteCall.nonce == given(SiteCall.nonce), SiteCall.outcome == "")
)
_COUNT_AFTER = Statement(
    SiteCall.select(fn.COUNT(SiteCall.id)).where(
        SiteCall.site_id == given(SiteCall.site_id),
        SiteCall.outcome == OK,
        SiteCall.at >= given(SiteCall.at),
        SiteCall.head_n > given(SiteCall.head_n),
    )
)
