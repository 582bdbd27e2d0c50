"""What new versions of plugins and themes change."""

from __future__ import annotations

from peewee import AutoField, CharField, Database, IntegerField, Model, TextField
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


class ReleaseComparison(Model):
    id = AutoField()
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    from_version = CharField(max_length=64)
    to_version = CharField(max_length=64)
    to_sha256 = CharField(max_length=64)
    from_sha256 = CharField(max_length=64)
    state = CharField(max_length=16)
    requested_at = UtcField(index=True)
    next_attempt_at = UtcField(null=True, index=True)
    leased_until = UtcField(null=True)
    attempts = IntegerField()
    compared_at = UtcField(null=True)
    problem = CharField(max_length=40)
    findings = TextField()

    class Meta:
        legacy_table_names = False
        indexes = ((("kind", "ident", "from_version", "to_sha256"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([ReleaseComparison]):
        db.create_tables([ReleaseComparison])
