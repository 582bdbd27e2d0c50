"""The audit log records events in one hash chain, which reveals every change made to it."""

from __future__ import annotations

import hashlib
import json

import pytest
from peewee import DatabaseError

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import EntryFilter
from app.domain.audit.events import REGISTRY, Event, OwnerCreated, SiteAdded, SiteCalled
from app.models.audit import AuditEntry, PrivateDetail
from app.models.base import db, in_transaction, is_postgres, transaction
from app.models.installation import Setting
from app.models.sites import Site
from app.protocol import ProtocolError, canonical
from tests.support.audit_entries import fill
from tests.support.factories import read_report
from tests.support.fakes import FakeSite, at

pytestmark = pytest.mark.both_databases

NOW = at("2026-11-24 10:00")


# ---- entries and the chain ----


def test_an_entry_says_who_did_what_and_where(database: Config) -> None:
    ana = Actor("user", 3, "Ana", "owner", "192.0.2.1")
    with transaction():
        event = SiteAdded(site_id=7, name="Bakery", url="https://bakery.example", client="")
        entry = audit.record(event, ana, now=NOW)
    body = json.loads(entry.body)
    private = body.pop("private")
    assert body == {
        "v": 1,
        "at": "2026-11-24T10:00:00+00:00",
        "event": "site_added",
        "actor": {"kind": "user", "id": 3},
        "site": 7,
        "client": None,
        "facts": {"name": "Bakery", "url": "https://bakery.example", "client": ""},
    }
    detail = PrivateDetail.get_by_id(entry.seq)
    assert detail.body == '{"actor":{"ip":"192.0.2.1","name":"Ana"},"facts":{}}'
    salted = b"siteagent/audit-private/1\n" + bytes.fromhex(detail.salt) + detail.body.encode()
    assert (len(detail.salt), hashlib.sha256(salted).hexdigest()) == (32, private)
    stored = AuditEntry.get_by_id(entry.seq)
    assert (stored.event, stored.actor, stored.site_id) == ("site_added", "user:3", 7)
    assert stored.at == NOW


def test_the_chain_is_computed_as_the_protocol_describes(database: Config) -> None:
    fill(3)
    log = Setting.read("log_uuid")
    head = hashlib.sha256(b"siteagent/audit-genesis/1\n" + log.encode()).digest()
    for entry in AuditEntry.select().order_by(AuditEntry.seq):
        assert entry.prev == head.hex()
        message = b"\x00siteagent/audit/1\n" + entry.seq.to_bytes(8, "big") + head
        head = hashlib.sha256(message + entry.body.encode()).digest()
        assert entry.hash == head.hex()
        assert canonical(json.loads(entry.body)).decode() == entry.body
    report = audit.verify_chain()
    assert (report.entries, report.head, report.is_whole) == (3, head.hex(), True)


def test_an_empty_chain_is_intact(database: Config) -> None:
    assert audit.verify_chain().is_whole


def test_pages_continue_where_the_last_one_ended(database: Config) -> None:
    fill(5)
    first = audit.find_entries(limit=2)
    second = audit.find_entries(limit=2, before=first[-1].seq)
    assert [e.seq for e in first + second] == [5, 4, 3, 2]
    assert audit.find_entries(EntryFilter(site=8)) == []
    assert audit.find_entries(EntryFilter(event="site_added")) == []


def test_each_event_has_a_unique_name_and_plain_facts() -> None:
    assert len(REGISTRY) > 25
    assert all(issubclass(event, Event) for event in REGISTRY.values())
    assert REGISTRY["pairing_token_issued"].__name__ == "PairingTokenIssued"


# ---- transactions ----


def test_no_entry_outside_a_transaction(database: Config) -> None:
    with pytest.raises(RuntimeError):
        audit.record(OwnerCreated(user_id=1, name="Ana"), SYSTEM)
    assert AuditEntry.select().count() == 0


