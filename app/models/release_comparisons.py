"""What the new version of a plugin or theme changes, found once for each pair of packages."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from peewee import JOIN, AutoField, CharField, Tuple, chunked

from app.models.base import JsonField, UtcField, json_rows
from app.models.changes import PROPOSED, Change
from app.models.file_checks import ComparedComponent
from app.models.packages import KnownPackage
from app.models.queued_row import LeasedRow

# ReleaseComparison.state
WAITING = "waiting"
DONE = "done"
FAILED = "failed"

_KEYS_AT_ONCE = 50


class ReleaseComparison(LeasedRow):
    """The comparison of the packages of two versions.

    `to_sha256` is the package of the new version that the plans name. `from_sha256` is what
    WordPress.org has as the old version, known once it was downloaded. `problem` is why they could
    not be compared, yet or at all. `findings` are what app/release_contents.py returns, `warnings`
    the codes of what a person has to judge in them.
    """

    id = AutoField()
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    from_version = CharField(max_length=64)
    to_version = CharField(max_length=64)
    to_sha256 = CharField(max_length=64)
    from_sha256 = CharField(max_length=64, default="")
    state = CharField(max_length=16, default=WAITING)
    requested_at = UtcField(index=True)
    next_attempt_at = UtcField(null=True, index=True)
    compared_at = UtcField(null=True)
    problem = CharField(max_length=40, default="")
    findings = JsonField(default=dict)
    warnings = CharField(max_length=100, default="")

    class Meta:
        indexes = ((("kind", "ident", "from_version", "to_sha256"), True),)

    @classmethod
    def find(
        cls, kind: str, ident: str, from_version: str, to_sha256: str
    ) -> ReleaseComparison | None:
        """Return the comparison of a version with this package, if it was requested."""
        return cls.fetch_one(kind=kind, ident=ident, from_version=from_version, to_sha256=to_sha256)

    def retry(self, failed_before: datetime, now: datetime) -> bool:
        """Let it be compared again if it failed before that time; return whether it did."""
        is_old = ReleaseComparison.compared_at < failed_before
        again = {"state": WAITING, "attempts": 0, "requested_at": now, "next_attempt_at": now}
        return self.update_if(ReleaseComparison.state == FAILED, is_old, **again)

    @classmethod
    def find_all(cls, keys: Collection[tuple[str, str, str, str]]) -> list[ReleaseComparison]:
        """Return those of the keys of `find` that were requested."""
        found: list[ReleaseComparison] = []
        for some in chunked(sorted(set(keys)), _KEYS_AT_ONCE):
            key = Tuple(cls.kind, cls.ident, cls.from_version, cls.to_sha256)
            found.extend(cls.select().where(key.in_([Tuple(*one) for one in some])))
        return found

    @classmethod
    def beside_package(
        cls,
        kind: str,
        ident: str,
        from_version: str,
        to_sha256: str,
        *,
        version: str,
        host: str,
        site_id: int,
    ) -> tuple[KnownPackage, ReleaseComparison | None, ComparedComponent | None] | None:
        """Return the package of a version, the comparison, and how the files on a site differ.

        In one query; None if the package is not known.
        """
        package = KnownPackage
        is_compared = (
            (cls.kind == package.kind)
            & (cls.ident == package.ident)
            & (cls.from_version == from_version)
            & (cls.to_sha256 == to_sha256)
        )
        files = ComparedComponent.nested_of(site_id, kind, ident).alias("files")
        found = (
            package.select(package, cls, files)
            .join(cls, JOIN.LEFT_OUTER, on=is_compared, attr="comparison")
            .where(package.kind == kind, package.ident == ident)
            .where(package.version == version, package.host == host)
            .first()
        )
        if found is None:
            return None
        compared = next(iter(ComparedComponent.read_nested(found.files)), None)
        return found, getattr(found, "comparison", None), compared

    @classmethod
    def nested_warned(cls) -> Any:
        """Return the proposals of rules whose releases have warnings, as one column of a query.

        `read_warned` reads it. The plan of a proposal names the package.
        """
        same = (
            (cls.kind == Change.kind)
            & (cls.ident == Change.ident)
            & (cls.from_version == Change.from_version)
            & (cls.warnings != "")
            & Change.document.contains(cls.to_sha256)
        )
        columns = (Change.id, cls.warnings)
        is_open = (Change.state == PROPOSED) & Change.rule.is_null(False)
        return Change.select(json_rows(columns)).join(cls, on=same).where(is_open)

    @classmethod
    def read_warned(cls, column: str | None) -> dict[int, tuple[str, ...]]:
        """Return the codes of the warnings in a column of `nested_warned`, by id of the change."""
        return {
            change_id: tuple(codes.split(",")) for change_id, codes in json.loads(column or "[]")
        }

    @classmethod
    def packages_of(cls, kind: str, ident: str, version: str) -> list[str]:
        """Return the hashes of what was downloaded as this version, as the old one of a pair."""
        query: Any = cls.select(cls.from_sha256).distinct()
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.from_version == version)
        return [sha256 for (sha256,) in query.where(same, cls.from_sha256 != "").tuples()]

    @classmethod
    def make_due(cls, to_sha256: str, now: datetime) -> list[int]:
        """Let those that wait for this package be compared now; return their ids."""
        is_waiting = (cls.to_sha256 == to_sha256) & (cls.state == WAITING)
        cls.update(next_attempt_at=now).where(is_waiting).execute()
        query: Any = cls.select(cls.id).where(is_waiting).order_by(cls.id)
        return [number for (number,) in query.tuples()]

    @classmethod
    def due(cls, now: datetime) -> Iterable[int]:
        """Return the ids of those to be compared now."""
        return [row.id for row in cls.overdue((WAITING,), now)]

    def move(self, to: str, **changes: Any) -> bool:
        """Record the end of a comparison; return False if it has ended already."""
        done = {"next_attempt_at": None, "leased_until": None}
        return self.update_if(ReleaseComparison.state == WAITING, state=to, **done, **changes)

    def note_attempt(self, problem: str, next_attempt_at: datetime) -> None:
        """Record why it is not compared yet, and when that is tried again."""
        when = ReleaseComparison.state == WAITING
        self.update_if(when, problem=problem, next_attempt_at=next_attempt_at, leased_until=None)

    @classmethod
    def forget(cls, before: datetime) -> int:
        """Delete what was requested before that time; return how many."""
        return cls.delete().where(cls.requested_at < before).execute()
