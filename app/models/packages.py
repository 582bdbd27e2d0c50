"""Packages that a site or Aura has seen: the first bytes of each version count."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, BooleanField, CharField, ForeignKeyField, IntegerField

from app.models.base import UtcField
from app.models.queued_row import LeasedRow
from app.models.sites import Site

# KnownPackage.state: whether Aura downloads it as well. It can do so from WordPress.org alone.
ELSEWHERE = "elsewhere"
UNCHECKED = "unchecked"
CHECKED = "checked"
REFUSED = "refused"


class KnownPackage(LeasedRow):
    """The package of one version of a component from one host, as it was seen first.

    `site` is the first site that reported it, and `path` its path on WordPress.org. Once Aura has
    downloaded it as well, the state is *checked*, or *refused* for a package that no plugin needs;
    `problem` is why, or why it could not be downloaded. `is_disputed` is set while other bytes of
    the same version need a person: nothing installs the version until then.
    """

    id = AutoField()
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    version = CharField(max_length=64)
    host = CharField(max_length=259)
    # Which of several packages of one version it is, where a version has several.
    variant = CharField(max_length=230, default="")
    sha256 = CharField(max_length=64)
    tree_sha256 = CharField(max_length=64)
    site = ForeignKeyField(Site, null=True, backref="+", on_delete="SET NULL")
    site_id: int | None
    first_seen_at = UtcField()
    is_disputed = BooleanField(default=False)

    path = CharField(max_length=230, default="")
    state = CharField(max_length=16, default=ELSEWHERE)
    next_attempt_at = UtcField(null=True, index=True)
    checked_at = UtcField(null=True)
    problem = CharField(max_length=40, default="")
    size = IntegerField(default=0)
    files = IntegerField(default=0)

    class Meta:
        indexes = ((("kind", "ident", "version", "host", "variant"), True),)

    @classmethod
    def of_version(cls, kind: str, ident: str, version: str, host: str) -> list[KnownPackage]:
        """Return the packages of this version that were seen from this host, the newest first."""
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.version == version)
        return list(cls.select().where(same, cls.host == host).order_by(cls.id.desc()))

    @classmethod
    def hosts_of(cls, kind: str, ident: str) -> list[str]:
        """Return the hosts that packages of a plugin or theme came from, the newest first."""
        query = cls.select(cls.host).where(cls.kind == kind, cls.ident == ident)
        return list(dict.fromkeys(row.host for row in query.order_by(cls.id.desc())))

    @classmethod
    def stopped_version(cls, kind: str, ident: str, version: str) -> KnownPackage | None:
        """Return a package of this version that is disputed or refused, from whatever host."""
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.version == version)
        is_stopped = cls.is_disputed.in_((True,)) | (cls.state == REFUSED)
        return cls.get_or_none(same, is_stopped)

    @classmethod
    def due_checks(cls, now: datetime) -> list[int]:
        """Return the ids of packages that Aura has to download now."""
        return [row.id for row in cls.overdue((UNCHECKED,), now)]

    def move(self, to: str, **changes: Any) -> bool:
        """Record what Aura's own download has shown; return False if it is known already."""
        when = KnownPackage.state == UNCHECKED
        done = {"next_attempt_at": None, "leased_until": None}
        return self.update_if(when, state=to, **done, **changes)

    def note_attempt(self, problem: str, next_attempt_at: datetime | None) -> None:
        """Record why it could not be downloaded, and when that is tried again."""
        when = KnownPackage.state == UNCHECKED
        self.update_if(when, problem=problem, next_attempt_at=next_attempt_at, leased_until=None)

    def dispute(self) -> None:
        """Let nothing install this version until a person has judged it."""
        self.update_if(is_disputed=True)

    @classmethod
    def settle_version(cls, kind: str, ident: str, version: str) -> int:
        """Forget what was seen of a version, so that its next sight counts; return how many."""
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.version == version)
        return cls.delete().where(same).execute()
