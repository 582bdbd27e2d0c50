"""The call log, and the checks of each day; both are filled from what was recorded before.

Until now a successful call to a site was an entry of the audit log. The entries stay.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    CharField,
    CompositeKey,
    Database,
    DateField,
    ForeignKeyField,
    IntegerField,
    Model,
    PostgresqlDatabase,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField

# Three of the usual intervals between two syncs.
_LONGEST_PAUSE = timedelta(hours=3)


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    id = AutoField()


class SentCall(Frozen):
    nonce = CharField(max_length=22, primary_key=True)
    site_id = IntegerField()
    op = CharField(max_length=32)
    at = UtcField()


class AuditEntry(Frozen):
    seq = BigIntegerField(primary_key=True)
    body = CharField()
    at = UtcField()
    event = CharField()
    site_id = IntegerField(null=True)

    class Meta:
        table_name = "audit"


class SiteCall(Frozen):
    id = AutoField()
    nonce = CharField(max_length=22, unique=True)
    site_id = IntegerField()
    op = CharField(max_length=32)
    at = UtcField()
    elapsed_ms = IntegerField(null=True)
    outcome = CharField(max_length=32)
    head_n = BigIntegerField()

    class Meta:
        indexes = ((("site_id", "at"), False),)


class DailyChecks(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    day = DateField()
    made = IntegerField()
    answered = IntegerField()
    not_made = IntegerField()
    first_at = UtcField(null=True)
    last_at = UtcField(null=True)
    gaps = JsonField()

    class Meta:
        primary_key = CompositeKey("site", "day")


def up(migrator: SchemaMigrator, db: Database) -> None:
    tables = [Site, SentCall, AuditEntry, SiteCall, DailyChecks]
    is_postgres = isinstance(db, PostgresqlDatabase)
    with db.bind_ctx(tables):
        db.create_tables([SiteCall, DailyChecks])
        _copy_calls()
        _count_checks()
        db.drop_tables([SentCall], cascade=is_postgres)


def _copy_calls() -> None:
    """Copy the calls with their results, which are in the audit log."""
    results: dict[str, tuple[dict[str, Any], str]] = {}
    for entry in _entries_of_calls():
        facts = json.loads(entry.body)["facts"]
        for nonce in facts.get("nonces", ()):
            is_last = nonce == facts["nonces"][-1]
            results[nonce] = (facts, facts["outcome"] if is_last else "repeated")
    for call in SentCall.select().order_by(SentCall.at, SentCall.nonce):
        facts, outcome = results.get(call.nonce, ({}, "unknown"))
        SiteCall.create(
            nonce=call.nonce,
            site_id=call.site_id,
            op=call.op,
            at=call.at,
            elapsed_ms=facts.get("elapsed_ms"),
            outcome=outcome[:32],
            head_n=facts.get("head_n", 0),
        )


def _count_checks() -> None:
    """Count the calls for reports by day (UTC)."""
    known = {site.id for site in Site.select(Site.id)}
    days: dict[tuple[int, Any], dict[str, Any]] = {}
    for entry in _entries_of_calls():
        facts = json.loads(entry.body)["facts"]
        if facts.get("op") != "report" or entry.site_id not in known:
            continue
        day = days.setdefault(
            (entry.site_id, entry.at.date()),
            {"made": 0, "answered": 0, "first_at": entry.at, "last_at": entry.at, "gaps": []},
        )
        if entry.at - day["last_at"] > _LONGEST_PAUSE:
            day["gaps"].append([day["last_at"].isoformat(), entry.at.isoformat()])
        day["made"] += 1
        day["answered"] += facts.get("outcome") == "ok"
        day["last_at"] = entry.at
    for (site_id, date), counted in days.items():
        DailyChecks.create(site=site_id, day=date, not_made=0, **counted)


def _entries_of_calls() -> Any:
    query = AuditEntry.select().where(AuditEntry.event == "site_called")
    return query.order_by(AuditEntry.seq).iterator()
