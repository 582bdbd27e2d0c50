"""The rows of the audit log. They are only added; triggers and the chain protect them.

Only private details are deleted, when a person is erased.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from peewee import JOIN, SQL, BigIntegerField, CharField, IntegerField, TextField, chunked, fn

from app.models.base import BaseModel, UtcField, db, is_postgres
from app.models.composed import composed_once
from app.models.queued_row import QUEUED, QueuedRow
from app.models.sites import Site
from app.models.statements import Statement, given
from app.models.visibility import Visibility

# Actors without personal data.
NAMES = {"system": "Aura", "schedule": "the schedule", "anonymous": "signed-out visitor"}
_CHAIN = ("seq", "prev", "body", "hash")
_SEARCHED = ("event", "actor", "site_id", "client_id", "kind", "component", "outcome")
_DETAILS_AT_ONCE = 500
_STREAMED_AT_ONCE = 1000


class PrivateDetail(BaseModel):
    """The personal data of an entry, whose body has only its salted hash. It can be erased."""

    seq = BigIntegerField(primary_key=True)
    salt = CharField(max_length=32)
    body = TextField()

    class Meta:
        table_name = "audit_detail"

    @classmethod
    def keep(cls, seq: int, salt: str, body: str) -> None:
        p = db.param
        insert = f"INSERT INTO audit_detail (seq, salt, body) VALUES ({p}, {p}, {p})"  # noqa: S608 -- {p} is a placeholder
        db.execute_sql(insert, (seq, salt, body))

    @classmethod
    def of(cls, seqs: Iterable[int]) -> dict[int, PrivateDetail]:
        """Return the rows by number of their entry, in batches: databases limit parameters."""
        found: dict[int, PrivateDetail] = {}
        for some in chunked(seqs, _DETAILS_AT_ONCE):
            found |= {entry.seq: entry for entry in cls.select().where(cls.seq.in_(list(some)))}
        return found


@dataclass(frozen=True)
class Tally:
    """How many entries of one event, and of one error code, a site has; with their ends."""

    site_id: int | None
    event: str
    error_code: str
    count: int
    first: AuditEntry
    last: AuditEntry


class AuditEntry(BaseModel):
    """One link of the chain.

    `body` holds the exact bytes that were hashed. The columns from `at` on repeat parts of it so
    that they can be searched. SQLite computes them. PostgreSQL stores them, and each verification
    compares them with the body.
    """

    seq = BigIntegerField(primary_key=True)
    prev = CharField(max_length=64)
    body = TextField()
    hash = CharField(max_length=64, unique=True)
    at = UtcField()
    event = CharField(max_length=64)
    actor = CharField(max_length=80)
    # No foreign keys, because entries outlive the rows they refer to.
    site_id = IntegerField(null=True)
    client_id = IntegerField(null=True)
    kind = CharField(max_length=16)
    component = CharField(max_length=300)
    outcome = CharField(max_length=16)

    class Meta:
        table_name = "audit"
        # Each index ends with the order in which pages show entries.
        indexes = (
            *(((column, "seq"), False) for column in _SEARCHED),
            # For client reports.
            (("site_id", "event", "seq"), False),
        )

    @cached_property
    def detail(self) -> PrivateDetail | None:
        """Return the private details of this entry; None if there are none any more."""
        return PrivateDetail.get_or_none(PrivateDetail.seq == self.seq)

    @classmethod
    def with_details(cls) -> Any:
        """Return a query for entries, each with its `detail`."""
        is_same = PrivateDetail.seq == cls.seq
        query = cls.select(cls, PrivateDetail)
        return query.join(PrivateDetail, JOIN.LEFT_OUTER, on=is_same, attr="detail")

    @classmethod
    def is_visible(cls, visible: Visibility) -> Any:
        """Return the SQL condition that an entry is about a visible client or its site.

        Entries about neither, such as those about people, are visible only with everything.
        """
        if visible.is_everything:
            return visible.in_sql(cls.client_id)
        of_sites = cls.site_id.in_(Site.select(Site.id).where(visible.in_sql(Site.client)))
        return visible.in_sql(cls.client_id) | (cls.client_id.is_null() & of_sites)

    @classmethod
    def hash_of(cls, seq: int) -> str:
        """Return the hash of an entry; '' if there is none with this number."""
        row = _HASH.read_row(seq=seq)
        return "" if row is None else row[0]

    @classmethod
    def hashes_of(cls, seqs: Collection[int]) -> dict[int, str]:
        """Return the hashes of these entries by number; those that do not exist are left out."""
        query: Any = cls.select(cls.seq, cls.hash).where(cls.seq.in_(list(seqs)))
        return dict(query.tuples())

    # These two statements run with every write. Built once by hand, they take a third of the
    # time.

    @classmethod
    def end(cls) -> tuple[int, str] | None:
        """Return the number and hash of the newest entry."""
        row = db.execute_sql("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else (row[0], row[1])

    @classmethod
    def last_seq(cls) -> int:
        """Return the number of the newest entry; 0 without entries."""
        end = cls.end()
        return end[0] if end else 0

    @classmethod
    def append(cls, **row: Any) -> AuditEntry:
        """Add one; the guards refuse any but the next link."""
        kept = cls.kept_of(row)
        names, placeholders = ", ".join(kept), ", ".join([db.param] * len(kept))
        db.execute_sql(f"INSERT INTO audit ({names}) VALUES ({placeholders})", tuple(kept.values()))  # noqa: S608 -- our names of columns
        return cls(**row)

    @classmethod
    def kept_of(cls, row: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of a row that this database stores rather than computes."""
        return row if is_postgres() else {name: row[name] for name in _CHAIN if name in row}

    @classmethod
    def first_after(cls, seq: int) -> int:
        """Return the lowest number above `seq`; the caller knows that there is one."""
        found: int = cls.select(fn.MIN(cls.seq)).where(cls.seq > seq).scalar()
        return found

    @classmethod
    def head(cls) -> AuditEntry | None:
        return cls.select().order_by(cls.seq.desc()).first()

    @classmethod
    def newest(
        cls,
        *,
        site_id: int | None = None,
        event: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> list[AuditEntry]:
        """Return the newest entries first."""
        query = cls.with_details().order_by(cls.seq.desc()).limit(limit)
        if site_id is not None:
            query = query.where(cls.site_id == site_id)
        if event is not None:
            query = query.where(cls.event == event)
        if since is not None:
            query = query.where(cls.at >= since)
        return list(query)

    @classmethod
    def newest_of(cls, events: Collection[str], *, site_id: int) -> AuditEntry | None:
        """Return the newest entry of a site that is one of these events."""
        query = cls.with_details().where(cls.site_id == site_id, cls.event.in_(events))
        return query.order_by(cls.seq.desc()).first()

    @classmethod
    def notable(
        cls, events: Collection[str], since: datetime, limit: int, visible: Visibility
    ) -> list[AuditEntry]:
        """Return the newest visible entries of these events since then, the newest first."""
        times = {"day": since.date().isoformat(), "at": since}
        return list(cls._notable(tuple(events), limit, visible, **times))

    @classmethod
    @composed_once
    def _notable(cls, events: tuple[str, ...], limit: int, visible: Visibility) -> Any:
        first_seq = Day.select(fn.MIN(Day.first_seq)).where(Day.day >= given(Day.day))
        query = cls.with_details().where(cls.event.in_(events), cls.seq >= first_seq)
        query = query.where(cls.at >= given(cls.at), cls.is_visible(visible))
        return query.order_by(cls.seq.desc()).limit(limit)

    @classmethod
    def about_component(
        cls, site_id: int, ident: str, *, events: Collection[str], since: datetime
    ) -> list[AuditEntry]:
        """Return what happened to one component of a site, oldest first."""
        query = cls.with_details().where(
            cls.site_id == site_id,
            cls.component == ident[:300],
            cls.event.in_(events),
            cls.at >= since,
        )
        return list(query.order_by(cls.seq))

    @classmethod
    def tally(cls, *conditions: Any) -> list[Tally]:
        """Count the entries that meet all conditions by site, event and error code."""
        error_code = (
            fn.json_extract_path_text(cls.body.cast("json"), "facts", "error_code")
            if is_postgres()
            else fn.json_extract(cls.body, "$.facts.error_code")
        )
        groups = (cls.site_id, cls.event, error_code.alias("error_code"))
        bounds = (
            fn.COUNT(cls.seq).alias("entries"),
            fn.MIN(cls.seq).alias("begins"),
            fn.MAX(cls.seq).alias("ends"),
        )
        # By position: PostgreSQL does not see that an expression with parameters is the same.
        by_position = (SQL("1"), SQL("2"), SQL("3"))
        counted = cls.select(*groups, *bounds).where(*conditions).group_by(*by_position)
        entry, tally = cls.alias(), counted.alias("tally")
        query = entry.select(entry, tally.c.error_code, tally.c.entries, tally.c.ends)
        query = query.join(tally, on=entry.seq.in_([tally.c.begins, tally.c.ends]))
        first: dict[tuple[Any, ...], Any] = {}
        found = []
        rows: Any = query.order_by(entry.seq).objects()
        for row in rows:
            about = (row.site_id, row.event, row.error_code or "")
            begins = first.setdefault(about, row)
            if row.seq == row.ends:
                found.append(Tally(*about, row.entries, begins, row))
        return found

    @classmethod
    def stream_with_details(cls, *conditions: Any) -> Iterator[AuditEntry]:
        """Yield the entries that meet all conditions, oldest first, each with its details.

        Only one batch of them is in memory at a time.
        """
        query, after = cls.with_details(), 0
        while True:
            entries = list(
                query.where(cls.seq > after, *conditions).order_by(cls.seq).limit(_STREAMED_AT_ONCE)
            )
            yield from entries
            if len(entries) < _STREAMED_AT_ONCE:
                return
            after = entries[-1].seq


_HASH = Statement(AuditEntry.select(AuditEntry.hash).where(AuditEntry.seq == given(AuditEntry.seq)))


class Day(BaseModel):
    """The range of entries of one day (UTC), for searching by time.

    It follows from the chain and can be rebuilt.
    """

    day = CharField(max_length=10, primary_key=True)
    first_seq = BigIntegerField()
    last_seq = BigIntegerField()

    class Meta:
        table_name = "audit_day"


# Verification.state
RUNNING = "running"
WHOLE = "whole"
BROKEN = "broken"
ABANDONED = "abandoned"
OPEN = (QUEUED, RUNNING)


class Verification(QueuedRow):
    """A verification of the whole audit log, from the request to the result.

    `entries` of `total` were read. A failed one is shown to owners on every page until it is
    dismissed.
    """

    open_states = OPEN
    working_since = "heartbeat_at"

    started_at = UtcField(null=True)
    heartbeat_at = UtcField(null=True)
    entries = BigIntegerField(default=0)
    total = BigIntegerField(default=0)
    checkpoints = IntegerField(default=0)
    head = CharField(max_length=64, default="")
    broken_at = BigIntegerField(null=True)
    reason = CharField(max_length=300, default="")
    seen_by = CharField(max_length=120, default="")
    seen_at = UtcField(null=True)

    def see(self, *, by: str, now: datetime) -> bool:
        """Acknowledge the result; return False if it was acknowledged, or nothing was found."""
        return self.update_if(
            Verification.state == BROKEN,
            Verification.seen_at.is_null(),
            seen_by=by[:120],
            seen_at=now,
        )

    @classmethod
    def open(cls) -> Verification | None:
        return cls.get_or_none(cls.state.in_(OPEN))

    @classmethod
    def latest(cls) -> Verification | None:
        return cls.select().order_by(cls.id.desc()).first()

    @classmethod
    def latest_ended(cls) -> Verification | None:
        return cls.select().where(cls.state.not_in(OPEN)).order_by(cls.id.desc()).first()

    @classmethod
    def is_unseen(cls) -> Any:
        """Return the condition for a failed verification that no one has acknowledged."""
        return (cls.state == BROKEN) & cls.seen_at.is_null()


# If two are requested at once, the database keeps one.
Verification.add_index(
    Verification.index(
        Verification.state,
        unique=True,
        where=Verification.state == QUEUED,
        name="verification_one_queued",
    )
)