def test_a_rolled_back_change_leaves_no_entry_and_runs_no_callback(database: Config) -> None:
    ran: list[int] = []

    def change_and_fail() -> None:
        with transaction() as tx:
            audit.record(OwnerCreated(user_id=1, name="Ana"), SYSTEM)
            tx.after_commit(ran.append, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert AuditEntry.select().count() == 0
    with transaction() as tx:
        with transaction() as inner:
            inner.after_commit(ran.append, 2)
        tx.after_commit(lambda: ran.append(3 if in_transaction() else 4))
        assert ran == []
    assert ran == [2, 4]


def test_facts_that_are_not_plain_json_are_refused_with_the_change(database: Config) -> None:
    with pytest.raises(ProtocolError), transaction():
        audit.record(SiteCalled(site_id=1, op="ping", outcome="ok", elapsed_ms=1.5), SYSTEM)
    assert AuditEntry.select().count() == 0


def test_no_secret_of_a_connection_is_in_the_audit_log(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    bodies = "\n".join(entry.body for entry in AuditEntry.select())
    keys = fake.paired.keys
    for secret in (keys.d2s, keys.s2d, keys.revoke, keys.disconnect, fake.token.secret):
        assert secret.hex() not in bodies
        assert canonical(secret.hex()).decode() not in bodies
    assert fake.token.text() not in bodies


# ---- database triggers ----


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'x' WHERE seq = 2",
        "UPDATE audit SET seq = 9 WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit",
    ],
)
def test_entries_are_neither_changed_nor_deleted(database: Config, statement: str) -> None:
    fill(3)
    with pytest.raises(DatabaseError):
        db.execute_sql(statement)
    assert audit.verify_chain().entries == 3


def replacement(**changes: object) -> dict[str, object]:
    """Return the columns of entry 3, altered."""
    return AuditEntry.kept_of({**AuditEntry.get_by_id(3).__data__, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "user:9"},
        {"seq": 5},
        {"seq": 4, "hash": "f" * 64},
        {"seq": 4, "hash": "f" * 64, "prev": "0" * 64},
        {"seq": 0, "hash": "f" * 64},
    ],
)
def test_only_the_next_link_can_be_inserted(database: Config, changes: dict) -> None:
    fill(3)
    row = replacement(**changes)
    with pytest.raises(DatabaseError):
        AuditEntry.insert(**row).execute()
    if not is_postgres():
        with pytest.raises(DatabaseError):
            AuditEntry.insert(**row).on_conflict_replace().execute()
        with pytest.raises(DatabaseError):
            AuditEntry.replace(**row).execute()
    assert audit.verify_chain().entries == 3


def test_saving_an_entry_again_is_refused(database: Config) -> None:
    fill(3)
    entry = AuditEntry.get_by_id(2)
    entry.actor = "user:9"
    with pytest.raises(DatabaseError):
        entry.save()
    assert audit.verify_chain().is_whole


def test_postgresql_refuses_its_own_ways_around_the_triggers(database: Config) -> None:
    fill(3)
    if not is_postgres():
        # SQLite has neither; REPLACE, its own way around the triggers, is tested above.
        return
    row = replacement(actor="user:9")
    target = AuditEntry.insert(**row).on_conflict(
        conflict_target=[AuditEntry.seq], update={AuditEntry.actor: "x"}
    )
    with pytest.raises(DatabaseError):
        target.execute()
    with pytest.raises(DatabaseError):
        db.execute_sql("TRUNCATE audit")
    db.execute_sql("SET session_replication_role = replica")
    with pytest.raises(DatabaseError):
        db.execute_sql("DELETE FROM audit")
    db.execute_sql("SET session_replication_role = DEFAULT")
    assert audit.verify_chain().entries == 3


# ---- cost ----


def steps_of_an_entry() -> int:
    """Count the instructions that SQLite executes to append one entry."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.connection().set_progress_handler(count, 1)
    fill(1)
    db.connection().set_progress_handler(None, 1)
    return steps


def test_the_cost_of_an_entry_does_not_grow_with_the_log(database: Config) -> None:
    if is_postgres():
        # PostgreSQL has no such counter. Its trigger looks up the newest entry only.
        return
    fill(50)
    short = steps_of_an_entry()
    fill(1000)
    assert 0 < steps_of_an_entry() < 1.2 * short
