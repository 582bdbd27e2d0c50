"""The owner of the database can change the audit log in it, but verification reveals it."""

from __future__ import annotations

import pytest
from peewee import DatabaseError

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import Anchor
from app.domain.audit.events import PersonalDataErased, UserDisabled
from app.models.audit import AuditEntry, PrivateDetail
from app.models.base import db, is_postgres, transaction
from app.models.installation import Setting
from tests.support.audit_entries import fill
from tests.support.database_tampering import cut_off_after, keep_columns, swap, without_guards

pytestmark = pytest.mark.both_databases

HOLDER = "the site Bakery"
GONE = "its personal data is missing, and no entry records an erasure"


def anchor(seq: int) -> Anchor:
    """Return the checkpoint of a site that last saw entry `seq`."""
    return Anchor(seq, AuditEntry.get_by_id(seq).hash, HOLDER)


def verify(*anchors: Anchor) -> tuple[int | None, str]:
    report = audit.verify_chain(anchors)
    return report.broken_at, report.reason


# ---- entries and their index columns ----


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit SET body = REPLACE(body, 'ok', 'no') WHERE seq = 2", 2),
        ("UPDATE audit SET prev = hash WHERE seq = 3", 3),
        ("UPDATE audit SET hash = REPLACE(hash, '0', '1') WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq = 3", 4),
        ("DELETE FROM audit WHERE seq = 1", 2),
        ("UPDATE audit SET seq = 99 WHERE seq = 2", 3),
    ],
)
def test_a_change_outside_of_aura_is_found(
    database: Config, statement: str, broken_at: int
) -> None:
    fill(5)
    without_guards()
    db.execute_sql(statement)
    report = audit.verify_chain()
    assert (report.is_whole, report.broken_at) == (False, broken_at)
    assert report.reason


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'user:9'",
        "event = 'signed_in'",
        "site_id = 8",
        "site_id = NULL",
        "client_id = 8",
        "kind = 'plugin'",
        "component = 'x'",
        "outcome = 'failed'",
        "at = '2020-01-01 00:00:00+00:00'",
    ],
)
def test_an_index_column_that_contradicts_its_entry_is_found(database: Config, change: str) -> None:
    fill(5)
    without_guards()
    if not is_postgres():
        with pytest.raises(DatabaseError, match="generated column"):
            db.execute_sql(f"UPDATE audit SET {change} WHERE seq = 4")
        keep_columns()
        assert audit.verify_chain().is_whole
    db.execute_sql(f"UPDATE audit SET {change} WHERE seq = 4")
    assert verify() == (4, "its index columns contradict its text")


def test_a_view_in_place_of_the_table_hides_nothing(database: Config) -> None:
    fill(5)
    without_guards()
    db.execute_sql("ALTER TABLE audit RENAME TO kept")
    others = "seq, prev, body, hash, at, actor, site_id, client_id, kind, component, outcome"
    event = "CASE WHEN seq = 4 THEN 'signed_in' ELSE event END AS event"
    db.execute_sql(f"CREATE VIEW audit AS SELECT {others}, {event} FROM kept")
    assert verify() == (4, "its index columns contradict its text")


def test_a_missing_entry_is_named(database: Config) -> None:
    fill(5)
    without_guards()
    db.execute_sql("DELETE FROM audit WHERE seq = 3")
    assert audit.verify_chain().reason == "entry 3 is missing"


def test_a_chain_of_another_log_is_refused(database: Config) -> None:
    fill(2)
    Setting.update(value="00000000-0000-4000-8000-000000000000").execute()
    assert audit.verify_chain().broken_at == 1


def test_two_swapped_entries_are_found(database: Config) -> None:
    fill(5)
    without_guards()
    swap(2, 4)
    assert verify() == (2, "its text was changed")


def test_an_inserted_entry_is_found(database: Config) -> None:
    fill(3)
    without_guards()
    genuine = AuditEntry.get_by_id(3)
    forged = {**genuine.__data__, "body": genuine.body.replace("ping", "report")}
    forged["hash"] = audit.link_hash(3, forged["prev"], forged["body"])
    AuditEntry.update(seq=4).where(AuditEntry.seq == 3).execute()
    AuditEntry.insert(**AuditEntry.kept_of(forged)).execute()
    assert verify() == (4, "does not follow the previous entry")


