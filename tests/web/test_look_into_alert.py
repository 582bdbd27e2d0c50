"""Read an alert with the evidence of both logs, and resolve it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app.domain import alerts
from app.domain.actor import SYSTEM, Actor
from app.models.accounts import UserSession
from app.models.alerts import Alert
from app.models.base import transaction, utcnow
from app.models.sites import Site
from tests.support.fakes import FakeSite, RecordingQueue

EVIDENCE = {
    "site": {"entry": 12, "at": "2026-11-24T10:00:00+00:00", "event": "answered", "nonce": "<n>"},
    "aura": {},
}


def raise_alert(site: Site, kind: str = alerts.CALL_UNKNOWN, key: str = "n1") -> Alert:
    with transaction():
        alerts.raise_alert(site, kind, key, EVIDENCE, SYSTEM, utcnow())
    return Alert.get(Alert.key == key, Alert.kind == kind)


def test_without_alerts_the_page_says_that_both_logs_agree(as_cleo) -> None:
    text = as_cleo.get("/alerts").text
    assert "read so far agree" in text
    assert 'class="count' not in text


@pytest.mark.parametrize("kind", alerts.KINDS)
def test_each_kind_of_alert_has_its_own_words(as_ana, paired: Site, kind: str) -> None:
    alert = raise_alert(paired, kind)
    text = as_ana.get(f"/alerts/{alert.id}").text
    headline = text.split("<h1>")[1].split("</h1>")[0]
    assert kind not in headline
    assert kind.replace("_", " ").capitalize() != headline
    assert text.count("<li>") > 3
    assert "Renew keys of Bakery" in text
    filled = re.findall(r'class="button button-primary"[^>]*>.*?<span>([^<]+)</span>', text)
    assert "Mark as resolved" not in filled
    assert ("Critical" if alerts.severity(kind) == "critical" else "Warning") in text
    assert headline in as_ana.get("/alerts").text


def test_navigation_list_and_site_page_count_open_alerts(as_cleo, paired: Site) -> None:
    raise_alert(paired)
    raise_alert(paired, key="n2")
    counter = '<span class="count count-urgent">2 critical</span>'
    assert counter in as_cleo.get("/account").text
    assert as_cleo.get("/sites").text.count("Someone else called the site") >= 2
    page = as_cleo.get(f"/sites/{paired.id}/connection").text
    assert "2 open alerts" in page
    assert "Someone else called the site" in page


def test_evidence_of_both_sides_is_shown_and_never_as_markup(as_cleo, paired: Site) -> None:
    text = as_cleo.get(f"/alerts/{raise_alert(paired).id}").text
    assert "&lt;n&gt;" in text
    assert "<n>" not in text
    assert "The audit log has no such entry." in text


def test_a_critical_alert_is_on_every_page_until_it_is_resolved(
    as_ben, as_dora, paired: Site, ana: Actor
) -> None:
    alert = raise_alert(paired, alerts.AUDIT_LOG_LOST)
    paths = ("/sites", "/updates", "/account", "/activity", f"/sites/{paired.id}")
    for path in paths:
        assert 'class="alert-bar"' in as_ben.get(path).text
    assert 'class="alert-bar"' not in as_dora.get("/sites").text
    alerts.close_alert(
        alert, by=ana, note="restored", with_others=False, confirmed_at=utcnow(), now=utcnow()
    )
    assert 'class="alert-bar"' not in as_ben.get("/sites").text


def test_a_warning_is_counted_and_shows_no_alert_bar(as_ben, paired: Site) -> None:
    raise_alert(paired, alerts.CALL_MISSING)
    text = as_ben.get("/account").text
    assert 'class="alert-bar"' not in text
    assert '<span class="count">1 open</span>' in text


def test_an_alert_is_resolved_with_a_note(as_ana, paired: Site) -> None:
    alert = raise_alert(paired)
    assert as_ana.post(f"/alerts/{alert.id}/close", data={"note": ""}).status_code == 422
    answer = as_ana.post(f"/alerts/{alert.id}/close", data={"note": "Our <own> test"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/alerts")
    text = as_ana.get("/alerts").text
    assert "Our &lt;own&gt; test" in text
    assert "resolved alert" in as_ana.get("/activity").text


def test_resolving_an_alert_needs_a_recent_password(as_ana, paired: Site, database) -> None:
    alert = raise_alert(paired)
    as_ana.get("/sites")
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    assert "Aura asks for your password first." in as_ana.get(f"/alerts/{alert.id}").text
    answer = as_ana.post(f"/alerts/{alert.id}/close", data={"note": "a test of ours"})
    assert "Confirm your identity" in answer.text
    assert 'value="a test of ours"' in answer.text
    alert.refresh()
    assert alert.is_open


def test_a_viewer_cannot_resolve_an_alert_and_a_client_sees_none(
    as_cleo, as_dora, paired: Site
) -> None:
    alert = raise_alert(paired)
    assert "Mark as resolved</span>" not in as_cleo.get(f"/alerts/{alert.id}").text
    assert as_cleo.post(f"/alerts/{alert.id}/close", data={"note": "x"}).status_code == 403
    assert as_dora.get("/alerts").status_code == 403
    assert as_dora.get(f"/alerts/{alert.id}").status_code == 403
    assert "Alerts" not in as_dora.get("/sites").text


def test_an_unknown_alert_is_not_found(as_ana) -> None:
    assert as_ana.get("/alerts/99").status_code == 404


def test_an_operator_can_request_the_log(
    as_ben, as_cleo, paired: Site, jobs: RecordingQueue, fake: FakeSite, ana: Actor
) -> None:
    assert as_cleo.post(f"/sites/{paired.id}/log/read").status_code == 403
    assert as_ben.post(f"/sites/{paired.id}/log/read").status_code == 303
    assert ("read_log", (paired.id,), 0) in jobs.jobs
