"""Pages of a site that must still work after each update."""

from __future__ import annotations

from peewee import (
    AutoField,
    BooleanField,
    CharField,
    Database,
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


class Change(Frozen):
    id = AutoField()


class SitePage(Frozen):
    id = AutoField()
    site = ForeignKeyField(Site, on_delete="CASCADE")
    path = CharField(max_length=500)
    phrase = CharField(max_length=200)
    selector = CharField(max_length=200)
    form_action = CharField(max_length=300)
    status = IntegerField()
    no_notice = BooleanField()
    looked_at = UtcField(null=True)
    result = TextField()

    class Meta:
        indexes = ((("site", "path"), True),)


class PageRound(Frozen):
    site = ForeignKeyField(Site, primary_key=True, on_delete="CASCADE")
    requested_at = UtcField()
    ended_at = UtcField(null=True)
    suggestions = TextField()


class ChangePages(Frozen):
    change = ForeignKeyField(Change, primary_key=True, on_delete="CASCADE")
    before = TextField()
    results = TextField()
    asks = BooleanField()
    judged_by = CharField(max_length=120)
    judged_at = UtcField(null=True)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([SitePage, PageRound, ChangePages]):
        db.create_tables([SitePage, PageRound, ChangePages])
