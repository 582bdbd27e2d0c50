"""On SQLite, what an entry is found by is computed from its text and kept nowhere else."""

from __future__ import annotations

from peewee import Database, PostgresqlDatabase
from playhouse.migrate import SchemaMigrator

KINDS = "'plugin', 'theme', 'translation', 'core', 'siteagent'"
OUTCOMES = (
    "'succeeded', 'failed', 'rolled_back', 'refused', 'unknown', 'rejected', 'expired', 'cancelled'"
)
COLUMNS = (
    "seq INTEGER NOT NULL PRIMARY KEY",
    "prev VARCHAR(64) NOT NULL",
    "body TEXT NOT NULL",
    "hash VARCHAR(64) NOT NULL",
    "at DATETIME AS (replace(json_extract(body, '$.at'), 'T', ' '))",
    "event VARCHAR(64) AS (json_extract(body, '$.event'))",
    "actor VARCHAR(80) AS (json_extract(body, '$.actor.kind')"
    " || ifnull(':' || json_extract(body, '$.actor.id'), ''))",
    "site_id INTEGER AS (json_extract(body, '$.site'))",
    "client_id INTEGER AS (json_extract(body, '$.client'))",
    f"kind VARCHAR(16) AS (iif(json_extract(body, '$.facts.kind') IN ({KINDS}),"
    " json_extract(body, '$.facts.kind'), ''))",
    "component VARCHAR(300) AS (iif(json_type(body, '$.facts.ident') = 'text',"
    " substr(json_extract(body, '$.facts.ident'), 1, 300), ''))",
    f"outcome VARCHAR(16) AS (iif(json_extract(body, '$.facts.outcome') IN ({OUTCOMES}),"
    " json_extract(body, '$.facts.outcome'), ''))",
)
KEPT = "seq, prev, body, hash"


def up(migrator: SchemaMigrator, db: Database) -> None:
    if isinstance(db, PostgresqlDatabase):
        return
    # As they are, each with what it was made for: one of them names this very log.
    beside = db.execute_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND"
        " (tbl_name = 'audit' AND type IN ('index', 'trigger')"
        " OR tbl_name = 'audit_detail' AND type = 'trigger')"
    ).fetchall()
    for kind, name, _ in beside:
        db.execute_sql(f"DROP {kind} {name}")
    db.execute_sql(f"CREATE TABLE audit_computed ({', '.join(COLUMNS)})")
    db.execute_sql(f"INSERT INTO audit_computed ({KEPT}) SELECT {KEPT} FROM audit ORDER BY seq")
    db.execute_sql("DROP TABLE audit")
    db.execute_sql("ALTER TABLE audit_computed RENAME TO audit")
    for _, _, sql in beside:
        db.execute_sql(sql)
