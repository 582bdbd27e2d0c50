"""Known vulnerabilities: the feed, its records about the fleet, and the results of each site."""

from __future__ import annotations

from peewee import (
    AutoField,
    BooleanField,
    CharField,
    CompositeKey,
    Database,
    FloatField,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    id = AutoField()


class VulnerabilityFeed(Frozen):
    id = IntegerField(primary_key=True)
    key_sealed = TextField(null=True)
    number = IntegerField()
    source = CharField(max_length=16)
    imported_at = UtcField(null=True)
    checked_at = UtcField(null=True)
    digest = CharField(max_length=64)
    records = IntegerField()
    kept = IntegerField()
    unreadable = IntegerField()
    etag = CharField(max_length=200)
    next_fetch_at = UtcField(null=True)
    attempts = IntegerField()
    problem = CharField(max_length=32)
    problem_detail = CharField(max_length=300)
    problem_since = UtcField(null=True)
    uploaded_at = UtcField(null=True)
    reread_at = UtcField(null=True)
    leased_until = UtcField(null=True)


class CoveredSoftware(Frozen):
    kind = CharField(max_length=16)
    slug = CharField(max_length=300)

    class Meta:
        primary_key = CompositeKey("kind", "slug")


class Vulnerability(Frozen):
    id = AutoField()
    record_id = CharField(max_length=64, unique=True)
    feed = IntegerField()
    title = CharField(max_length=300)
    cve = CharField(max_length=32)
    score = FloatField(null=True)
    rating = CharField(max_length=16)
    rank = IntegerField()
    references = TextField(column_name="links")
    published_at = UtcField(null=True)
    updated_at = UtcField(null=True)
    notices = TextField()


class VulnerableSoftware(Frozen):
    id = AutoField()
    vulnerability = ForeignKeyField(Vulnerability, on_delete="CASCADE")
    feed = IntegerField()
    kind = CharField(max_length=16)
    slug = CharField(max_length=300)
    name = CharField(max_length=300)
    ranges = TextField()
    patched = TextField()
    remediation = CharField(max_length=300)

    class Meta:
        indexes = (
            (("vulnerability", "kind", "slug"), True),
            (("slug", "kind"), False),
        )


class VulnerabilityCheck(Frozen):
    site = ForeignKeyField(Site, primary_key=True, on_delete="CASCADE")
    report_digest = CharField(max_length=64)
    feed = IntegerField()


class SiteVulnerability(Frozen):
    id = AutoField()
    site = ForeignKeyField(Site, index=False, on_delete="CASCADE")
    software = ForeignKeyField(VulnerableSoftware, on_delete="CASCADE")
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    version = CharField(max_length=300)
    is_active = BooleanField()
    state = CharField(max_length=16)
    fixed_in = CharField(max_length=64)
    found_at = UtcField()

    class Meta:
        indexes = (
            (("site", "software", "ident"), True),
            (("kind", "ident"), False),
        )


def up(migrator: SchemaMigrator, db: Database) -> None:
    tables = [
        VulnerabilityFeed,
        CoveredSoftware,
        Vulnerability,
        VulnerableSoftware,
        VulnerabilityCheck,
        SiteVulnerability,
    ]
    with db.bind_ctx(tables):
        db.create_tables(tables)
