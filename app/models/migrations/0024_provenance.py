"""Changes of where plugins and themes come from."""

from __future__ import annotations

from peewee import AutoField, CharField, CompositeKey, Database, ForeignKeyField, Model
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    id = AutoField()


class ProvenanceChange(Frozen):
    id = AutoField()
    kind = CharField(max_length=16)
    slug = CharField(max_length=300)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    what = CharField(max_length=16)
    parts = JsonField()
    seen_at = UtcField()
    accepted_at = UtcField(null=True)
    accepted_by = CharField(max_length=120)
    reason = CharField(max_length=500)

    class Meta:
        indexes = ((("kind", "slug"), False),)


class ProvenanceSite(Frozen):
    change = ForeignKeyField(ProvenanceChange, index=False, on_delete="CASCADE")
    site = ForeignKeyField(Site, on_delete="CASCADE")

    class Meta:
        primary_key = CompositeKey("change", "site")


TABLES = (ProvenanceChange, ProvenanceSite)


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrate(
        migrator.add_column("directory_entry", "known_contributors", JsonField(null=True)),
        migrator.add_column("software_source", "hosts", JsonField(null=True)),
    )
    with db.bind_ctx(TABLES):
        db.create_tables(TABLES)
