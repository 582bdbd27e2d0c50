"""Run a periodic task in several schedulers at the same moment: its work is done once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import Actor
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.reports import OPEN, Sync
from jobs import periodic
from tests.support import racing
from tests.support.busy_fleet import PERIODIC, Fleet
from tests.support.fakes import RecordingQueue

pytestmark = pytest.mark.both_databases


@pytest.fixture(scope="module", autouse=True)
def _racers_end() -> Iterator[None]:
    yield
    racing.end_racers()


@pytest.fixture
def fleet(ana: Actor, config: Config, jobs: RecordingQueue) -> Fleet:
    return Fleet.make(ana, config)


def run_task(config: Config, name: str) -> int:
    return periodic.TASKS[name](config, utcnow())


def entries_since(seq: int) -> Counter[tuple[str, int | None]]:
    """Count each event of each site after an entry of the audit log."""
    entries = AuditEntry.select().where(AuditEntry.seq > seq)
    return Counter((entry.event, entry.site_id) for entry in entries)


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(PERIODIC))
def test_due_work_is_done_once(name: str, fleet: Fleet, config: Config) -> None:
    prepare, count = PERIODIC[name]
    prepare(fleet)
    before = AuditEntry.last_seq()
    found = racing.race(run_task, config, name)
    # Some racers saw the work of others, but none found more than there was.
    assert max(found) <= count <= sum(found)
    # The fleet has one piece of work for each site.
    assert set(entries_since(before).values()) <= {1}
    assert audit.verify_chain().is_whole


def test_each_due_site_is_synced_once(fleet: Fleet, config: Config) -> None:
    fleet.let_syncs_be_due()
    found = racing.race(run_task, config, "request_due_syncs")
    assert sum(found) == max(found)
    open_syncs = Counter(sync.site_id for sync in Sync.select().where(Sync.state.in_(OPEN)))
    assert set(open_syncs.values()) == {1}
