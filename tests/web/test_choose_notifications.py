"""Choose notifications: what Aura sends by e-mail, when, and for which clients."""

from __future__ import annotations

import pytest

from app.domain.attention import CRITICAL, Item, Task
from app.domain.notifications import contents, preferences
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.clients import Client
from app.models.email import NotificationPreference
from tests.support.emails import turn_email_on

FORM = {
    "critical_now": "1",
    "digest": "weekly",
    "digest_hour": "7",
    "digest_weekday": "4",
    "quiet_from": "22",
    "quiet_to": "6",
    "critical_waits": "1",
}


def test_the_choice_is_saved_shown_and_recorded(as_ben, ben):
    assert as_ben.post("/account/notifications", data=FORM).headers["Location"] == (
        "/account/notifications"
    )
    chosen = preferences.read_preferences(ben)
    assert chosen == preferences.Preferences(True, "weekly", 7, 4, 22, 6, critical_waits=True)
    page = as_ben.get("/account/notifications").text
    assert '<option value="4" selected>Friday</option>' in page
    assert '<option value="22" selected>22:00</option>' in page
    assert 'value="weekly" checked' in page
    assert AuditEntry.head().event == "notifications_changed"
    as_ben.post("/account/notifications", data=FORM)
    assert [entry.event for entry in AuditEntry.newest()].count("notifications_changed") == 1


def test_everything_may_be_turned_off(as_ana, ana):
    as_ana.post(
        "/account/notifications", data={"digest": "off", "digest_hour": "8", "digest_weekday": "0"}
    )
    assert preferences.read_preferences(ana).is_off


def test_clients_are_chosen_from_the_list(as_ana, ana):
    florist, bakery = Client.named("Florist"), Client.named("Bakery Ltd")
    form = {**FORM, "which": "some", "client": [str(florist.id)]}
    assert as_ana.post("/account/notifications", data=form).status_code == 303
    assert preferences.read_preferences(ana).client_ids == (florist.id,)
    page = as_ana.get("/account/notifications").text
    assert f'value="{florist.id}" checked' in page
    assert f'value="{bakery.id}" checked' not in page
    as_ana.post("/account/notifications", data={**form, "which": "all"})
    assert preferences.read_preferences(ana).client_ids == ()


def test_a_client_user_sees_no_other_clients_and_cannot_choose_them(as_dora, dora):
    Client.named("Florist")
    assert "Florist" not in as_dora.get("/account/notifications").text
    form = {**FORM, "which": "some", "client": [str(Client.named("Florist").id)]}
    assert as_dora.post("/account/notifications", data=form).status_code == 422
    assert as_dora.post("/account/notifications", data=FORM).status_code == 303
    assert preferences.read_preferences(dora).critical_now


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"digest": "hourly"}, "digest"),
        ({"digest_hour": "24"}, "digest_hour"),
        ({"digest_hour": "x"}, "digest_hour"),
        ({"digest_weekday": "-1"}, "digest_weekday"),
        ({"quiet_to": ""}, "quiet_to"),
        ({"quiet_to": "22"}, "quiet_to"),
        ({"quiet_from": "99"}, "quiet_from"),
        ({"which": "some", "client": ["4711"]}, "client"),
        ({"which": "some"}, "client"),
    ],
)
def test_an_invalid_choice_is_refused(as_ana, ana, changes, field):
    response = as_ana.post("/account/notifications", data={**FORM, **changes})
    assert response.status_code == 422
    assert f'href="#f-{field}"' in response.text
    assert NotificationPreference.of(ana.id) is None


def test_without_a_mail_server_the_page_says_so(as_ana, as_ben, ana, config):
    assert 'href="/settings/email"' in as_ana.get("/account/notifications").text
    assert "Ask an owner" in as_ben.get("/account/notifications").text
    turn_email_on(ana, config, utcnow())
    assert "Aura sends no e-mail yet" not in as_ben.get("/account/notifications").text


def test_the_account_and_the_settings_link_to_notifications(as_cleo):
    for page in ("/account", "/settings"):
        assert 'href="/account/notifications"' in as_cleo.get(page).text


@pytest.mark.parametrize(
    "about", ["change", "approval", "alert", "audit_log", "connection", "rule", "php", "new"]
)
@pytest.mark.parametrize("count", [1, 3])
def test_every_link_of_a_message_leads_to_a_page(app, today, about, count):
    task = Task((Item(about, "x", CRITICAL, id=7, name="x", site=today),) * count)
    path = contents.path_of(task).partition("#")[0].partition("?")[0]
    endpoint, _ = app.url_map.bind("localhost").match(path)
    assert hasattr(app.view_functions[endpoint], "verb"), "the route must require a signed-in user"
