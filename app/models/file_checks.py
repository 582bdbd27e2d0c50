"""How the files of each site compare with their releases, as the site found it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from peewee import JOIN, AutoField, BooleanField, CharField, ForeignKeyField, IntegerField, fn

from app.models.base import BaseModel, JsonField, UtcField
from app.models.clients import Client
from app.models.sites import Site
from app.models.visibility import Visibility

# ComparedComponent.state: no difference that matters; one that no one has accepted; one that a
# person has accepted; and nothing to compare with.
SAME = "same"
DIFFERENT = "different"
ACCEPTED = "accepted"
NOT_COMPARED = "not_compared"
# ComparedComponent.compared_with
NOTHING = "nothing"
# Of these kinds no release is known. They are listed, and a new or changed one counts.
UNRELEASED_KINDS = ("mu_plugin", "dropin")


class SiteFileCheck(BaseModel):
    """When a site last compared its files, and what of the result is not accepted.

    `open_since` is when the newest of the open differences was found. `open_names` names the first
    components with some. `is_urgent`: one is in WordPress, a must-use plugin or a drop-in, where no
    one edits files by hand, or is a program that does not belong to its release.
    """

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    checked_at = UtcField()
    open_count = IntegerField(default=0, index=True)
    open_since = UtcField(null=True)
    open_names = CharField(max_length=300, default="")
    is_urgent = BooleanField(default=False)

    @classmethod
    def of_site(cls, site_id: int) -> SiteFileCheck | None:
        return cls.get_or_none(cls.site == site_id)

    @classmethod
    def confirm(cls, site_id: int, checked_at: datetime) -> None:
        """Record that a later check found the same."""
        is_older = (cls.site == site_id) & (cls.checked_at < checked_at)
        cls.update(checked_at=checked_at).where(is_older).execute()

    @classmethod
    def store(cls, site_id: int, **columns: Any) -> None:
        query = cls.insert(site=site_id, **columns)
        preserved = [getattr(cls, name) for name in columns]
        query.on_conflict(conflict_target=[cls.site], preserve=preserved).execute()

    @classmethod
    def is_open(cls) -> Any:
        """Return the SQL condition that a connected site has differences that need a person."""
        return (cls.open_count > 0) & cls.site.in_(Site.select(Site.id).where(Site.is_connected()))

    @classmethod
    def with_open_ones(cls) -> Any:
        """Return the query for the ids of these sites."""
        return cls.select(cls.site).where(cls.is_open())


class ComparedComponent(BaseModel):
    """WordPress, a plugin, a theme, a must-use plugin or a drop-in of a site, and its differences.

    At most 50 names of files are kept, all are counted; `soft` are texts for readers. While files
    cannot be compared, `reason` is why, and what was found in the same version before is kept.
    `fingerprint` is the site's digest of all differences, empty without any; `found_at` is when it
    was seen first. An acceptance is for one version and one fingerprint.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="+", index=False, on_delete="CASCADE")
    site_id: int
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    version = CharField(max_length=64)
    compared_with = CharField(max_length=16)
    reason = CharField(max_length=32, default="")
    changed = IntegerField(default=0)
    missing = IntegerField(default=0)
    unknown = IntegerField(default=0)
    soft = IntegerField(default=0)
    changed_files = JsonField(default=list)
    missing_files = JsonField(default=list)
    unknown_files = JsonField(default=list)
    fingerprint = CharField(max_length=64, default="")
    found_at = UtcField()
    state = CharField(max_length=16)
    accepted_version = CharField(max_length=64, default="")
    accepted_fingerprint = CharField(max_length=64, default="")
    accepted_at = UtcField(null=True)
    accepted_by = CharField(max_length=120, default="")
    accepted_because = CharField(max_length=500, default="")

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)

    @property
    def differences(self) -> int:
        """Return the number of files with differences that matter."""
        return int(self.changed + self.missing + self.unknown)

    @property
    def is_accepted(self) -> bool:
        """Whether a person has accepted exactly these differences of this version."""
        return bool(self.fingerprint) and (self.version, self.fingerprint) == (
            self.accepted_version,
            self.accepted_fingerprint,
        )

    @classmethod
    def of_site(cls, site_id: int) -> list[ComparedComponent]:
        """Return the components of a site: those with open differences first, then by name."""
        rank = {DIFFERENT: 0, ACCEPTED: 1, NOT_COMPARED: 2}
        rows = list(cls.select().where(cls.site == site_id))
        return sorted(rows, key=lambda one: (rank.get(one.state, 3), one.name.lower(), one.ident))

    @classmethod
    def nested_of(cls, site_id: int, kind: str, ident: str) -> Any:
        """Return one component of a site as a column of another query, for `read_nested`."""
        return cls.nested((cls.site == site_id) & (cls.kind == kind) & (cls.ident == ident))

    @classmethod
    def everywhere(cls, visible: Visibility) -> Iterator[ComparedComponent]:
        """Yield the components of visible connected sites with differences, by site and name."""
        columns = (cls, Site.id, Site.name, Site.url, Client.name)
        query = cls.select(*columns).join(Site).join(Client, JOIN.LEFT_OUTER)
        query = query.where(
            cls.state.in_((DIFFERENT, ACCEPTED)), Site.is_connected(), visible.in_sql(Site.client)
        )
        order = (fn.LOWER(Site.name), Site.id, fn.LOWER(cls.name), cls.id)
        yield from query.order_by(*order).iterator()

    def accept(self, *, by: str, because: str, now: datetime) -> bool:
        """Accept the differences as they were read; return False if they are others by now."""
        return self.update_if(
            (ComparedComponent.fingerprint == self.fingerprint)
            & (ComparedComponent.version == self.version)
            & (ComparedComponent.state == DIFFERENT),
            state=ACCEPTED,
            accepted_version=self.version,
            accepted_fingerprint=self.fingerprint,
            accepted_at=now,
            accepted_by=by,
            accepted_because=because,
        )

    def withdraw(self) -> bool:
        """Let the accepted differences count again; return False if none were accepted."""
        return self.update_if(
            ComparedComponent.state == ACCEPTED,
            state=DIFFERENT,
            accepted_version="",
            accepted_fingerprint="",
            accepted_at=None,
            accepted_by="",
            accepted_because="",
        )
