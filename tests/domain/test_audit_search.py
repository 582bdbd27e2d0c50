"""Find entries by subject, actor, time, outcome and words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import EntryFilter, find_entries
from app.domain.audit.events import ChangeEnded, Event, SiteAdded, SiteCalled, UserDisabled
from app.models.base import transaction
from tests.support.fakes import at

pytestmark = pytest.mark.both_databases

NOON = at("2026-11-24 12:00")
ANA = Actor("user", 1, "Ana Müller", "owner", "192.0.2.1")
BEN = Actor("user", 2, "Ben", "operator", "192.0.2.2")


def ended(site: int, ident: str, outcome: str, **more: str) -> ChangeEnded:
    facts = {"kind": "plugin", "name": ident, "from_version": "1.0", "to_version": "1.1", **more}
    return ChangeEnded(
        site_id=site,
        client_id=site * 10,
        change_id=1,
        op_id="x",
        ident=ident,
        outcome=outcome,
        reason="",
        how="answer",
        evidence={},
        evidence_digest="",
        **facts,
    )


@pytest.fixture(autouse=True)
def audit_log(database: Config) -> None:
    """Write seven entries, one a day, the last on the 24th."""
    events: list[tuple[Event, Actor]] = [
        (
            SiteAdded(site_id=1, client_id=10, name="Bäckerei", url="https://b.example", client=""),
            ANA,
        ),
        (SiteCalled(site_id=1, client_id=10, op="site.report", outcome="ok", elapsed_ms=3), SYSTEM),
        (ended(1, "shop/shop.php", "succeeded"), SYSTEM),
        (ended(1, "desk/desk.php", "rolled_back"), SYSTEM),
        (ended(2, "shop/shop.php", "failed"), SYSTEM),
        (ended(2, "shop", "succeeded", kind="theme"), SYSTEM),
        (UserDisabled(user_id=2, name="Ben"), BEN),
    ]
    for number, (event, by) in enumerate(events):
        with transaction():
            audit.record(event, by, now=NOON - timedelta(days=6 - number))


@pytest.mark.parametrize(
    ("which", "seqs"),
    [
        (EntryFilter(), [7, 6, 5, 4, 3, 2, 1]),
        (EntryFilter(client=10), [4, 3, 2, 1]),
        (EntryFilter(site=2), [6, 5]),
        (EntryFilter(kind="plugin"), [5, 4, 3]),
        (EntryFilter(kind="theme"), [6]),
        (EntryFilter(component="shop/shop.php"), [5, 3]),
        (EntryFilter(person=1), [1]),
        (EntryFilter(outcome="succeeded"), [6, 3]),
        (EntryFilter(outcome="ok"), []),
        (EntryFilter(event="site_called"), [2]),
        (EntryFilter(since=NOON - timedelta(days=1)), [7, 6]),
        (EntryFilter(until=NOON - timedelta(days=4)), [2, 1]),
        (EntryFilter(since=NOON - timedelta(days=3), until=NOON - timedelta(days=1)), [5, 4]),
        (EntryFilter(since=NOON + timedelta(days=1)), []),
        (EntryFilter(site=1, outcome="rolled_back", kind="plugin"), [4]),
        (EntryFilter(words="rolled back"), [4]),
        (EntryFilter(words="shop.php"), [5, 3]),
        (EntryFilter(words="SHOP"), [6, 5, 3]),
        (EntryFilter(words="backerei"), [1]),
        (EntryFilter(words="Bäcker"), [1]),
        (EntryFilter(words="muller"), [1]),
        (EntryFilter(words="192.0.2.2"), [7]),
        (EntryFilter(words="shop desk"), []),
        (EntryFilter(words="1.1", site=2), [6, 5]),
        (EntryFilter(words="nothing of this"), []),
        (EntryFilter(words="\"' OR 1=1 -- * NEAR( :* & | !"), []),
        (EntryFilter(words="%_"), []),
    ],
    ids=str,
)
def test_a_filter_finds_exactly_the_matching_entries(which: EntryFilter, seqs: list[int]) -> None:
    assert [entry.seq for entry in find_entries(which)] == seqs


def test_results_continue_where_the_last_page_ended() -> None:
    first = find_entries(EntryFilter(kind="plugin"), 2)
    assert [entry.seq for entry in first] == [5, 4]
    assert [entry.seq for entry in find_entries(EntryFilter(kind="plugin"), 2, before=4)] == [3]


def test_a_clock_that_was_set_back_hides_no_entry() -> None:
    with transaction():
        audit.record(ended(3, "late/late.php", "failed"), SYSTEM, now=NOON - timedelta(days=5))
    day = EntryFilter(since=NOON - timedelta(days=5), until=NOON - timedelta(days=4))
    assert [entry.seq for entry in find_entries(day)] == [8, 2]


def test_database_upgrades_are_a_kind_although_their_index_has_none() -> None:
    with transaction():
        upgrade = ended(1, "wordpress", "succeeded", kind="database")
        seq = audit.record(upgrade, SYSTEM, now=NOON).seq
        audit.record(ended(1, "wordpress", "succeeded"), SYSTEM, now=NOON)
    assert [entry.seq for entry in find_entries(EntryFilter(kind="database"))] == [seq]
