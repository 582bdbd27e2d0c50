"""Somebody looks into what a site's log and the trail tell differently, and says what it was."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain import alarms
from app.domain.actor import SYSTEM, Actor
from app.models.accounts import MemberSession
from app.models.alarms import Alarm
from app.models.base import transaction, utcnow
from app.models.sites import Site
from tests.support.fakes import FakeSite, RecordingQueue

EVIDENCE = {
    "site": {"entry": 12, "at": "2026-11-24T10:00:00+00:00", "event": "answered", "nonce": "<n>"},
    "aura": {},
}


def raise_one(site: Site, kind: str = alarms.CALL_UNKNOWN, key: str = "n1") -> Alarm:
    with transaction():
        alarms.raise_alarm(site, kind, key, EVIDENCE, SYSTEM, utcnow())
    return Alarm.get(Alarm.key == key, Alarm.kind == kind)


def test_without_alarms_the_page_says_that_both_agree(as_cleo) -> None:
    text = as_cleo.get("/alarms").text
    assert "agree, as far as they were read" in text
    assert "Alarms (" not in text


@pytest.mark.parametrize("kind", alarms.KINDS)
def test_each_kind_has_words_of_its_own(as_ana, paired: Site, kind: str) -> None:
    alarm = raise_one(paired, kind)
    text = as_ana.get(f"/alarms/{alarm.id}").text
    headline = text.split("<h1>")[1].split("</h1>")[0]
    assert kind not in headline
    assert kind.replace("_", " ").capitalize() != headline
    assert text.count("<li>") > 3
    assert "Make new keys for Bakery" in text
    assert headline in as_ana.get("/alarms").text


def test_the_number_stands_in_the_navigation_the_list_and_on_the_sites_page(
    as_cleo, paired: Site
) -> None:
    raise_one(paired)
    raise_one(paired, key="n2")
    assert "Alarms (2)" in as_cleo.get("/account").text
    assert "2 open alarms" in as_cleo.get("/").text
    page = as_cleo.get(f"/sites/{paired.id}").text
    assert "2 open alarms" in page
    assert "Somebody else called the site" in page


def test_evidence_of_both_sides_is_shown_and_never_as_markup(as_cleo, paired: Site) -> None:
    text = as_cleo.get(f"/alarms/{raise_one(paired).id}").text
    assert "&lt;n&gt;" in text
    assert "<n>" not in text
    assert "Nothing: the trail has no such entry." in text


def test_doubt_about_the_trail_stands_on_every_page_of_an_owner(
    as_ana, as_ben, paired: Site
) -> None:
    raise_one(paired, alarms.TRAIL_LOST)
    for path in ("/", "/changes", "/account", "/audit", f"/sites/{paired.id}"):
        assert "this trail does not hold" in as_ana.get(path).text
        assert "this trail does not hold" not in as_ben.get(path).text


def test_it_is_closed_with_words_and_by_whom_it_was(as_ana, paired: Site) -> None:
    alarm = raise_one(paired)
    assert as_ana.post(f"/alarms/{alarm.id}/close", data={"note": ""}).status_code == 422
    answer = as_ana.post(f"/alarms/{alarm.id}/close", data={"note": "Our <own> test"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/alarms")
    text = as_ana.get("/alarms").text
    assert "Our &lt;own&gt; test" in text
    assert "closed alarm" in as_ana.get("/audit").text


def test_somebody_who_was_away_shows_first_who_they_are(as_ana, paired: Site, database) -> None:
    alarm = raise_one(paired)
    as_ana.get("/")
    MemberSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    assert "You will be asked for your password first." in as_ana.get(f"/alarms/{alarm.id}").text
    answer = as_ana.post(f"/alarms/{alarm.id}/close", data={"note": "a test of ours"})
    assert "Confirm that it is you" in answer.text
    assert 'value="a test of ours"' in answer.text
    alarm.refresh()
    assert alarm.is_open


def test_who_only_looks_is_offered_no_button_and_a_client_sees_no_alarm(
    as_cleo, as_dora, paired: Site
) -> None:
    alarm = raise_one(paired)
    assert "Close this alarm" not in as_cleo.get(f"/alarms/{alarm.id}").text
    assert as_cleo.post(f"/alarms/{alarm.id}/close", data={"note": "x"}).status_code == 403
    assert as_dora.get("/alarms").status_code == 403
    assert as_dora.get(f"/alarms/{alarm.id}").status_code == 403
    assert "Alarms" not in as_dora.get("/").text


def test_an_unknown_alarm_is_not_found(as_ana) -> None:
    assert as_ana.get("/alarms/99").status_code == 404


def test_the_button_has_the_log_read(
    as_ben, as_cleo, paired: Site, jobs: RecordingQueue, fake: FakeSite, ana: Actor
) -> None:
    assert as_cleo.post(f"/sites/{paired.id}/log/read").status_code == 403
    assert as_ben.post(f"/sites/{paired.id}/log/read").status_code == 303
    assert ("read_log", (paired.id,), 0) in jobs.jobs
