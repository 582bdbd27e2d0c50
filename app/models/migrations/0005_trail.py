"""The trail learns to keep personal facts beside the chain, and to be searched.

New columns repeat what bodies say; those of the entries that are there already are filled
in, for which the guards step aside within this one transaction.
"""

from __future__ import annotations

import json
from typing import Any

from peewee import (
    BigIntegerField,
    CharField,
    Database,
    IntegerField,
    Model,
    PostgresqlDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField
from app.models.search_terms import words_of


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Detail(Frozen):
    seq = BigIntegerField(primary_key=True)
    salt = CharField(max_length=32)
    body = TextField()

    class Meta:
        table_name = "audit_detail"


class Day(Frozen):
    day = CharField(max_length=10, primary_key=True)
    first_seq = BigIntegerField()
    last_seq = BigIntegerField()

    class Meta:
        table_name = "audit_day"


class Verification(Frozen):
    asked_by = CharField(max_length=120)
    asked_at = UtcField()
    state = CharField(max_length=16, index=True)
    started_at = UtcField(null=True)
    seen_working_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    entries = BigIntegerField()
    total = BigIntegerField()
    marks = IntegerField()
    head = CharField(max_length=64)
    broken_at = BigIntegerField(null=True)
    reason = CharField(max_length=300)
    seen_by = CharField(max_length=120)
    seen_at = UtcField(null=True)


NEW_COLUMNS = (
    "ALTER TABLE audit ADD COLUMN client_id INTEGER",
    "ALTER TABLE audit ADD COLUMN kind VARCHAR(16) NOT NULL DEFAULT ''",
    "ALTER TABLE audit ADD COLUMN component VARCHAR(300) NOT NULL DEFAULT ''",
    "ALTER TABLE audit ADD COLUMN outcome VARCHAR(16) NOT NULL DEFAULT ''",
)
OLD_INDEXES = ("audit_at", "audit_event", "audit_site_id")
SEARCHED = ("event", "actor", "site_id", "client_id", "kind", "component", "outcome")
ONE_QUEUED = (
    "CREATE UNIQUE INDEX verification_one_queued ON verification (state) WHERE state = 'queued'"
)

# While the columns are filled in. What refuses to insert, delete and truncate stays.
ASIDE = {
    "sqlite": ("DROP TRIGGER audit_no_update",),
    "postgresql": ("ALTER TABLE audit DISABLE TRIGGER audit_no_change",),
}
BACK = {
    "sqlite": (
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit"
        " BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END",
    ),
    "postgresql": ("ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_no_change",),
}

# Details are written with their entry and never changed; deleting is what erases them.
GUARDS = {
    "sqlite": (
        "CREATE TRIGGER audit_detail_no_update BEFORE UPDATE ON audit_detail"
        " BEGIN SELECT RAISE(ABORT, 'private details are never changed'); END",
        "CREATE TRIGGER audit_detail_newest_only BEFORE INSERT ON audit_detail"
        " WHEN NEW.seq IS NOT (SELECT MAX(seq) FROM audit)"
        " OR EXISTS (SELECT 1 FROM audit_detail WHERE seq = NEW.seq)"
        " BEGIN SELECT RAISE(ABORT, 'private details are written with their entry'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_detail_refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'private details are never changed'; END $$",
        "CREATE FUNCTION audit_detail_newest_only() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN"
        " IF NEW.seq IS DISTINCT FROM (SELECT MAX(seq) FROM audit)"
        " THEN RAISE EXCEPTION 'private details are written with their entry'; END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER audit_detail_no_update BEFORE UPDATE ON audit_detail"
        " FOR EACH ROW EXECUTE FUNCTION audit_detail_refuse()",
        "CREATE TRIGGER audit_detail_no_truncate BEFORE TRUNCATE ON audit_detail"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_detail_refuse()",
        "CREATE TRIGGER audit_detail_newest_only BEFORE INSERT ON audit_detail"
        " FOR EACH ROW EXECUTE FUNCTION audit_detail_newest_only()",
        "ALTER TABLE audit_detail ENABLE ALWAYS TRIGGER audit_detail_no_update",
        "ALTER TABLE audit_detail ENABLE ALWAYS TRIGGER audit_detail_no_truncate",
        "ALTER TABLE audit_detail ENABLE ALWAYS TRIGGER audit_detail_newest_only",
    ),
}

# Words as app/models/search_terms.py cuts them; nothing is cut again here.
WORDS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE audit_words USING fts5(words,"
        " tokenize = \"unicode61 remove_diacritics 0 tokenchars '._-'\", prefix = '2 3 4')",
    ),
    "postgresql": (
        "CREATE TABLE audit_words (seq BIGINT PRIMARY KEY, words TEXT NOT NULL)",
        "CREATE INDEX audit_words_found ON audit_words"
        " USING gin (array_to_tsvector(string_to_array(words, ' ')))",
    ),
}

KINDS = ("plugin", "theme", "translation", "core", "siteagent")
OUTCOMES = (
    "succeeded", "failed", "rolled_back", "refused", "unknown", "rejected", "expired", "cancelled",
)  # fmt: skip


def up(migrator: SchemaMigrator, db: Database) -> None:
    which = "postgresql" if isinstance(db, PostgresqlDatabase) else "sqlite"
    for name in OLD_INDEXES:
        db.execute_sql(f"DROP INDEX {name}")
    for statement in (*NEW_COLUMNS, *ASIDE[which]):
        db.execute_sql(statement)
    with db.bind_ctx([Detail, Day, Verification]):
        db.create_tables([Detail, Day, Verification])
    for statement in (*WORDS[which], *GUARDS[which], ONE_QUEUED):
        db.execute_sql(statement)
    _fill(db)
    for column in SEARCHED:
        db.execute_sql(f"CREATE INDEX audit_{column}_seq ON audit ({column}, seq)")
    for statement in BACK[which]:
        db.execute_sql(statement)


def _fill(db: Database) -> None:
    p, key = db.param, "seq" if isinstance(db, PostgresqlDatabase) else "rowid"
    days: dict[str, tuple[int, int]] = {}
    for seq, body in db.execute_sql("SELECT seq, body FROM audit ORDER BY seq").fetchall():
        said = json.loads(body)
        day = said["at"][:10]
        days[day] = (days.get(day, (seq, seq))[0], seq)
        columns = _columns(said["facts"])
        if any(columns):
            settings = f"kind = {p}, component = {p}, outcome = {p}"
            db.execute_sql(f"UPDATE audit SET {settings} WHERE seq = {p}", (*columns, seq))
        statement = f"INSERT INTO audit_words ({key}, words) VALUES ({p}, {p})"
        db.execute_sql(statement, (seq, words_of(said, None)))
    for day, (first, last) in days.items():
        statement = f"INSERT INTO audit_day (day, first_seq, last_seq) VALUES ({p}, {p}, {p})"
        db.execute_sql(statement, (day, first, last))


def _columns(facts: dict[str, Any]) -> tuple[str, str, str]:
    """Kind, component and outcome, as far as a body says them."""
    kind, ident, outcome = facts.get("kind"), facts.get("ident"), facts.get("outcome")
    return (
        kind if kind in KINDS else "",
        ident if isinstance(ident, str) else "",
        outcome if outcome in OUTCOMES else "",
    )
