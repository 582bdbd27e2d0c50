"""Renew the keys of a site, and decide about a site in quarantine."""

from __future__ import annotations

import pytest

from app.domain.connection import rotation
from app.models.base import utcnow
from app.models.rotations import Rotation
from app.models.sites import FORKED, MOVED, Site
from tests.support.factories import make_site, read_report

NEW = "https://new.example"


@pytest.fixture
def moved(paired, fake, config):
    """Return a site whose administrator asks Aura to follow it to another address."""
    read_report(paired, fake, config=config)
    evidence = {"paired": paired.url, "now": NEW, "how": "notice", "endpoints": []}
    paired.note(when=(paired.state,), quarantine=MOVED, quarantine_evidence=evidence)
    return paired


@pytest.fixture
def forked(paired, fake, config):
    read_report(paired, fake, config=config)
    evidence = {"seen": 9, "answered": 2}
    paired.note(when=(paired.state,), quarantine=FORKED, quarantine_evidence=evidence)
    return paired


def carry_out(renewal, fake, config):
    """Renew the keys as the worker does, at the current time."""
    fake.clock.now = utcnow()
    rotation.run_rotation(renewal.id, config=config, call=fake.call, now=fake.clock)


def test_new_keys_are_requested_shown_and_made(as_ben, paired, fake, config, jobs):
    answer = as_ben.post(f"/sites/{paired.id}/keys/rotate")
    assert answer.status_code == 303
    renewal = Rotation.get()
    assert renewal.requested_by == "Ben"
    assert jobs.jobs == [("rotate_keys", (renewal.id,), 0)]
    shown = as_ben.get(f"/sites/{paired.id}/connection").text
    assert "The current keys work until the new ones are confirmed" in shown
    assert "data-poll" in shown
    assert "Renew keys" not in shown
    carry_out(renewal, fake, config)
    after = as_ben.get(f"/sites/{paired.id}/connection").text
    assert "The keys were last renewed" in after
    assert "Renew keys" in after
    assert Site.get_by_id(paired.id).key_id in after


def test_a_second_click_is_refused_while_keys_are_renewed(as_ben, paired):
    as_ben.post(f"/sites/{paired.id}/keys/rotate")
    assert as_ben.post(f"/sites/{paired.id}/keys/rotate").status_code == 409
    assert Rotation.select().count() == 1


def test_a_failed_attempt_says_why_and_what_works(as_ben, paired, fake, config):
    as_ben.post(f"/sites/{paired.id}/keys/rotate")
    fake.refusing["keys.rotate"] = "invalid_arguments"
    carry_out(Rotation.get(), fake, config)
    shown = as_ben.get(f"/sites/{paired.id}/connection").text
    assert "The current keys still work" in shown
    assert "SiteAgent refused the call" in shown


def test_a_moved_site_offers_three_choices(as_ben, moved):
    shown = as_ben.get(f"/sites/{moved.id}/connection").text
    assert "Paused: possible copy" in shown
    for choice in ("Use new address", "Keep original", "Revoke access"):
        assert choice in shown
    assert NEW in shown


def test_using_the_new_address_requests_keys_there(as_ben, moved):
    assert as_ben.post(f"/sites/{moved.id}/quarantine/follow").status_code == 303
    renewal = Rotation.get()
    assert renewal.home == NEW
    assert all(endpoint.startswith(f"{NEW}/") for endpoint in renewal.endpoints)
    assert (
        "Agreeing with the site at new.example" in as_ben.get(f"/sites/{moved.id}/connection").text
    )


def test_keeping_the_original_requests_keys_at_its_address(as_ben, moved):
    as_ben.post(f"/sites/{moved.id}/keys/rotate")
    assert Rotation.get().home == ""


def test_the_page_explains_a_forked_site(as_ben, forked):
    shown = as_ben.get(f"/sites/{forked.id}/connection").text
    assert "restored from a backup, or a copy answers" in shown
    assert "Accept site and renew keys" in shown
    assert "Use new address" not in shown


def test_a_move_that_is_over_cannot_be_followed(as_ben, paired):
    assert as_ben.post(f"/sites/{paired.id}/quarantine/follow").status_code == 409
    assert Rotation.select().count() == 0


def test_the_address_of_another_site_cannot_be_used(as_ben, moved, ana, clock):
    make_site(ana, now=clock(), url=NEW)
    answer = as_ben.post(f"/sites/{moved.id}/quarantine/follow")
    assert answer.status_code == 409
    assert "Another site already has this address" in answer.text


@pytest.mark.parametrize("path", ["keys/rotate", "quarantine/follow", "server-login"])
def test_a_viewer_decides_nothing(as_cleo, moved, path):
    assert as_cleo.post(f"/sites/{moved.id}/{path}").status_code == 403
    shown = as_cleo.get(f"/sites/{moved.id}/connection").text
    assert "Renew keys" not in shown
    assert "Use new address" not in shown
    assert Rotation.select().count() == 0


def test_hostile_addresses_stay_text(as_ben, moved):
    evidence = {
        "paired": "x",
        "now": "https://a.example/<script>alert(1)</script>",
        "how": "notice",
    }
    moved.note(when=(moved.state,), quarantine_evidence=evidence)
    assert "<script>alert(1)" not in as_ben.get(f"/sites/{moved.id}/connection").text
