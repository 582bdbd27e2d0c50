"""What each side has seen of the other's log, the sites' logs as received, and alarms."""

from __future__ import annotations

from peewee import (
    BigIntegerField,
    CharField,
    CompositeKey,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    PostgresqlDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    """Only its name and key matter here."""


class TrailFrontier(Frozen):
    id = IntegerField(primary_key=True)
    size = BigIntegerField()
    hash = CharField(max_length=64)
    roots = TextField()


class SiteMark(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    log = CharField(max_length=36)
    day = CharField(max_length=10)
    n = BigIntegerField()
    hash = CharField(max_length=64)
    at = BigIntegerField()
    received_at = UtcField()
    body = TextField()
    signature = CharField(max_length=86)

    class Meta:
        primary_key = CompositeKey("site", "log", "day")


class AuditAnchor(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    day = CharField(max_length=10)
    n = BigIntegerField()
    hash = CharField(max_length=64)
    said_at = UtcField()

    class Meta:
        primary_key = CompositeKey("site", "day")


class SiteLog(Frozen):
    site = ForeignKeyField(Site, primary_key=True, on_delete="CASCADE")
    log = CharField(max_length=36)
    branch = IntegerField()
    n = BigIntegerField()
    hash = CharField(max_length=64)
    compared_n = BigIntegerField()
    read_at = UtcField(null=True)


class SiteEntry(Frozen):
    site = ForeignKeyField(Site, on_delete="RESTRICT")
    branch = IntegerField()
    seq = BigIntegerField()
    log = CharField(max_length=36)
    prev = CharField(max_length=64)
    body = TextField()
    hash = CharField(max_length=64)
    received_at = UtcField()

    class Meta:
        primary_key = CompositeKey("site", "branch", "seq")


class SentCall(Frozen):
    nonce = CharField(max_length=22, primary_key=True)
    site_id = IntegerField(index=True)
    op = CharField(max_length=32)
    at = UtcField(index=True)


class Alarm(Frozen):
    site = ForeignKeyField(Site, on_delete="RESTRICT")
    kind = CharField(max_length=24)
    key = CharField(max_length=100)
    evidence = JsonField()
    raised_at = UtcField(index=True)
    closed_at = UtcField(null=True)
    closed_by = CharField(max_length=120)
    closing_note = CharField(max_length=500)

    class Meta:
        indexes = ((("site", "kind", "key"), True),)


TABLES = [TrailFrontier, SiteMark, AuditAnchor, SiteLog, SiteEntry, SentCall, Alarm]

# As for the trail: `INSERT OR REPLACE` deletes without firing delete triggers, so the third one
# refuses every insert that is not behind all that there is.
SQLITE_GUARDS = (
    "CREATE TRIGGER site_entry_no_update BEFORE UPDATE ON site_entry"
    " BEGIN SELECT RAISE(ABORT, 'entries of a site are never changed'); END",
    "CREATE TRIGGER site_entry_no_delete BEFORE DELETE ON site_entry"
    " BEGIN SELECT RAISE(ABORT, 'entries of a site are never deleted'); END",
    "CREATE TRIGGER site_entry_behind_only BEFORE INSERT ON site_entry"
    " WHEN EXISTS (SELECT 1 FROM site_entry WHERE site_id = NEW.site_id"
    " AND branch = NEW.branch AND seq >= NEW.seq)"
    " BEGIN SELECT RAISE(ABORT, 'entries of a site are only added behind the last one'); END",
)
POSTGRES_GUARDS = (
    "CREATE FUNCTION site_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN RAISE EXCEPTION 'entries of a site are never changed or deleted'; END $$",
    "CREATE FUNCTION site_entry_behind_only() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN"
    " IF EXISTS (SELECT 1 FROM site_entry WHERE site_id = NEW.site_id"
    " AND branch = NEW.branch AND seq >= NEW.seq)"
    " THEN RAISE EXCEPTION 'entries of a site are only added behind the last one'; END IF;"
    " RETURN NEW; END $$",
    "CREATE TRIGGER site_entry_no_change BEFORE UPDATE OR DELETE ON site_entry"
    " FOR EACH ROW EXECUTE FUNCTION site_entry_refuse()",
    "CREATE TRIGGER site_entry_no_truncate BEFORE TRUNCATE ON site_entry"
    " FOR EACH STATEMENT EXECUTE FUNCTION site_entry_refuse()",
    "CREATE TRIGGER site_entry_behind_only BEFORE INSERT ON site_entry"
    " FOR EACH ROW EXECUTE FUNCTION site_entry_behind_only()",
    "ALTER TABLE site_entry ENABLE ALWAYS TRIGGER site_entry_no_change",
    "ALTER TABLE site_entry ENABLE ALWAYS TRIGGER site_entry_no_truncate",
    "ALTER TABLE site_entry ENABLE ALWAYS TRIGGER site_entry_behind_only",
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Site, *TABLES]):
        db.create_tables(TABLES)
    guards = POSTGRES_GUARDS if isinstance(db, PostgresqlDatabase) else SQLITE_GUARDS
    for statement in guards:
        db.execute_sql(statement)
