"""Migrations bring a database of any age to the newest schema."""

from __future__ import annotations

import importlib
import pkgutil
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from peewee import IntegrityError, Table, sort_models
from playhouse.migrations import Runner
from playhouse.schema_diff import diff_models

import app.models
from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import entry_format as columns_of_audit
from app.domain.audit.events import SiteCalled
from app.models import migrate
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import BaseModel, db, is_postgres, transaction, use_database
from app.models.call_log import SiteCall
from app.models.daily_checks import DailyChecks
from app.models.installation import Setting
from app.models.notices import NoticeNonce
from app.models.reports import Sync
from app.models.sites import ACTIVE, NEW, STATES, Site
from tests.support.factories import make_site, make_user
from tests.support.fakes import RecordingQueue, at

pytestmark = pytest.mark.both_databases


def every_model() -> list[type[BaseModel]]:
    """Return the model of each table, with referenced models first."""
    for module in pkgutil.iter_modules(app.models.__path__):
        importlib.import_module(f"app.models.{module.name}")

    def below(kind: type[BaseModel]) -> set[type[BaseModel]]:
        """Return the leaf classes: their base classes hold only shared fields."""
        children = kind.__subclasses__()
        return set().union(*map(below, children)) if children else {kind}

    found: list[type[BaseModel]] = sort_models(below(BaseModel))
    return found


MODELS = every_model()
NOW = at("2026-11-24 10:00")


def columns(table: str) -> dict[str, tuple[str, bool]]:
    return {c.name: (c.data_type.upper(), c.null) for c in db.get_columns(table)}


# SQLite computes the index columns of an entry; a test of its own covers them below.
COMPUTED = {"at", "event", "actor", "site_id", "client_id", "kind", "component", "outcome"}


def test_migrations_create_the_tables_of_the_models(empty_database: Config) -> None:
    assert migrate.apply_missing()
    found = diff_models(db.obj, MODELS)
    missed = {field.column_name for field in found.add_columns if field.model is AuditEntry}
    assert missed == (set() if is_postgres() else COMPUTED)
    others = [model for model in MODELS if model is not AuditEntry or is_postgres()]
    assert not diff_models(db.obj, others)
    made = {model: columns(model._meta.table_name) for model in others}
    for model in reversed(MODELS):
        db.execute_sql(f"DROP TABLE {model._meta.table_name}")
    db.create_tables(MODELS)
    assert made == {model: columns(model._meta.table_name) for model in others}


def test_sqlite_computes_the_index_columns_of_an_entry(database: Config) -> None:
    if is_postgres():
        # PostgreSQL stores the columns, and `audit verify` compares them with the text.
        assert columns("audit").keys() >= COMPUTED
        return
    rows = db.execute_sql("PRAGMA table_xinfo(audit)").fetchall()
    assert {name for _, name, *_, hidden in rows if hidden} == COMPUTED
    made = "SELECT sql FROM sqlite_master WHERE name = 'audit'"
    assert db.execute_sql(made).fetchone()[0].endswith(f"({columns_of_audit.COMPUTED})")


def test_migrating_twice_does_nothing_the_second_time(empty_database: Config) -> None:
    migrate.apply_missing()
    log = Setting.read("log_uuid")
    assert migrate.apply_missing() == []
    assert Setting.read("log_uuid") == log


def test_each_installation_has_its_own_log(database: Config) -> None:
    assert uuid.UUID(Setting.read("log_uuid")).version == 4


def test_an_unknown_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        use_database("mysql://localhost/aura")


def test_a_setting_is_written_once(database: Config) -> None:
    assert Setting.write_once("k", "first") == "first"
    assert Setting.write_once("k", "second") == "first"


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        AuditEntry.at.db_value(NOW.replace(tzinfo=None))


def test_times_come_back_aware_and_in_order(database: Config, ana: Actor) -> None:
    moments = [NOW, NOW.replace(microsecond=5), NOW.replace(second=1)]
    for number, moment in enumerate(reversed(moments)):
        NoticeNonce.create(nonce=str(number), expires_at=moment)
    found = [n.expires_at for n in NoticeNonce.select().order_by(NoticeNonce.expires_at)]
    assert found == moments
    assert all(moment.utcoffset() is not None for moment in found)


