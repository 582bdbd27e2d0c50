"""Find the tables that a query reads completely, by its query plan."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from app.models.base import db, is_postgres

_ALIAS = re.compile(r'"(\w+)" AS "(t\d+)"')


def scanned_tables(read: Callable[[], object]) -> set[str]:
    """Return the tables that the statements of `read` scan completely.

    SQLite has no statistics in tests, so its plans do not depend on the number of rows. PostgreSQL
    prefers to scan a small table, so sequential scans are disabled where an index would do.
    """
    statements: list[tuple[str, Any]] = []
    really = db.obj.execute_sql

    def noting(sql: str, params: Any = None) -> Any:
        statements.append((sql, params))
        return really(sql, params)

    with patch.object(db.obj, "execute_sql", noting):
        read()
    return {table for sql, params in statements for table in _scanned(sql, params)}


def _scanned(sql: str, params: Any) -> set[str]:
    if not sql.startswith("SELECT"):
        return set()
    if is_postgres():
        db.execute_sql("SET enable_seqscan = off")
        lines = [row[0] for row in db.execute_sql(f"EXPLAIN {sql}", params).fetchall()]
        db.execute_sql("RESET enable_seqscan")
        return {found[1] for line in lines if (found := re.search(r"Seq Scan on (\w+)", line))}
    tables = {alias: table for table, alias in _ALIAS.findall(sql)}
    lines = [row[3] for row in db.execute_sql(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()]
    scans = {line.split()[1] for line in lines if line.startswith("SCAN")}
    return {tables[alias] for alias in scans if alias in tables}
