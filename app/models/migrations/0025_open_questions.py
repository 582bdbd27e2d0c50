"""What people are asked: about pages after an update, and about releases with warnings."""

from __future__ import annotations

import json
from typing import Any

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
from playhouse.migrate import SchemaMigrator, migrate

_NAMED = 3
_MOST_CHARS = 80
_WARNINGS = ("core_name", "php_place", "hidden_php", "server_config", "odd_name")


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Change(Frozen):
    id = IntegerField(primary_key=True)


class ChangePages(Frozen):
    change = ForeignKeyField(Change, primary_key=True)
    change_id: int
    results = TextField()
    asks = BooleanField()
    asks_because = CharField(max_length=16)
    asked_paths = CharField(max_length=300)
    answer = CharField(max_length=16)
    judged_by = CharField(max_length=120)


class ReleaseComparison(Frozen):
    id = AutoField()
    findings = TextField()
    warnings = CharField(max_length=100)


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrate(
        migrator.add_column("change_pages", "asks_because", CharField(max_length=16, default="")),
        migrator.add_column("change_pages", "asked_paths", CharField(max_length=300, default="")),
        migrator.add_column("change_pages", "answer", CharField(max_length=16, default="")),
        migrator.add_column("change_pages", "note", CharField(max_length=500, default="")),
        migrator.add_index("change_pages", ("asks",)),
        migrator.add_column(
            "release_comparison", "warnings", CharField(max_length=100, default="")
        ),
    )
    fill_new_columns(db)


def fill_new_columns(db: Database) -> None:
    """Write into the new columns what is known of questions, answers and comparisons so far."""
    with db.bind_ctx([ChangePages, ReleaseComparison]):
        ChangePages.update(answer="looks_right").where(ChangePages.judged_by != "").execute()
        for row in list(ChangePages.select().where(ChangePages.asks.in_((True,)))):
            paths = _in_words(json.loads(row.results))
            mine = ChangePages.change == row.change_id
            ChangePages.update(asks_because="different", asked_paths=paths).where(mine).execute()
        for one in list(ReleaseComparison.select()):
            odd = json.loads(one.findings).get("odd", {})
            if codes := ",".join(code for code in _WARNINGS if code in odd):
                mine = ReleaseComparison.id == one.id
                ReleaseComparison.update(warnings=codes).where(mine).execute()


def _in_words(results: list[dict[str, Any]]) -> str:
    """Name the first pages that were different, as the domain does from now on."""
    paths = [one["path"][:_MOST_CHARS] for one in results if one["answer"] == "different"]
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
