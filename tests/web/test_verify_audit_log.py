"""Somebody has the audit log read again and sees how it goes; what is found stands on every
page."""

from __future__ import annotations

import pytest

from app.domain.audit import verification
from app.models.audit import BROKEN, QUEUED, RUNNING, AuditEntry, Verification
from tests.support.database_tampering import without_guards
from tests.support.fakes import at

pytestmark = pytest.mark.both_databases


def carried_out():
    return verification.run_verification(
        Verification.latest().id, now=lambda: at("2026-11-24 10:00")
    )


@pytest.fixture
def found(as_ana, site):
    """A reading that found an entry changed."""
    as_ana.post("/activity/verify")
    without_guards()
    AuditEntry.update(body=AuditEntry.body.concat(" ")).where(AuditEntry.seq == 1).execute()
    assert carried_out() == BROKEN


def test_the_button_shows_progress_and_then_what_was_found(as_cleo, site):
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
    assert carried_out() == "whole"
    assert as_cleo.get("/activity/progress").headers["HX-Redirect"] == "/activity/verification"
    done = as_cleo.get("/activity/verification").text
    assert "Intact" in done
    assert "hx-get" not in done
    assert "Audit log verified" in as_cleo.get("/activity").text


def test_a_reading_that_was_lost_claims_nothing(as_ana, site):
    as_ana.post("/activity/verify")
    Verification.latest().move(to="abandoned", when=(QUEUED,))
    assert "did not finish" in as_ana.get("/activity/verification").text


def test_what_is_wrong_stands_on_every_page_until_an_owner_looked(as_ana, as_cleo, found):
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


def test_somebody_at_a_client_is_told_nothing_of_it(as_dora, found):
    assert "The audit log" not in as_dora.get("/").text
    assert as_dora.post("/activity/verify").status_code == 403


def test_nobody_reads_who_was_erased(as_ana, as_ben, ben, site):
    as_ben.post("/sites/new", data={"url": "florist.example"})
    assert "Erase" not in as_ana.get("/team").text
    as_ana.post(f"/team/{ben.id}/disable")
    assert f'href="/team/{ben.id}/erase"' in as_ana.get("/team").text
    asked = as_ana.get(f"/team/{ben.id}/erase").text
    assert "What stays" in asked
    assert as_ana.post(f"/team/{ben.id}/erase", data={"reason": ""}).status_code == 422
    done = as_ana.post(f"/team/{ben.id}/erase", data={"reason": "asked for it"})
    assert done.status_code == 303
    for path in ("/team", "/activity"):
        assert "[erased]" in as_ana.get(path).text
        assert "Ben" not in as_ana.get(path).text
    assert as_ana.post(f"/team/{ben.id}/erase", data={"reason": "again"}).status_code == 303
