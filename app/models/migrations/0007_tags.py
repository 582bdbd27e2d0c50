"""Tags on sites, and standing approvals that cover sites by them."""

from __future__ import annotations

from peewee import CharField, Database, ForeignKeyField, Model
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField


class Site(Model):
    """Only what a foreign key has to know of it."""

    class Meta:
        legacy_table_names = False


class SiteTag(Model):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    text = CharField(max_length=30)
    folded = CharField(max_length=90, index=True)

    class Meta:
        legacy_table_names = False
        indexes = ((("site", "folded"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Site, SiteTag]):
        db.create_tables([SiteTag])
    migrator.migrate(migrator.add_column("policy", "tags", JsonField(default=list)))
