"""The call log, and the checks of each day; both are filled from what was recorded before.

Until now a successful call to a site was an entry of the audit log. The entries stay.

Databases that were made before November 29, 2026 also get the guard that does not read the whole
log for each new entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
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
_AT_ONCE = 5000
_NOT_KNOWN = {"outcome": "unknown", "elapsed_ms": None, "head_n": 0}


# As in 0001_initial.
_NEXT_ONLY = (
    "CREATE TRIGGER audit_next_only BEFORE INSERT ON audit"
    " WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)"
    " OR NEW.prev IS NOT COALESCE("
    "(SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '{genesis}')"
    " BEGIN SELECT RAISE(ABORT, 'audit chain break'); END"
)


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Setting(Frozen):
    key = CharField(primary_key=True)
    value = CharField()


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
    tables = [Setting, Site, SentCall, AuditEntry, SiteCall, DailyChecks]
    is_postgres = isinstance(db, PostgresqlDatabase)
    with db.bind_ctx(tables):
        db.create_tables([SiteCall, DailyChecks])
        results = _read_entries()
        for call in SentCall.select().order_by(SentCall.at, SentCall.nonce):
            SiteCall.create(**call.__data__, **results.get(call.nonce, _NOT_KNOWN))
        db.drop_tables([SentCall], cascade=is_postgres)
        if not is_postgres:
            log_uuid = Setting.get_by_id("log_uuid").value
            genesis = sha256(b"siteagent/audit-genesis/1\n" + log_uuid.encode("ascii")).hexdigest()
            db.execute_sql("DROP TRIGGER audit_next_only")
            db.execute_sql(_NEXT_ONLY.replace("{genesis}", genesis))


def _read_entries() -> dict[str, dict[str, Any]]:
    """Count the checks of each day (UTC); return the results of the calls by nonce."""
    sent = {call.nonce for call in SentCall.select(SentCall.nonce)}
    known = {site.id for site in Site.select(Site.id)}
    results: dict[str, dict[str, Any]] = {}
    days: dict[tuple[int, Any], dict[str, Any]] = {}
    for entry in _entries_of_calls():
        facts = json.loads(entry.body)["facts"]
        for nonce in sent.intersection(facts.get("nonces", ())):
            results[nonce] = _result(facts, is_last=nonce == facts["nonces"][-1])
        if facts.get("op") == "report" and entry.site_id in known:
            day = days.setdefault((entry.site_id, entry.at.date()), _no_checks(entry.at))
            _count(day, entry.at, is_answered=facts.get("outcome") == "ok")
    for (site_id, date), counted in days.items():
        DailyChecks.create(site=site_id, day=date, not_made=0, **counted)
    return results


def _result(facts: dict[str, Any], *, is_last: bool) -> dict[str, Any]:
    """Return the columns of a call; only the last of its nonces has the result."""
    outcome = str(facts["outcome"])[:32] if is_last else "repeated"
    elapsed_ms = facts.get("elapsed_ms") if is_last else None
    return {"outcome": outcome, "elapsed_ms": elapsed_ms, "head_n": facts.get("head_n", 0)}


def _no_checks(at: datetime) -> dict[str, Any]:
    return {"made": 0, "answered": 0, "first_at": at, "last_at": at, "gaps": []}


def _count(day: dict[str, Any], at: datetime, *, is_answered: bool) -> None:
    if at - day["last_at"] > _LONGEST_PAUSE:
        day["gaps"].append([day["last_at"].isoformat(), at.isoformat()])
    day["made"] += 1
    day["answered"] += is_answered
    day["last_at"] = at


def _entries_of_calls() -> Iterator[AuditEntry]:
    """Yield the entries in order, a batch at a time: there may be a million."""
    after = 0
    while True:
        is_next = (AuditEntry.event == "site_called") & (AuditEntry.seq > after)
        query = AuditEntry.select().where(is_next).order_by(AuditEntry.seq)
        entries = list(query.limit(_AT_ONCE))
        yield from entries
        if len(entries) < _AT_ONCE:
            return
        after = entries[-1].seq
