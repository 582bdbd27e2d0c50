"""Check a failed or rolled-back update: find it, look at the site, mark it as checked."""

from __future__ import annotations

import re

import pytest

from app.domain.audit.documents import entry_document
from app.domain.changes import page_questions
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.changes import Change
from tests.support.factories import AKISMET, approve, run_change
from tests.support.fake_changes import ERROR
from tests.support.fakes import FakeSite


@pytest.fixture
def ended(proposed, ana, fake: FakeSite, config):
    """Run the change with the outcome that the test chooses, and return it."""

    def run(plays):
        fake.clock.now = utcnow()
        fake.changes.plays[AKISMET] = plays
        approve(proposed, ana, config, fake.clock())
        run_change(proposed, fake, config)
        return proposed

    return run


def add_later_successes(change: Change, count: int) -> None:
    """Create `count` updates that succeeded after `change`."""
    row = change.__data__ | {"state": "succeeded", "is_incident": False, "outcome_reason": ""}
    del row["id"]
    for number in range(count):
        Change.create(
            **row
            | {"op_id": f"later-{number}", "batch": f"later-{number}", "name": f"Later {number}"}
        )


def listed(text: str, card: str) -> list[str]:
    """Return the names in one card of the page."""
    if f'id="{card}"' not in text:
        return []
    part = text.split(f'id="{card}"', 1)[1].split("</section>", 1)[0]
    return re.findall(r'class="cell-name" href="/changes/\d+">([^<]+)</a>', part)


@pytest.mark.parametrize("plays", [("rolled_back", "fatal_after"), ("failed", "inactive_after")])
def test_a_failed_update_stays_listed_until_it_is_checked(as_ana, ended, plays):
    change = ended(plays)
    add_later_successes(change, 60)
    assert listed(as_ana.get("/updates/done").text, "to-check") == ["Akismet"]
    assert "for you" in as_ana.get("/account").text
    path = f"/changes/{change.id}/close"
    assert as_ana.post(path, data={"note": "shop works"}).status_code == 303
    text = as_ana.get("/updates/done").text
    assert listed(text, "to-check") == []
    assert "Akismet 5.3.1" not in listed(text, "batches")
    assert "Checked by Ana" in as_ana.get(f"/changes/{change.id}").text
    assert as_ana.post(path, data={"note": "again"}).status_code == 409


def test_a_rollback_is_acknowledged_without_a_note_and_recorded(as_ben, ended):
    change = ended(("rolled_back", "fatal_after"))
    assert as_ben.post(f"/changes/{change.id}/close", data={"note": ""}).status_code == 303
    last = entry_document(AuditEntry.newest(event="change_acknowledged", limit=1)[0])
    assert (last["actor"]["name"], last["facts"]["change_id"]) == ("Ben", change.id)


def test_a_failed_update_that_pauses_its_site_needs_a_note(as_ben, ended):
    change = ended(("failed", "inactive_after"))
    assert as_ben.post(f"/changes/{change.id}/close", data={"note": ""}).status_code == 422
    assert Change.get_by_id(change.id).needs_checking


def test_a_viewer_sees_the_update_and_gets_no_button(as_cleo, ended):
    change = ended(("rolled_back", "fatal_after"))
    text = as_cleo.get(f"/changes/{change.id}").text
    assert "Needs checking" in text
    assert "Mark as checked" not in text
    assert as_cleo.post(f"/changes/{change.id}/close", data={"note": "x"}).status_code == 403


def test_the_batch_page_shows_whether_sites_need_checking(as_ana, ended):
    change = ended(("rolled_back", "fatal_after"))
    assert (
        "Sites that need checking are listed first" in as_ana.get(f"/updates/{change.batch}").text
    )
    as_ana.post(f"/changes/{change.id}/close", data={"note": "shop works"})
    text = as_ana.get(f"/updates/{change.batch}").text
    assert "Sites that need checking" not in text
    assert "A team member checked each of them." in text


def test_a_successful_update_needs_no_checking(as_ana, ended):
    change = ended(("succeeded", ""))
    assert listed(as_ana.get("/updates/done").text, "to-check") == []
    assert as_ana.post(f"/changes/{change.id}/close", data={"note": "x"}).status_code == 409