def test_a_checkpoint_reveals_a_rewritten_chain(
    database: Config,
) -> None:
    fill(6)
    fits, held = anchor(2), anchor(5)
    without_guards()
    rewrite(4)
    assert audit.verify_chain().is_whole, "the chain alone does not show it"
    assert verify(fits, held) == (
        5,
        f"it, or an entry after 2, differs from the checkpoint of {HOLDER}",
    )


def rewrite(changed: int) -> None:
    """Change one entry and recompute every link from there on, as a forger would."""
    rows = list(AuditEntry.select().where(AuditEntry.seq >= changed).order_by(AuditEntry.seq))
    prev = rows[0].prev
    AuditEntry.delete().where(AuditEntry.seq >= changed).execute()
    for row in rows:
        body = row.body.replace("ping", "report") if row.seq == changed else row.body
        linked = {"prev": prev, "body": body, "hash": audit.link_hash(row.seq, prev, body)}
        AuditEntry.insert(**AuditEntry.kept_of({**row.__data__, **linked})).execute()
        prev = linked["hash"]


def test_a_checkpoint_reveals_a_truncated_log(database: Config) -> None:
    fill(6)
    held = anchor(6)
    without_guards()
    cut_off_after(3)
    assert audit.verify_chain().is_whole, "the chain alone does not show it"
    assert verify(held) == (4, f"entries up to 6 are missing, and {HOLDER} has proof of them")


def test_a_checkpoint_reveals_a_truncated_log_that_grew_again(database: Config) -> None:
    fill(6)
    fits, held = anchor(3), anchor(5)
    without_guards()
    cut_off_after(3)
    fill(4)
    assert audit.verify_chain().is_whole, "the chain alone does not show it"
    assert verify(fits, held) == (
        5,
        f"it, or an entry after 3, differs from the checkpoint of {HOLDER}",
    )


def test_a_checkpoint_reveals_a_chain_replaced_from_its_start(database: Config) -> None:
    fill(3)
    held = anchor(2)
    without_guards()
    cut_off_after(0)
    fill(5)
    assert verify(held) == (2, f"it, or an entry after 0, differs from the checkpoint of {HOLDER}")


def test_matching_checkpoints_are_counted(database: Config) -> None:
    fill(4)
    report = audit.verify_chain([anchor(4), anchor(2), anchor(2)])
    assert (report.is_whole, report.anchors) == (True, 3)


# ---- private details ----


def disabled(user_id: int = 3) -> AuditEntry:
    by = Actor("user", 1, "Ana", "owner", "192.0.2.1")
    with transaction():
        return audit.record(UserDisabled(user_id=user_id, name="Ben"), by)


def test_a_changed_name_is_found(database: Config) -> None:
    seq = disabled().seq
    without_guards()
    PrivateDetail.update(body=PrivateDetail.get_by_id(seq).body.replace("Ben", "Eve")).execute()
    assert verify() == (seq, "its personal data was changed")


def test_unreadable_details_are_found(database: Config) -> None:
    seq = disabled().seq
    without_guards()
    PrivateDetail.update(salt="no hex").execute()
    assert verify() == (seq, "its personal data was changed")
    if not is_postgres():
        # SQLite stores bytes even in a text column.
        db.execute_sql("UPDATE audit_detail SET salt = '00', body = X'FF'")
        assert verify() == (seq, "its personal data was changed")


def test_a_detail_moved_to_another_entry_is_found(database: Config) -> None:
    disabled()
    fill(1)
    without_guards()
    PrivateDetail.update(seq=2).execute()
    assert verify() == (1, GONE)


def test_missing_details_are_found_unless_an_entry_records_their_erasure(database: Config) -> None:
    seq = disabled().seq
    PrivateDetail.delete().execute()
    assert verify() == (seq, GONE)
    with transaction():
        event = PersonalDataErased(user_id=3, entries=1, reason="asked")
        audit.record(event, SYSTEM)
    report = audit.verify_chain()
    assert (report.is_whole, report.erased) == (True, (seq,))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_detail SET body = '{}'",
        "INSERT INTO audit_detail (seq, salt, body) VALUES (1, '00', '{}')",
        "INSERT INTO audit_detail (seq, salt, body) VALUES (9, '00', '{}')",
    ],
)
def test_details_are_written_with_their_entry_and_never_changed(
    database: Config, statement: str
) -> None:
    disabled()
    fill(1)
    with pytest.raises(DatabaseError):
        db.execute_sql(statement)
    assert audit.verify_chain().is_whole
