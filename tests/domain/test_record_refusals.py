"""Refusals are entries; nobody can fill the audit log with them or hide what others are refused."""

from __future__ import annotations

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.audit import record_refusal, refusals
from app.domain.audit.documents import entry_document
from app.domain.audit.events import AccessRefused, FormRefused
from app.models.audit import AuditEntry
from app.models.base import db
from app.models.refusals import RefusalCount
from tests.support.fakes import Clock


def refuse(by: Actor, clock: Clock, times: int = 1, per_hour: int = 5) -> None:
    for _ in range(times):
        record_refusal(AccessRefused(verb="people"), by, now=clock(), per_hour=per_hour)


def told() -> list[tuple[str, str]]:
    """Of each entry, what it is and whose."""
    return [(one.event, one.actor) for one in AuditEntry.select().order_by(AuditEntry.seq)]


def test_a_viewer_who_is_refused_all_day_hides_nobody_else(
    cleo: Actor, ben: Actor, clock: Clock
) -> None:
    refuse(cleo, clock, times=50)
    refuse(ben, clock)
    assert told() == [("access_refused", cleo.label)] * 5 + [("access_refused", ben.label)]


def test_two_networks_of_strangers_have_a_share_each(database: Config, clock: Clock) -> None:
    for ip in ("198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
        refuse(Actor.anonymous(ip), clock, times=9)
    assert AuditEntry.select().count() == 4 * 5


def test_another_kind_has_a_share_of_its_own(cleo: Actor, clock: Clock) -> None:
    refuse(cleo, clock, times=9)
    record_refusal(FormRefused(endpoint="x"), cleo, now=clock(), per_hour=5)
    assert told()[-1][0] == "form_refused"


def test_many_addresses_fill_neither_the_log_nor_the_counters(
    database: Config, clock: Clock
) -> None:
    for number in range(200):
        refuse(Actor.anonymous(f"198.51.100.{number}"), clock)
    assert AuditEntry.select().count() == 50
    assert RefusalCount.select().count() == 50 + 1


def test_after_the_hour_one_entry_says_how_many_more_there_were(
    cleo: Actor, ben: Actor, clock: Clock
) -> None:
    began = clock()
    refuse(cleo, clock, times=50)
    refuse(ben, clock, times=2)
    assert refusals.close_hours(clock.advance(minutes=59)) == 0
    assert refusals.close_hours(clock.advance(minutes=1)) == 1
    head = AuditEntry.head()
    assert (head.event, head.actor) == ("refusals_counted", cleo.label)
    assert entry_document(head)["facts"] == {
        "about": "access_refused",
        "count": 45,
        "since": began.isoformat(),
    }
    assert RefusalCount.select().count() == 0
    assert refusals.close_hours(clock.advance(hours=1)) == 0


def test_the_next_refusal_says_it_too_where_the_schedule_is_late(cleo: Actor, clock: Clock) -> None:
    refuse(cleo, clock, times=7)
    clock.advance(hours=2)
    refuse(cleo, clock)
    assert [event for event, _ in told()[-2:]] == ["refusals_counted", "access_refused"]


def test_what_went_beyond_the_share_of_all_is_told_by_aura(database: Config, clock: Clock) -> None:
    for number in range(60):
        refuse(Actor.anonymous(f"198.51.100.{number}"), clock)
    refusals.close_hours(clock.advance(hours=1))
    head = AuditEntry.head()
    assert (head.event, head.actor, entry_document(head)["facts"]["count"]) == (
        "refusals_counted",
        "system",
        10,
    )


@pytest.mark.parametrize("older", [0, 300])
def test_counting_reads_no_entries(cleo: Actor, clock: Clock, older: int) -> None:
    """The cost must not grow with the refusals of the past."""
    for _ in range(older // 5):
        refuse(cleo, clock, times=5)
        clock.advance(hours=1)
    refuse(cleo, clock, times=5)
    asked: list[str] = []
    execute = db.obj.execute_sql

    def listening(sql: str, *args: object, **more: object) -> object:
        asked.append(sql)
        return execute(sql, *args, **more)

    db.obj.execute_sql = listening
    try:
        refuse(cleo, clock)
    finally:
        del db.obj.execute_sql
    assert not [sql for sql in asked if '"audit"' in sql]


def test_the_shares_begin_again_after_an_hour(cleo: Actor, clock: Clock) -> None:
    refuse(cleo, clock, times=5)
    clock.advance(minutes=61)
    refuse(cleo, clock, times=5)
    assert told() == [("access_refused", cleo.label)] * 10
