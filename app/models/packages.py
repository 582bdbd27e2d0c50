"""Packages that Aura or a site has seen: the first bytes of each version count."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, BooleanField, CharField, ForeignKeyField, IntegerField

from app.models.base import BaseModel, UtcField
from app.models.sites import Site


class KnownPackage(BaseModel):
    """The package of one version of a plugin or theme from one host, as it was seen first.

    `site` is the first site that reported it. `checked_at` is when Aura downloaded the same bytes
    itself. `is_disputed` is set while other bytes of the same version need a person: nothing
    installs the version until then.
    """

    id = AutoField()
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    version = CharField(max_length=64)
    host = CharField(max_length=259)
    sha256 = CharField(max_length=64)
    tree_sha256 = CharField(max_length=64)
    site = ForeignKeyField(Site, null=True, backref="+", on_delete="SET NULL")
    site_id: int | None
    first_seen_at = UtcField()
    checked_at = UtcField(null=True)
    size = IntegerField(default=0)
    files = IntegerField(default=0)
    is_disputed = BooleanField(default=False)

    class Meta:
        indexes = ((("kind", "ident", "version", "host"), True),)

    @classmethod
    def find(cls, kind: str, ident: str, version: str, host: str) -> KnownPackage | None:
        """Return the package of this version from this host, if it was seen."""
        return cls.get_or_none(
            cls.kind == kind, cls.ident == ident, cls.version == version, cls.host == host
        )

    @classmethod
    def is_version_disputed(cls, kind: str, ident: str, version: str) -> bool:
        """Whether other bytes of this version were seen, from whatever host."""
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.version == version)
        return cls.select().where(same, cls.is_disputed.in_((True,))).exists()

    def dispute(self) -> None:
        """Let nothing install this version until a person has judged it."""
        self.update_if(is_disputed=True)

    def note_checked(self, now: datetime, **measured: Any) -> None:
        """Record that Aura downloaded the same bytes."""
        self.update_if(checked_at=now, **measured)

    @classmethod
    def settle_version(cls, kind: str, ident: str, version: str) -> int:
        """Forget what was seen of a version, so that its next sight counts; return how many."""
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.version == version)
        return cls.delete().where(same).execute()
