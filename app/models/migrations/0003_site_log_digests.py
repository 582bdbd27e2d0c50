"""Runs of routine entries of a site's log of which only the digests are kept.

An entry may be deleted once a run contains its digest; the guard of the table allows no other
deletion.
"""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    BlobField,
    CompositeKey,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    PostgresqlDatabase,
)
from playhouse.migrate import SchemaMigrator, migrate

_IN_RUN = (
    "EXISTS (SELECT 1 FROM site_log_digests WHERE site_id = OLD.site_id"
    " AND branch = OLD.branch AND OLD.seq BETWEEN first AND last)"
)
_OVERLAPS = (
    "EXISTS (SELECT 1 FROM site_log_digests WHERE site_id = NEW.site_id"
    " AND branch = NEW.branch AND last >= NEW.first)"
)
# `INSERT OR REPLACE` deletes without firing delete triggers, so the last one refuses every run that
# is not behind all others.
_SQLITE = (
    "DROP TRIGGER site_log_entry_no_delete",
    "CREATE TRIGGER site_log_entry_no_delete BEFORE DELETE ON site_log_entry"
    f" WHEN NOT {_IN_RUN}"
    " BEGIN SELECT RAISE(ABORT, 'entries of a site are never deleted'); END",
    "CREATE TRIGGER site_log_digests_no_update BEFORE UPDATE ON site_log_digests"
    " BEGIN SELECT RAISE(ABORT, 'digests of entries are never changed'); END",
    "CREATE TRIGGER site_log_digests_no_delete BEFORE DELETE ON site_log_digests"
    " BEGIN SELECT RAISE(ABORT, 'digests of entries are never deleted'); END",
    "CREATE TRIGGER site_log_digests_behind_only BEFORE INSERT ON site_log_digests"
    f" WHEN {_OVERLAPS}"
    " BEGIN SELECT RAISE(ABORT, 'digests of entries are only added behind the last ones'); END",
)
_POSTGRES = (
    "DROP TRIGGER site_log_entry_no_change ON site_log_entry",
    "CREATE FUNCTION site_log_entry_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$"
    f" BEGIN IF NOT {_IN_RUN}"
    " THEN RAISE EXCEPTION 'entries of a site are never deleted'; END IF; RETURN OLD; END $$",
    "CREATE TRIGGER site_log_entry_no_update BEFORE UPDATE ON site_log_entry"
    " FOR EACH ROW EXECUTE FUNCTION site_log_entry_refuse()",
    "CREATE TRIGGER site_log_entry_no_delete BEFORE DELETE ON site_log_entry"
    " FOR EACH ROW EXECUTE FUNCTION site_log_entry_refuse_delete()",
    "CREATE FUNCTION site_log_digests_behind_only() RETURNS trigger LANGUAGE plpgsql AS $$"
    f" BEGIN IF {_OVERLAPS} THEN RAISE EXCEPTION"
    " 'digests of entries are only added behind the last ones'; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER site_log_digests_no_change BEFORE UPDATE OR DELETE ON site_log_digests"
    " FOR EACH ROW EXECUTE FUNCTION site_log_entry_refuse()",
    "CREATE TRIGGER site_log_digests_no_truncate BEFORE TRUNCATE ON site_log_digests"
    " FOR EACH STATEMENT EXECUTE FUNCTION site_log_entry_refuse()",
    "CREATE TRIGGER site_log_digests_behind_only BEFORE INSERT ON site_log_digests"
    " FOR EACH ROW EXECUTE FUNCTION site_log_digests_behind_only()",
    "ALTER TABLE site_log_entry ENABLE ALWAYS TRIGGER site_log_entry_no_update",
    "ALTER TABLE site_log_entry ENABLE ALWAYS TRIGGER site_log_entry_no_delete",
    "ALTER TABLE site_log_digests ENABLE ALWAYS TRIGGER site_log_digests_no_change",
    "ALTER TABLE site_log_digests ENABLE ALWAYS TRIGGER site_log_digests_no_truncate",
    "ALTER TABLE site_log_digests ENABLE ALWAYS TRIGGER site_log_digests_behind_only",
)


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    id = AutoField()


class SiteLogDigests(Frozen):
    site = ForeignKeyField(Site, on_delete="RESTRICT")
    branch = IntegerField()
    first = BigIntegerField()
    last = BigIntegerField()
    digests = BlobField()

    class Meta:
        primary_key = CompositeKey("site", "branch", "first")


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Site, SiteLogDigests]):
        db.create_tables([SiteLogDigests])
    migrate(migrator.add_column("site_log", "digests_n", BigIntegerField(default=0)))
    for statement in _POSTGRES if isinstance(db, PostgresqlDatabase) else _SQLITE:
        db.execute_sql(statement)