def test_the_database_keeps_one_live_site_per_address(ana: Actor, jobs: RecordingQueue) -> None:
    site = make_site(ana, now=NOW)
    row = {"name": "x", "url": site.url, "added_at": NOW, "added_by": ana.id}
    with pytest.raises(IntegrityError):
        Site.create(**row)
    site.note(when=(NEW,), forgotten_at=NOW)
    Site.create(**row)


def test_the_database_keeps_one_open_sync_per_site(site: Site) -> None:
    first = Sync.ask(site, requested_by="Ana", now=NOW)
    with pytest.raises(IntegrityError):
        Sync.ask(site, requested_by="Ben", now=NOW)
    first.move(to="failed", when=("queued",), ended_at=NOW)
    Sync.ask(site, requested_by="Ben", now=NOW)


def test_the_status_of_a_connection_is_the_same_in_python_and_sql(site: Site) -> None:
    everything = product(STATES, ("", "web_page", "dns"), ("", "moved"), (0, 2, 3), (None, NOW))
    for state, error_code, quarantine, failures, good in everything:
        Site.update(
            state=state,
            error_code=error_code,
            quarantine=quarantine,
            consecutive_failures=failures,
            last_success_at=good,
        ).execute()
        site.refresh()
        assert Site.count_by_connection() == {site.connection: 1}
        if state == ACTIVE:
            assert site.connection not in STATES


def insert_old_site(by: User, now: datetime) -> int:
    """Insert a site with the columns that the table has at this migration; return its id."""
    there = {column.name for column in db.get_columns("site")}
    values = {**Site(name="Bakery", url="https://bakery.example").__data__, "added_at": now}
    values["added_by"] = by.id
    columns = Site.columns()
    row = {columns[name].column_name: columns[name].db_value(values[name]) for name in values}
    row = {name: value for name, value in row.items() if name in there}
    Table("site", row).bind(db).insert(row).execute()
    return Site.select(Site.id).scalar()


def test_calls_from_before_the_call_log_keep_their_results(empty_database: Config) -> None:
    Runner(db.obj, str(migrate.DIRECTORY)).up("0001_initial")
    ana = make_user("Ana", "owner")
    site_id = insert_old_site(ana, NOW)
    hours = [NOW + timedelta(hours=number) for number in (0, 1, 6)]
    for number, moment in enumerate(hours):
        insert = "INSERT INTO sent_call (nonce, site_id, op, at) VALUES ({0}, {0}, {0}, {0})"
        at_db = SiteCall.at.db_value(moment)
        db.execute_sql(insert.format(db.param), (f"n{number}", site_id, "report", at_db))
        outcome = "ok" if number else "dns"
        event = SiteCalled(site_id=site_id, op="report", outcome=outcome, elapsed_ms=number)
        with transaction():
            audit.record(replace(event, nonces=["x", f"n{number}"]), SYSTEM, now=moment)
    row = ("lost", site_id, "ping", SiteCall.at.db_value(NOW))
    db.execute_sql(insert.format(db.param), row)
    assert migrate.apply_missing()[0] == "0002_call_log"
    calls = {call.nonce: (call.op, call.outcome, call.elapsed_ms) for call in SiteCall.select()}
    assert calls == {
        "n0": ("report", "dns", 0),
        "n1": ("report", "ok", 1),
        "n2": ("report", "ok", 2),
        "lost": ("ping", "unknown", None),
    }
    day = DailyChecks.get()
    assert (day.day, day.made, day.answered) == (NOW.date(), 3, 2)
    assert (day.first_at, day.last_at) == (hours[0], hours[2])
    assert day.gaps == [[hours[1].isoformat(), hours[2].isoformat()]]
    assert not db.table_exists("sent_call")


def test_a_migration_restores_the_trigger_of_the_audit_log(empty_database: Config) -> None:
    if is_postgres():
        return
    guards = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
    Runner(db.obj, str(migrate.DIRECTORY)).up("0001_initial")
    before = db.execute_sql(guards).fetchall()
    db.execute_sql("DROP TRIGGER audit_next_only")
    slow = (
        "CREATE TRIGGER audit_next_only BEFORE INSERT ON audit"
        " WHEN EXISTS (SELECT 1 FROM audit WHERE hash = NEW.hash)"
        " BEGIN SELECT RAISE(ABORT, 'audit chain break'); END"
    )
    db.execute_sql(slow)
    Runner(db.obj, str(migrate.DIRECTORY)).up("0002_call_log")
    assert db.execute_sql(guards).fetchall() == before
