"""The activity by day: what people and Aura decided by default, routine calls on request."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from app.domain import audit
from app.domain.actor import SCHEDULE
from app.domain.audit.events import REGISTRY, AuditLogVerified, SyncRequested
from app.domain.audit.subjects import SUBJECTS, conditions, event_subject
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.views.filters import day_heading, entry_symbol

pytestmark = pytest.mark.both_databases


def shown(person, query=""):
    answer = person.get(f"/activity{query}")
    assert answer.status_code == 200
    return answer.text.split('id="entries"')[1]


def test_routine_calls_are_left_out_until_they_are_asked_for(as_cleo, today):
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


def test_what_a_person_requested_is_shown_and_the_schedule_is_not(as_cleo, ana, today):
    before = shown(as_cleo).count("requested a sync")
    with transaction():
        audit.record(SyncRequested(site_id=today.id, sync_id=8), SCHEDULE)
    assert shown(as_cleo).count("requested a sync") == before
    with transaction():
        audit.record(SyncRequested(site_id=today.id, sync_id=9), ana)
    assert shown(as_cleo).count("requested a sync") == before + 1


def test_a_search_for_an_event_or_words_covers_everything(as_cleo, today):
    assert "called the site" in shown(as_cleo, "?event=site_called")
    assert "called the site" in shown(as_cleo, "?words=report")


def test_entries_stand_below_their_day_with_a_link_to_each(as_cleo, site):
    text = shown(as_cleo)
    entry = AuditEntry.newest(event="site_added", limit=1)[0]
    assert f'id="day-{entry.at.date()}"' in text
    assert f'href="/activity/{entry.seq}"' in text
    assert f"{entry.at:%H:%M}" in text


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
def test_a_day_is_named_as_people_name_it(at, heading):
    assert day_heading(at, datetime(2026, 11, 26, tzinfo=UTC).date()) == heading


def test_every_event_belongs_to_a_subject():
    assert all(event_subject(event) for event in REGISTRY)
    assert event_subject("moon_landing") == ""
    assert all(conditions(subject) for subject in SUBJECTS if subject != "everything")
