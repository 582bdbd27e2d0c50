"""Verify the audit log, follow the progress, and show a changed log on every page."""

from __future__ import annotations

import pytest

from app.domain.audit import verification
from app.models.audit import BROKEN, QUEUED, RUNNING, AuditEntry, Verification
from tests.support.database_tampering import without_guards
from tests.support.fakes import at

pytestmark = pytest.mark.both_databases


def run_verification():
    return verification.run_verification(
        Verification.latest().id, now=lambda: at("2026-11-24 10:00")
    )


@pytest.fixture
def changed_log(as_ana, site):
    """Run a verification that finds a changed entry."""
    as_ana.post("/activity/verify")
    without_guards()
    AuditEntry.update(body=AuditEntry.body.concat(" ")).where(AuditEntry.seq == 1).execute()
    assert run_verification() == BROKEN


def test_the_button_shows_progress_and_then_the_result(as_cleo, site):
    assert "Not verified yet" in as_cleo.get("/activity").text
    assert as_cleo.post("/activity/verify").headers["Location"] == "/activity/verification"
    waiting = as_cleo.get("/activity/verification").text
    assert "Verification requested by Cleo" in waiting
    assert 'hx-get="/activity/progress"' in waiting
    assert "Verify log now" not in waiting
    Verification.latest().move(to=RUNNING, when=(QUEUED,), entries=2, total=5)
    part = as_cleo.get("/activity/progress")
    assert "2 of 5 entries verified" in part.text
    assert 'value="2"' in part.text
    assert "HX-Redirect" not in part.headers
    Verification.latest().move(to=QUEUED, when=(RUNNING,))
    assert run_verification() == "whole"
    assert as_cleo.get("/activity/progress").headers["HX-Redirect"] == "/activity/verification"
    done = as_cleo.get("/activity/verification").text
    assert "Intact" in done
    assert "hx-get" not in done
    assert "Audit log verified" in as_cleo.get("/activity").text


def test_an_abandoned_verification_claims_nothing(as_ana, site):
    as_ana.post("/activity/verify")
    Verification.latest().move(to="abandoned", when=(QUEUED,))
    assert "did not finish" in as_ana.get("/activity/verification").text


def test_every_page_shows_a_changed_log_until_an_owner_dismisses_it(as_ana, as_cleo, changed_log):
    for path in ("/", "/updates", "/activity", "/account"):
        for person in (as_ana, as_cleo):
            assert "The audit log has been changed" in person.get(path).text
    assert "Entry 1: its text was changed" in as_ana.get("/").text
    assert "Dismiss this message" not in as_cleo.get("/").text
    seen = f"/activity/verifications/{Verification.latest().id}/seen"
    assert as_cleo.post(seen).status_code == 403
    assert as_ana.post(seen).status_code == 303
    assert "The audit log has been changed" not in as_ana.get("/").text
    assert "Changed" in as_ana.get("/activity").text


def test_a_client_user_sees_nothing_of_a_changed_log(as_dora, changed_log):
    assert "The audit log" not in as_dora.get("/").text
    assert as_dora.post("/activity/verify").status_code == 403


def test_no_page_names_an_erased_person(as_ana, as_ben, ben, site):
    as_ben.post("/sites/new", data={"url": "florist.example"})
    assert "Erase" not in as_ana.get("/team").text
    as_ana.post(f"/team/{ben.id}/disable")
    assert f'href="/team/{ben.id}/erase"' in as_ana.get("/team").text
    page = as_ana.get(f"/team/{ben.id}/erase").text
    assert "What stays" in page
    assert as_ana.post(f"/team/{ben.id}/erase", data={"reason": ""}).status_code == 422
    done = as_ana.post(f"/team/{ben.id}/erase", data={"reason": "asked for it"})
    assert done.status_code == 303
    for path in ("/team", "/activity"):
        assert "[erased]" in as_ana.get(path).text
        assert "Ben" not in as_ana.get(path).text
    assert as_ana.post(f"/team/{ben.id}/erase", data={"reason": "again"}).status_code == 303
