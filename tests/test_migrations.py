"""A database is brought to the newest schema, whatever it was before."""

from __future__ import annotations

import uuid
from itertools import product

import pytest
from peewee import DatabaseError, IntegrityError
from playhouse.migrations import Runner
from playhouse.schema_diff import diff_models

from app.config import Config
from app.domain.actor import Actor
from app.domain.audit import entry_format as columns_of_audit
from app.domain.audit import verify_chain
from app.models import migrate
from app.models.accounts import LoginFailure, Member, MemberSession
from app.models.alerts import Alarm
from app.models.audit import Day, Detail, Entry, Verification
from app.models.audit_frontier import TrailFrontier
from app.models.auto_update_rules import Held, Policy
from app.models.base import db, is_postgres, use_database
from app.models.changes import Change
from app.models.checkpoints import AuditAnchor, SiteMark
from app.models.clients import Client
from app.models.diagnostics import Examination
from app.models.exports import TrailExport
from app.models.installation import Setting
from app.models.refusals import RefusalCount
from app.models.reports import Component, Report, Sync
from app.models.rotations import Rotation
from app.models.sent_calls import SentCall
from app.models.site_log import SiteEntry, SiteLog
from app.models.sites import ACTIVE, NEW, STATES, NoticeNonce, Pairing, Site
from app.models.tags import SiteTag
from app.protocol import canonical, chain_genesis, chain_hash
from tests.support.factories import make_site
from tests.support.fakes import RecordingQueue, at

pytestmark = pytest.mark.both_databases

MODELS = [
    Setting,
    Entry,
    Detail,
    Day,
    Verification,
    Member,
    MemberSession,
    LoginFailure,
    Client,
    Site,
    Pairing,
    NoticeNonce,
    Sync,
    Report,
    Component,
    Rotation,
    Examination,
    Policy,
    Held,
    Change,
    SiteTag,
    TrailFrontier,
    SiteMark,
    AuditAnchor,
    SiteLog,
    SiteEntry,
    SentCall,
    Alarm,
    TrailExport,
    RefusalCount,
]
NOW = at("2026-11-24 10:00")


def columns(table: str) -> dict[str, tuple[str, bool]]:
    return {c.name: (c.data_type.upper(), c.null) for c in db.get_columns(table)}


# What an entry is found by is no column like others on SQLite: a test of its own is below.
COMPUTED = {"at", "event", "actor", "site_id", "client_id", "kind", "component", "outcome"}


def test_migrations_make_the_tables_of_the_models(empty_database: Config) -> None:
    assert migrate.apply_missing()
    found = diff_models(db.obj, MODELS)
    missed = {field.column_name for field in found.add_columns if field.model is Entry}
    assert missed == (set() if is_postgres() else COMPUTED)
    others = [model for model in MODELS if model is not Entry or is_postgres()]
    assert not diff_models(db.obj, others)
    made = {model: columns(model._meta.table_name) for model in others}
    for model in reversed(MODELS):
        db.execute_sql(f"DROP TABLE {model._meta.table_name}")
    db.create_tables(MODELS)
    assert made == {model: columns(model._meta.table_name) for model in others}


def test_sqlite_computes_what_an_entry_is_found_by(database: Config) -> None:
    if is_postgres():
        # There the columns are kept, and held to the text by `audit verify`.
        assert columns("audit").keys() >= COMPUTED
        return
    rows = db.execute_sql("PRAGMA table_xinfo(audit)").fetchall()
    assert {name for _, name, *_, hidden in rows if hidden} == COMPUTED
    made = "SELECT sql FROM sqlite_master WHERE name = 'audit'"
    assert db.execute_sql(made).fetchone()[0].endswith(f"({columns_of_audit.COMPUTED})")


# What entries said before their columns were computed: of both versions, and as odd as it gets.
OLDER = (
    {"v": 1, "actor": {"id": 3, "ip": "", "kind": "member", "name": "Ana"}, "site": 7},
    {"v": 2, "actor": {"id": None, "kind": "system"}, "site": None, "client": None},
    {"v": 2, "actor": {"id": 12, "kind": "policy"}, "site": 7, "client": 4},
)
FACTS = (
    {},
    {"kind": "plugin", "ident": "a/a.php", "outcome": "succeeded"},
    {"kind": "member", "ident": "é" * 400, "outcome": "ok"},
    {"kind": ["plugin"], "ident": 5, "outcome": None},
)


def test_an_older_trail_keeps_what_its_entries_are_found_by(empty_database: Config) -> None:
    Runner(db.obj, str(migrate.DIRECTORY)).up("0008_exports")
    log, count = Setting.read("log_uuid"), 0
    prev = chain_genesis(log)
    for said in OLDER:
        for facts in FACTS:
            count += 1
            moment = NOW.replace(microsecond=count % 2)
            body = {**said, "at": moment.isoformat(), "event": "site_called", "facts": facts}
            text = canonical({"private": None, **body} if said["v"] == 2 else body).decode()
            after = chain_hash(count, prev, text.encode())
            kind, component, outcome = columns_of_audit.of_facts(facts)
            row = {
                "seq": count,
                "prev": prev.hex(),
                "body": text,
                "hash": after.hex(),
                "at": moment,
                "event": "site_called",
                "actor": columns_of_audit.of_actor(said["actor"]),
                "site_id": said["site"],
                "client_id": said.get("client"),
                "kind": kind,
                "component": component,
                "outcome": outcome,
            }
            Entry.insert(**row).execute()
            prev = after
    before = list(Entry.select().order_by(Entry.seq).dicts())
    assert migrate.apply_missing()
    assert list(Entry.select().order_by(Entry.seq).dicts()) == before
    assert len(before) == len(OLDER) * len(FACTS)
    assert verify_chain().is_whole
    for statement in ("DELETE FROM audit", "UPDATE audit SET body = ''"):
        with pytest.raises(DatabaseError):
            db.execute_sql(statement)


def test_migrating_twice_does_nothing_the_second_time(empty_database: Config) -> None:
    migrate.apply_missing()
    log = Setting.read("log_uuid")
    assert migrate.apply_missing() == []
    assert Setting.read("log_uuid") == log


def test_every_installation_has_a_log_of_its_own(database: Config) -> None:
    assert uuid.UUID(Setting.read("log_uuid")).version == 4


def test_an_unknown_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        use_database("mysql://localhost/aura")


def test_a_setting_is_written_once(database: Config) -> None:
    assert Setting.write_once("k", "first") == "first"
    assert Setting.write_once("k", "second") == "first"


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Entry.at.db_value(NOW.replace(tzinfo=None))


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
    first = Sync.ask(site, asked_by="Ana", now=NOW)
    with pytest.raises(IntegrityError):
        Sync.ask(site, asked_by="Ben", now=NOW)
    first.move(to="failed", when=("queued",), ended_at=NOW)
    Sync.ask(site, asked_by="Ben", now=NOW)


def test_the_word_for_a_connection_is_the_same_in_python_and_in_sql(site: Site) -> None:
    everything = product(STATES, ("", "web_page", "dns"), ("", "moved"), (0, 2, 3), (None, NOW))
    for state, fault, quarantine, failures, good in everything:
        Site.update(
            state=state,
            fault=fault,
            quarantine=quarantine,
            failures_in_row=failures,
            last_good_at=good,
        ).execute()
        site.refresh()
        assert [s.id for s in Site.in_connection((site.connection,))] == [site.id]
        if state == ACTIVE:
            assert site.connection not in STATES