def test_an_update_without_a_result_ends_when_a_person_checks_the_site(as_ana, ended):
    change = ended(("succeeded", ""))
    pending = {"next_attempt_at": utcnow(), "ended_at": None}
    Change.update(state="unknown", is_incident=True, **pending).execute()
    path = f"/updates/{change.batch}"
    assert "Running: " in as_ana.get(path).text
    as_ana.post(f"/changes/{change.id}/close", data={"note": "The new version is there"})
    text = as_ana.get(path).text
    assert "Done: " in text
    assert "0 of 1 updated, 1 failed, rolled back or unknown" in text
    assert "Nothing was changed" not in text
    assert "data-poll" not in text
    text = as_ana.get(f"/changes/{change.id}").text
    assert "The result is not known" in text
    assert "Review updates of this site" in text


def test_a_batch_does_not_call_an_unproven_update_working(as_ana, ended):
    path = f"/updates/{ended(('succeeded', '')).batch}"
    assert "its home page still works" in as_ana.get(path).text
    Change.update(outcome_reason="unproven").execute()
    text = as_ana.get(path).text
    assert "All installed, 1 not seen working" in text
    assert "its home page still works" not in text


def test_the_update_page_says_that_the_previous_version_was_restored(as_ana, ended):
    change = ended(("succeeded", ""))
    about = (change.site_id, change.kind, change.ident, change.to_version)
    assert "Previous version restored" not in as_ana.get(f"/changes/{change.id}").text
    page_questions.close_restored(*about, utcnow())
    text = " ".join(as_ana.get(f"/changes/{change.id}").text.split())
    assert "Previous version restored" in text
    assert "5.3 was restored in the site's wp-admin" in text.replace("&#39;", "'")


def test_finished_updates_are_paged_and_filtered_by_result(as_ana, ended):
    change = ended(("rolled_back", "fatal_after"))
    add_later_successes(change, 65)
    found, path, pages = [], "/updates/done", 0
    while path:
        text = as_ana.get(path).text
        found += listed(text, "batches")
        older = re.search(r'href="([^"]+)"[^>]*><span>Older</span>', text)
        path = older.group(1).replace("&amp;", "&") if older else ""
        pages += 1
    assert pages == 3
    assert sorted(found) == sorted(
        ["Akismet 5.3.1", *(f"Later {number} 5.3.1" for number in range(65))]
    )
    assert listed(as_ana.get("/updates/done?outcome=bad").text, "batches") == ["Akismet 5.3.1"]
    assert "No updates with this result." in as_ana.get("/updates/done?outcome=not_done").text


@pytest.mark.parametrize("query", ["?outcome=nonsense", "?page=x", "?page=0", "?page=" + "9" * 30])
def test_an_invalid_page_or_filter_shows_the_first_page(as_ana, ended, query):
    ended(("rolled_back", "fatal_after"))
    assert listed(as_ana.get(f"/updates/done{query}").text, "batches") == ["Akismet 5.3.1"]


# ---- evidence ----


def evidence_rows(text: str) -> list[str]:
    part = text.split('id="evidence"', 1)[1].split("</table>", 1)[0]
    return re.findall(r'scope="row"[^>]*><div class="cell">([^<]+)</div>', part)


def test_a_rollback_shows_the_new_version_and_its_error(as_ana, ended):
    text = as_ana.get(f"/changes/{ended(('rolled_back', 'fatal_after')).id}").text
    assert evidence_rows(text) == ["Before", "With 5.3.1", "After rollback"]
    assert text.count(ERROR) == 2  # in the headline's box and in its row
    assert "Page is broken" in text


def test_an_older_siteagent_sends_no_state_during_the_update(as_ana, ended, fake, monkeypatch):
    install = fake.changes._install
    monkeypatch.setattr(fake.changes, "_install", lambda *a: without_during(install(*a)))
    text = as_ana.get(f"/changes/{ended(('rolled_back', 'fatal_after')).id}").text
    assert evidence_rows(text) == ["Before", "After rollback"]


def without_during(reply: dict) -> dict:
    del reply["evidence"]["during"]
    return reply
