"""Refusals are counted by who is refused and from where."""

from __future__ import annotations

from peewee import CharField, CompositeKey, Database, IntegerField, Model
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


class RefusalCount(Model):
    event = CharField(max_length=40)
    source = CharField(max_length=120)
    began_at = UtcField(index=True)
    written = IntegerField()
    suppressed = IntegerField()
    actor = CharField(max_length=40)
    ip = CharField(max_length=45)

    class Meta:
        legacy_table_names = False
        primary_key = CompositeKey("event", "source")


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([RefusalCount]):
        db.create_tables([RefusalCount])
