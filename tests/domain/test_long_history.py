"""After years of updates and syncs, pages read only what they show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import ChangeEnded, ChangeProposed
from app.domain.reporting import data
from app.domain.reporting.client_report import ClientReport, Period
from app.models import change_batches, fleet
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.change_batches import ENDED, TO_APPROVE, UNDER_WAY
from app.models.changes import FAILED, SUCCEEDED, Change
from app.models.clients import Client
from app.models.daily_checks import DailyChecks
from app.models.reports import Sync
from app.models.sites import Site
from app.models.update_stories import UpdateStory, read_stories, stories_column
from app.models.visibility import EVERYTHING
from tests.support.fakes import Clock
from tests.support.query_plans import scanned_tables

pytestmark = pytest.mark.both_databases

USUAL = data.MOST_TOLD + 5


def add_updates(like: Change, count: int, state: str, ident: str = "") -> list[Change]:
    """Add ended updates, each in a batch of its own."""
    added = []
    for _ in range(count):
        own = {"op_id": str(uuid4()), "batch": str(uuid4()), "state": state, "ended_at": None}
        own["closed_by"] = "" if state == SUCCEEDED else "Ana"
        columns = {**like.__data__, "id": None, **own, "ident": ident or like.ident}
        added.append(Change.create(**columns))
    return added


def record_update(change: Change, outcome: str, now: Any) -> None:
    """Record the entries that a report reads of an update."""
    digest = "0" * 64
    ended = {"outcome": outcome, "reason": "", "how": "answer", "evidence": {}}
    with transaction():
        audit.record(ChangeProposed.of(change, reason=""), SYSTEM, now=now)
        audit.record(ChangeEnded.of(change, **ended, evidence_digest=digest), SYSTEM, now=now)


def report_for(site: Site, ana: Actor, config: Config, now: Any) -> ClientReport:
    client = Client.get(Client.name == "Bakery Ltd")
    period = Period.of_days(now.date() - timedelta(days=1), now.date())
    return data.compute_for(client, period, by=ana, config=config, now=now)


@pytest.fixture
def bakery(ready: Site) -> Site:
    Site.update(client=Client.named("Bakery Ltd")).where(Site.id == ready.id).execute()
    return ready


READS: dict[str, Callable[[], object]] = {
    "what waits for people": lambda: Change.awaiting_people(EVERYTHING),
    "numbers of batches": lambda: change_batches.counts(EVERYTHING),
    "batches to approve": lambda: change_batches.listing(TO_APPROVE, visible=EVERYTHING, limit=31),
    "batches under way": lambda: change_batches.listing(UNDER_WAY, visible=EVERYTHING, limit=31),
    "progress of syncs": lambda: Sync.progress(EVERYTHING),
    "open updates of sites": lambda: fleet.open_changes([1, 2], EVERYTHING),
}


@pytest.mark.parametrize("what", READS)
def test_no_page_reads_all_updates_or_all_syncs(ready: Site, proposed: Change, what: str) -> None:
    assert scanned_tables(READS[what]) & {"change", "sync", "audit"} == set()


def test_updates_of_a_day_are_found_by_their_time(proposed: Change, clock: Clock) -> None:
    def read() -> object:
        return fleet.count_fleet(clock() - timedelta(days=1), EVERYTHING)

    assert scanned_tables(read) & {"change"} == set()


def test_a_report_reads_the_entries_of_its_sites(bakery: Site, clock: Clock) -> None:
    is_about = AuditEntry.site_id.in_(Site.select(Site.id).where(Site.client == bakery.client_id))
    events = ["change_proposed", "change_ended"]
    query = stories_column(is_about, clock(), clock(), events, most_whole=9)
    assert scanned_tables(lambda: query.scalar()) & {"audit"} == set()


def test_each_ended_batch_is_on_one_page(proposed: Change) -> None:
    added = add_updates(proposed, 7, SUCCEEDED) + add_updates(proposed, 2, FAILED)
    seen: list[str] = []
    before = None
    while rows := change_batches.listing(ENDED, visible=EVERYTHING, limit=4, before=before):
        seen += [row.batch for row in rows]
        before = rows[-1].last_id
    assert seen == [change.batch for change in reversed(added)]
    failed = change_batches.listing(ENDED, visible=EVERYTHING, limit=4, outcome="bad")
    assert [row.batch for row in failed] == [change.batch for change in reversed(added[7:])]


def test_a_batch_with_an_open_update_has_not_ended(proposed: Change) -> None:
    (ended,) = add_updates(proposed, 1, SUCCEEDED)
    Change.update(batch=proposed.batch).where(Change.id == ended.id).execute()
    assert change_batches.listing(ENDED, visible=EVERYTHING, limit=4) == []
    (row,) = change_batches.listing(TO_APPROVE, visible=EVERYTHING, limit=4)
    assert (row.changes, row.change_id, row.last_id) == (2, proposed.id, ended.id)


def test_a_long_report_adds_up_successful_updates(
    bakery: Site, proposed: Change, ana: Actor, config: Config, clock: Clock
) -> None:
    for change in add_updates(proposed, USUAL, SUCCEEDED):
        record_update(change, SUCCEEDED, clock())
    (failed,) = add_updates(proposed, 1, FAILED)
    record_update(failed, FAILED, clock())
    found = report_for(bakery, ana, config, clock.advance(minutes=1))
    (usual,) = found.usual_updates
    assert (usual.count, usual.sites) == (USUAL, 1)
    assert usual.first.seq < usual.last.seq
    assert usual.last.event == "change_ended"
    assert failed.id in [story.change_id for story in found.changes]
    assert SUCCEEDED not in [story.state for story in found.changes]
    assert found.outcomes[SUCCEEDED] == USUAL
    assert found.outcomes[FAILED] == 1


def test_a_short_report_lists_each_update(
    bakery: Site, proposed: Change, ana: Actor, config: Config, clock: Clock
) -> None:
    for change in add_updates(proposed, 3, SUCCEEDED):
        record_update(change, SUCCEEDED, clock())
    found = report_for(bakery, ana, config, clock.advance(minutes=1))
    assert found.usual_updates == ()
    assert [story.state for story in found.changes].count(SUCCEEDED) == 3
    assert found.outcomes[SUCCEEDED] == 3


def test_many_successful_updates_are_read_without_their_entries(
    bakery: Site, proposed: Change, clock: Clock
) -> None:
    for state in (SUCCEEDED, SUCCEEDED, FAILED):
        for change in add_updates(proposed, 1, state):
            record_update(change, state, clock())
    is_about, events = AuditEntry.site_id == bakery.id, ["change_proposed", "change_ended"]

    def read(most_whole: int) -> list[UpdateStory]:
        until = clock() + timedelta(minutes=1)
        query = stories_column(is_about, clock(), until, events, most_whole=most_whole)
        return read_stories(query.scalar())

    whole, many = read(4), read(3)
    # The oldest update, which is only proposed, has one entry.
    assert [len(story.seqs) for story in whole] == [2, 2, 2, 1]
    assert [len(story.seqs) for story in many] == [2, 0, 0, 1]
    assert [story.success for story in whole] == [story.success for story in many]


def test_consecutive_days_without_a_pause_are_read_as_one_period(ready: Site, clock: Clock) -> None:
    DailyChecks.delete().execute()
    begin = clock().replace(hour=0, minute=10, second=0, microsecond=0)
    pause = [[(begin + timedelta(hours=h)).isoformat() for h in (4, 9)]]
    for number in range(10):
        at = begin + timedelta(days=number)
        DailyChecks.create(
            site=ready, day=at.date(), made=24, answered=24 - (number == 2), not_made=1,
            first_at=at, last_at=at + timedelta(hours=23), gaps=pause if number == 6 else [],
        )  # fmt: skip
    in_period = DailyChecks.between(Site.id, date(2000, 1, 1), date(2100, 1, 1))
    column = DailyChecks.added_up(in_period, timedelta(hours=3)).alias("days")
    row = Site.select(column).where(Site.id == ready.id).get()
    days = sorted(DailyChecks.read_added_up(row.days), key=lambda period: period.first_at)
    assert [(period.made, period.answered, period.not_made) for period in days] == [
        (48, 48, 2), (24, 23, 1), (72, 72, 3), (24, 24, 1), (72, 72, 3)
    ]  # fmt: skip
    assert [len(period.gaps) for period in days] == [0, 0, 0, 1, 0]
    assert (days[0].first_at, days[-1].last_at) == (begin, begin + timedelta(days=9, hours=23))
