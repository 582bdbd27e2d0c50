"""Known vulnerabilities of what the sites have, and where they come from.

A feed has a number, which each import raises. Rows of an older number are no longer in the feed;
they are deleted when no site's result refers to them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from peewee import (
    AutoField,
    CharField,
    CompositeKey,
    FloatField,
    ForeignKeyField,
    IntegerField,
    TextField,
    chunked,
)

from app.models.base import BaseModel, JsonField, UtcField
from app.models.only_row import SettingsRow

_ROWS_AT_ONCE = 50
# Each attempt waits longer: the sixth is made a day and a half after the first.
_FAILING_AFTER = 6

# VulnerabilityFeed.source
WORDFENCE = "wordfence"
FILE = "file"

# Vulnerability.rating, the worst first.
RATINGS = ("critical", "high", "medium", "low", "none", "")


class VulnerabilityFeed(SettingsRow):
    """The key and the state of the feed: one row, once an owner has set anything.

    `number` counts imports. `digest` is the SHA-256 of the imported file, in which `records` were
    counted, `kept` were about the fleet, and `unreadable` were left out. `problem` is why the last
    attempt failed, since `problem_since`, and empty if it succeeded. `uploaded_at` is set while an
    uploaded file waits, `reread_at` while the kept file has to be read again, and `leased_until`
    while a job works on either.
    """

    key_sealed = TextField(null=True)
    number = IntegerField(default=0)
    source = CharField(max_length=16, default="")
    imported_at = UtcField(null=True)
    checked_at = UtcField(null=True)
    digest = CharField(max_length=64, default="")
    records = IntegerField(default=0)
    kept = IntegerField(default=0)
    unreadable = IntegerField(default=0)
    etag = CharField(max_length=200, default="")
    next_fetch_at = UtcField(null=True)
    attempts = IntegerField(default=0)
    problem = CharField(max_length=32, default="")
    problem_detail = CharField(max_length=300, default="")
    problem_since = UtcField(null=True)
    uploaded_at = UtcField(null=True)
    reread_at = UtcField(null=True)
    leased_until = UtcField(null=True)

    @property
    def has_data(self) -> bool:
        return self.number > 0

    @classmethod
    def is_failing(cls) -> Any:
        """Return the condition that the key brought nothing for more than a day."""
        is_on = cls.key_sealed.is_null(False)
        return is_on & (cls.problem != "") & (cls.attempts >= _FAILING_AFTER)

    @classmethod
    def claim(cls, now: datetime, lease: timedelta) -> bool:
        """Take the right to work on the feed; False if another job has it."""
        is_free = cls.leased_until.is_null() | (cls.leased_until <= now)
        query = cls.update(leased_until=now + lease).where(cls.is_the_row(), is_free)
        return bool(query.execute())


class CoveredSoftware(BaseModel):
    """A plugin or theme by its slug that the last import looked for."""

    kind = CharField(max_length=16)
    slug = CharField(max_length=300)

    class Meta:
        primary_key = CompositeKey("kind", "slug")

    @classmethod
    def replace_all(cls, names: Iterable[tuple[str, str]]) -> None:
        cls.delete().execute()
        cls.insert_all({"kind": kind, "slug": slug} for kind, slug in names)

    @classmethod
    def among(cls, slugs: Collection[str]) -> set[tuple[str, str]]:
        """Return those of these slugs that were looked for, with their kinds."""
        found: set[tuple[str, str]] = set()
        for some in chunked(sorted(slugs), 10 * _ROWS_AT_ONCE):
            rows: Any = cls.select(cls.kind, cls.slug).where(cls.slug.in_(some)).tuples()
            found.update(rows)
        return found


class Vulnerability(BaseModel):
    """A record of a feed that is about software of the fleet.

    `rank` sorts by severity: the position of `rating` in RATINGS.
    """

    id = AutoField()
    record_id = CharField(max_length=64, unique=True)
    feed = IntegerField()
    title = CharField(max_length=300)
    cve = CharField(max_length=32, default="")
    score = FloatField(null=True)
    rating = CharField(max_length=16, default="")
    rank = IntegerField()
    references = JsonField(default=list, column_name="links")
    published_at = UtcField(null=True)
    updated_at = UtcField(null=True)
    notices = JsonField(default=list)

    @property
    def address(self) -> str:
        """Return the address of the record, which the license asks to link; empty if unknown."""
        return next(iter(self.references), "")

    @classmethod
    def store(cls, rows: list[dict[str, Any]]) -> dict[str, int]:
        """Insert or update rows by record id, and return their ids by record id."""
        kept = [field for name, field in cls.columns().items() if name not in ("id", "record_id")]
        for some in chunked(rows, _ROWS_AT_ONCE):
            query = cls.insert_many(some)
            query.on_conflict(conflict_target=[cls.record_id], preserve=kept).execute()
        names = [row["record_id"] for row in rows]
        found: Any = cls.select(cls.record_id, cls.id).where(cls.record_id.in_(names)).tuples()
        return dict(found)


class VulnerableSoftware(BaseModel):
    """Which versions of one plugin, theme or WordPress a vulnerability affects.

    `ranges` are lists of from, whether inclusive, to, whether inclusive.
    """

    id = AutoField()
    vulnerability = ForeignKeyField(Vulnerability, backref="+", on_delete="CASCADE")
    vulnerability_id: int
    feed = IntegerField()
    kind = CharField(max_length=16)
    slug = CharField(max_length=300)
    name = CharField(max_length=300)
    ranges = JsonField()
    patched = JsonField()
    remediation = CharField(max_length=300, default="")

    class Meta:
        indexes = (
            (("vulnerability", "kind", "slug"), True),
            (("slug", "kind"), False),
        )

    @classmethod
    def store(cls, rows: list[dict[str, Any]]) -> None:
        """Insert or update rows by vulnerability, kind and slug. Their ids stay."""
        key = [cls.vulnerability, cls.kind, cls.slug]
        names = ("id", "vulnerability", "kind", "slug")
        kept = [field for name, field in cls.columns().items() if name not in names]
        for some in chunked(rows, _ROWS_AT_ONCE):
            cls.insert_many(some).on_conflict(conflict_target=key, preserve=kept).execute()

    @classmethod
    def of_slugs(cls, slugs: Collection[str]) -> list[VulnerableSoftware]:
        """Return the rows about these slugs in the present feed, each with its vulnerability."""
        is_present = cls.feed.in_(VulnerabilityFeed.select(VulnerabilityFeed.number))
        found: list[VulnerableSoftware] = []
        for some in chunked(sorted(slugs), 10 * _ROWS_AT_ONCE):
            query = cls.select(cls, Vulnerability).join(Vulnerability)
            found.extend(query.where(cls.slug.in_(some), is_present))
        return found
