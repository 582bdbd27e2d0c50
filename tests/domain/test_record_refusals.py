"""Record refusals; no visitor can fill the audit log with them or hide those of others."""

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


def recorded() -> list[tuple[str, str]]:
    """Return event and actor of each entry."""
    return [(entry.event, entry.actor) for entry in AuditEntry.select().order_by(AuditEntry.seq)]


def test_a_viewer_who_is_refused_all_day_hides_no_other_refusals(
    cleo: Actor, ben: Actor, clock: Clock
) -> None:
    refuse(cleo, clock, times=50)
    refuse(ben, clock)
    assert recorded() == [("access_refused", cleo.label)] * 5 + [("access_refused", ben.label)]


def test_each_network_of_visitors_has_its_own_limit(database: Config, clock: Clock) -> None:
    for ip in ("198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
        refuse(Actor.anonymous(ip), clock, times=9)
    assert AuditEntry.select().count() == 4 * 5


def test_each_kind_of_refusal_has_its_own_limit(cleo: Actor, clock: Clock) -> None:
    refuse(cleo, clock, times=9)
    record_refusal(FormRefused(endpoint="x"), cleo, now=clock(), per_hour=5)
    assert recorded()[-1][0] == "form_refused"


def test_many_addresses_fill_neither_the_log_nor_the_counters(
    database: Config, clock: Clock
) -> None:
    for number in range(200):
        refuse(Actor.anonymous(f"198.51.100.{number}"), clock)
    assert AuditEntry.select().count() == 50
    assert RefusalCount.select().count() == 50 + 1


def test_after_the_hour_one_entry_counts_the_refusals_over_the_limit(
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


def test_the_next_refusal_also_closes_the_hour(cleo: Actor, clock: Clock) -> None:
    refuse(cleo, clock, times=7)
    clock.advance(hours=2)
    refuse(cleo, clock)
    assert [event for event, _ in recorded()[-2:]] == ["refusals_counted", "access_refused"]


def test_aura_counts_the_refusals_over_the_common_limit(database: Config, clock: Clock) -> None:
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
    """The cost must not grow with the number of earlier refusals."""
    for _ in range(older // 5):
        refuse(cleo, clock, times=5)
        clock.advance(hours=1)
    refuse(cleo, clock, times=5)
    statements: list[str] = []
    execute = db.obj.execute_sql

    def record_sql(sql: str, *args: object, **more: object) -> object:
        statements.append(sql)
        return execute(sql, *args, **more)

    db.obj.execute_sql = record_sql
    try:
        refuse(cleo, clock)
    finally:
        del db.obj.execute_sql
    assert not [sql for sql in statements if '"audit"' in sql]


def test_the_limits_start_again_after_an_hour(cleo: Actor, clock: Clock) -> None:
    refuse(cleo, clock, times=5)
    clock.advance(minutes=61)
    refuse(cleo, clock, times=5)
    assert recorded() == [("access_refused", cleo.label)] * 10
