"""The activity by day: decisions of people and Aura by default, routine calls on request."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import audit
from app.domain.actor import SCHEDULE
from app.domain.audit.events import REGISTRY, AuditLogVerified, ChangeEnded, SyncRequested
from app.domain.audit.subjects import SUBJECTS, conditions, event_subject
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import transaction, utcnow
from app.views.entry_groups import entry_groups
from app.views.filters import day_heading, entry_symbol
from tests.support.factories import AKISMET, make_site

pytestmark = pytest.mark.both_databases

BODY = json.dumps(
    {"event": "change_ended", "at": "", "actor": {"kind": "schedule"}, "private": None,
     "site": None, "client": None, "facts": {}}
)  # fmt: skip


def shown(person, query=""):
    answer = person.get(f"/activity{query}")
    assert answer.status_code == 200
    return answer.text.split('id="entries"')[1]


def test_routine_calls_are_left_out_until_requested(as_cleo, today):
    usual = shown(as_cleo)
    assert "added the site" in usual
    assert "The site was paired" in usual
    assert "called the site" not in usual
    assert "The site was synced" not in usual
    everything = shown(as_cleo, "?subject=everything")
    assert "called the site" in everything
    assert "The site was synced" in everything


def test_the_subjects_narrow_the_entries(as_cleo, today):
    people = shown(as_cleo, "?subject=people")
    assert "added the site" in people
    assert "called the site" not in people
    with transaction():
        audit.record(AuditLogVerified(entries=3, head="ab" * 32, checkpoints=0), SCHEDULE)
    assert "Audit log verified" in shown(as_cleo)
    assert "Audit log verified" not in shown(as_cleo, "?subject=people")
    connections = shown(as_cleo, "?subject=connections")
    assert "The site was paired" in connections
    assert "added the site" not in connections
    assert "No entries found" in shown(as_cleo, "?subject=updates")
    assert "added the site" in shown(as_cleo, "?subject=nonsense")


def test_requests_of_people_are_shown_and_scheduled_ones_are_not(as_cleo, ana, today):
    before = shown(as_cleo).count("requested a sync")
    with transaction():
        audit.record(SyncRequested(site_id=today.id, sync_id=8), SCHEDULE)
    assert shown(as_cleo).count("requested a sync") == before
    with transaction():
        audit.record(SyncRequested(site_id=today.id, sync_id=9), ana)
    assert shown(as_cleo).count("requested a sync") == before + 1


def test_a_search_for_an_event_or_words_covers_everything(as_cleo, today):
    assert "called the site" in shown(as_cleo, "?event=site_called")
    assert "called the site" in shown(as_cleo, "?words=pair.hello")


def test_entries_are_listed_by_day_with_a_link_to_each(as_cleo, site):
    text = shown(as_cleo)
    entry = AuditEntry.newest(event="site_added", limit=1)[0]
    assert f'id="day-{entry.at.date()}"' in text
    assert f'href="/activity/{entry.seq}"' in text
    assert f"{entry.at:%H:%M}" in text


def test_the_days_of_the_filters_are_the_days_of_the_list(as_cleo, cleo, ana, database):
    """In Sydney it is the 25th while it is still the 24th in UTC."""
    User.update(time_zone="Australia/Sydney").where(User.id == cleo.id).execute()
    make_site(ana, now=datetime(2026, 11, 24, 21, 30, tzinfo=UTC))
    assert 'id="day-2026-11-25"' in shown(as_cleo, "?since=2026-11-25&until=2026-11-25")
    assert "No entries found" in shown(as_cleo, "?since=2026-11-24&until=2026-11-24")


def test_a_day_out_of_range_is_refused_beside_its_field(as_cleo, cleo):
    User.update(time_zone="Australia/Sydney").where(User.id == cleo.id).execute()
    answer = as_cleo.get("/activity?since=0001-01-01")
    assert (answer.status_code, 'id="f-since-error"' in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("event", "outcome", "symbol"),
    [
        ("alert_raised", "", "octagon-x"),
        ("change_ended", "rolled_back", "undo"),
        ("change_proposed", "", "circle-arrow-up"),
        ("signed_in", "", "user"),
        ("moon_landing", "", "circle-dot"),
    ],
)
def test_an_entry_has_the_icon_of_its_outcome_or_subject(event, outcome, symbol):
    assert entry_symbol(AuditEntry(event=event, outcome=outcome)) == symbol


@pytest.mark.parametrize(
    ("at", "heading"),
    [
        (date(2026, 11, 26), "Today"),
        (date(2026, 11, 25), "Yesterday"),
        (date(2026, 11, 24), "Tuesday, 24 Nov 2026"),
        (date(2026, 11, 27), "Friday, 27 Nov 2026"),
    ],
)
def test_recent_days_have_relative_headings(at, heading):
    assert day_heading(at, datetime(2026, 11, 26, tzinfo=UTC).date()) == heading


def test_each_day_has_one_heading_although_a_clock_was_set_back(as_cleo, today):
    midnight = datetime(2027, 3, 2, tzinfo=UTC)
    for minutes in (-5, 2, -1, 4):
        with transaction():
            at = midnight + timedelta(minutes=minutes)
            audit.record(
                AuditLogVerified(entries=3, head="ab" * 32, checkpoints=0), SCHEDULE, now=at
            )
    page = shown(as_cleo)
    assert page.count('<h2 id="day-2027-03-02">') == 1
    assert page.count('<h2 id="day-2027-03-01">') == 1


def test_every_event_belongs_to_a_subject():
    assert all(event_subject(event) for event in REGISTRY)
    assert event_subject("moon_landing") == ""
    assert all(conditions(subject) for subject in SUBJECTS if subject != "everything")


def record_result(site, number: int, outcome: str = "succeeded") -> None:
    """Record the result of an update of this site."""
    about = {"op_id": str(uuid4()), "kind": "plugin", "ident": AKISMET, "name": "Akismet"}
    result = {"outcome": outcome, "reason": "", "how": "answer", "evidence": {}}
    entry = ChangeEnded(
        site_id=site.id,
        change_id=number,
        from_version="5.3",
        to_version="5.3.1",
        evidence_digest="ab" * 32,
        **about,
        **result,
    )
    with transaction():
        audit.record(entry, SCHEDULE)


def test_a_night_of_updates_is_folded_into_one_line(as_ana, today, ana):
    other = make_site(ana, now=utcnow(), url="https://florist.example", name="Florist")
    for number in range(1, 4):
        record_result(today, number)
    record_result(other, 4)
    for page in (shown(as_ana), as_ana.get("/").text):
        assert "4 updates on 2 sites succeeded." in page
    page = shown(as_ana)
    assert page.count("<details") == 1
    inside = page.split("<details")[1].split("</details>")[0]
    assert [f"Update {number}, " in inside for number in range(1, 6)] == [True] * 4 + [False]
    assert "Florist" in inside


def test_an_unusual_result_keeps_its_own_line(as_ana, today):
    for number, outcome in enumerate(["succeeded", "succeeded", "rolled_back", "succeeded"], 1):
        record_result(today, number, outcome)
    for page in (shown(as_ana), as_ana.get("/").text):
        assert "updates on one site" not in page
        assert "<strong>rolled back</strong>" in page


@given(st.lists(st.tuples(st.sampled_from(["change_ended", "site_added"]), st.integers(1, 2))))
def test_folding_loses_no_entry_and_keeps_the_order(rows):
    entries = [
        AuditEntry(seq=seq, event=event, site_id=site, actor="", outcome="succeeded", body=BODY)
        for seq, (event, site) in enumerate(rows)
    ]
    for entry in entries:
        entry.detail = None  # which the database would be asked for
    groups = entry_groups(entries)
    assert [item for group in groups for item in group.entries] == entries
    assert all(len(group.entries) not in (0, 2) for group in groups)
    assert all(item.first.event == "change_ended" for item in groups if item.is_folded)
