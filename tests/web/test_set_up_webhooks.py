"""An owner adds a webhook, tests it, reads its deliveries and deletes it."""

from __future__ import annotations

import re

import pytest

from app.domain import security
from app.domain.webhooks import delivery, endpoints, outbox
from app.http.errors import CallError, ErrorCode
from app.http.webhook_client import WebhookReply
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.webhooks import BY_PERSON, FAILING, GONE, WebhookEndpoint, WebhookMessage
from tests.support.webhooks import PATH, add_endpoint

URL = f"https://hooks.example{PATH}"
FORM = {"name": "On-call", "format": "standard", "url": URL, "wants": "critical", "which": "all"}


def add(person, **changes):
    return person.post("/settings/webhooks", data={**FORM, **changes})


@pytest.fixture
def endpoint(as_ana, ana, config):
    return add_endpoint(ana, config, utcnow(), URL)[0]


def path(endpoint, rest=""):
    return f"/settings/webhooks/{endpoint.id}{rest}"


def test_a_webhook_is_added_and_its_secret_shown_once(as_ana, config):
    assert "No webhooks yet" in as_ana.get("/settings/webhooks").text
    where = add(as_ana).headers["Location"]
    shown = as_ana.get(where)
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", shown.text)
    assert "no-store" in shown.headers["Cache-Control"]
    again = as_ana.get(where, follow_redirects=True)
    assert "A secret is shown only once" in again.text
    (row,) = WebhookEndpoint.select()
    pages = [again.text, as_ana.get("/settings/webhooks").text, as_ana.get(path(row, "/edit")).text]
    pages += [as_ana.get("/activity").text, str(row.__data__)]
    pages += [entry.body for entry in AuditEntry.newest()]
    for text in pages:
        assert secret not in text
        assert PATH not in text
    assert "added the webhook <strong>On-call</strong>" in as_ana.get("/activity").text
    assert endpoints.open_target(row, config, utcnow()).url == URL


def test_a_chat_needs_no_secret(as_ana):
    answer = add(as_ana, format="slack", name="Chat")
    assert answer.headers["Location"] == path(WebhookEndpoint.get())
    page = as_ana.get(answer.headers["Location"]).text
    assert "Webhook “Chat” added" in page
    assert "Replace secret" not in page
    refused = as_ana.post(path(WebhookEndpoint.get(), "/secret"))
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "Enter a name"),
        ({"name": "x" * 81}, "At most 80 characters"),
        ({"name": "a\u202eb"}, "cannot be printed"),
        ({"format": "other"}, "Choose a format"),
        ({"url": ""}, "begins with https://"),
        ({"url": "http://hooks.example/x"}, "begins with https://"),
        ({"url": "https://ana:secret@hooks.example/"}, "without spaces, a user name"),
        ({"url": "https://hooks.example/#x"}, "without spaces, a user name"),
        ({"url": "https://hooks.example/ü"}, "without spaces, a user name"),
        ({"url": "https://169.254.169.254/latest"}, "private network"),
        ({"url": "https://[::1]/"}, "private network"),
        ({"wants": "x"}, "Choose what is sent"),
        ({"which": "some", "client": "999"}, "Choose clients from the list"),
        ({"which": "some"}, "Choose clients from the list"),
    ],
)
def test_a_mistake_is_shown_beside_its_field(as_ana, changes, message):
    answer = add(as_ana, **changes)
    assert answer.status_code == 422
    assert message in answer.text
    assert WebhookEndpoint.select().count() == 0


def test_clients_that_no_longer_exist_are_not_all_clients(as_ana, endpoint):
    WebhookEndpoint.update(client_ids=[999]).execute()
    page = as_ana.get(path(endpoint)).text
    assert "None: the chosen clients no longer exist" in page
    assert "All clients" not in page


def test_the_number_of_webhooks_is_limited(as_ana, ana, config, monkeypatch):
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 1)
    add(as_ana)
    assert add(as_ana, name="Other").status_code == 409
    page = as_ana.get("/settings/webhooks").text
    assert "1 webhooks are the limit" in page
    assert "Add webhook" not in page


def test_an_empty_address_keeps_the_stored_one(as_ana, endpoint, config):
    form = {"name": "Night", "url": "", "wants": "everything", "which": "all"}
    assert as_ana.post(path(endpoint, "/edit"), data=form).headers["Location"] == path(endpoint)
    endpoint.refresh()
    assert (endpoint.name, endpoint.wants) == ("Night", "everything")
    assert endpoints.open_target(endpoint, config, utcnow()).url == URL
    as_ana.post(path(endpoint, "/edit"), data={**form, "url": "https://new.example/x"})
    endpoint.refresh()
    assert endpoints.open_target(endpoint, config, utcnow()).url == "https://new.example/x"
    assert endpoint.shown_url == "https://new.example/…"
    assert "with a new address" in as_ana.get("/activity").text
    wrong = as_ana.post(path(endpoint, "/edit"), data={**form, "url": "http://new.example/x"})
    assert wrong.status_code == 422


def test_the_log_shows_status_duration_reply_and_attempts(as_ana, endpoint, config):
    assert "No messages yet" in as_ana.get(path(endpoint)).text
    assert as_ana.post(path(endpoint, "/test")).headers["Location"] == path(endpoint) + "#log"
    message = WebhookMessage.get()
    waiting = as_ana.get(path(endpoint)).text
    assert "Sending takes up to half a minute" in waiting
    assert "data-poll" in as_ana.get(path(endpoint, "/log")).text
    busy = WebhookReply(503, b"<b>busy</b>")
    delivery.send_webhook(message.id, config=config, post=lambda *_, **__: busy)
    page = as_ana.get(path(endpoint)).text
    assert "Status 503 after" in page
    assert "&lt;b&gt;busy&lt;/b&gt;" in page
    assert "Attempt 1 of 1" in page
    assert "The server did not accept the message" not in page
    assert "data-poll" not in as_ana.get(path(endpoint, "/log")).text
    sent_again = as_ana.post(f"/settings/webhooks/messages/{message.id}/resend")
    assert sent_again.headers["Location"] == path(endpoint) + "#log"
    assert as_ana.post(f"/settings/webhooks/messages/{message.id}/resend").status_code == 409

    def unknown(*_, **__):
        raise CallError(ErrorCode.too_slow, {"detail": "timed out"})

    delivery.send_webhook(message.id, config=config, post=unknown)
    page = as_ana.get(path(endpoint)).text
    assert "No reply in time after" in page
    assert "It may have arrived" in page
    assert "2 attempts" in page


def test_a_webhook_that_aura_turned_off_says_why_and_what_to_do(as_ana, endpoint, config):
    message = outbox.queue_message(
        endpoint, outbox.OPENED, "Critical: Bakery", {"sections": []}, now=utcnow()
    )
    delivery.send_webhook(message.id, config=config, post=lambda *_, **__: WebhookReply(410))
    page = as_ana.get(path(endpoint)).text
    assert "Turned off: the address no longer exists" in page
    assert "Turned off by Aura" in as_ana.get("/settings/webhooks").text
    overview = as_ana.get("/").text
    assert "The webhook On-call was turned off" in overview
    assert f'href="{path(endpoint)}"' in overview
    as_ana.post(path(endpoint, "/on"))
    assert "was turned off" not in as_ana.get("/").text
    assert as_ana.post(path(endpoint, "/on")).status_code == 409


def test_a_webhook_is_turned_off_and_deleted(as_ana, endpoint):
    as_ana.post(path(endpoint, "/off"))
    assert "This webhook is turned off" in as_ana.get(path(endpoint)).text
    assert as_ana.post(path(endpoint, "/off")).status_code == 409
    assert as_ana.post(path(endpoint, "/delete")).headers["Location"] == "/settings/webhooks"
    assert WebhookEndpoint.select().count() == 0
    assert as_ana.get(path(endpoint)).status_code == 404
    assert as_ana.post("/settings/webhooks/messages/1/resend").status_code == 404


def test_a_replaced_secret_is_new(as_ana, endpoint, config):
    (before,) = endpoints.open_target(endpoint, config, utcnow()).secrets
    page = as_ana.post(path(endpoint, "/secret"), follow_redirects=True).text
    endpoint.refresh()
    new, former = endpoints.open_target(endpoint, config, utcnow()).secrets
    assert former == before != new
    assert new in page
    assert "The former secret signs until" in as_ana.get(path(endpoint)).text


def test_addresses_and_secrets_count_among_the_secrets_of_the_sealing_key(as_ana, ana, config):
    (before,) = security.read_facts(config, utcnow()).sealing_keys
    add_endpoint(ana, config, utcnow(), URL)
    (after,) = security.read_facts(config, utcnow()).sealing_keys
    assert after.seals == before.seals + 2


def test_only_owners_manage_webhooks(as_ben, as_ana, endpoint):
    for address in ("", "/new", f"/{endpoint.id}", f"/{endpoint.id}/edit", f"/{endpoint.id}/log"):
        assert as_ben.get("/settings/webhooks" + address).status_code == 403
    for action in ("/test", "/off", "/on", "/delete", "/secret", "/edit"):
        assert as_ben.post(path(endpoint, action), data=FORM).status_code == 403
    assert "Webhooks" not in as_ben.get("/settings").text


def test_each_code_has_words(as_ana, app):
    with app.test_request_context():
        words = app.jinja_env.get_template("settings/_webhook_words.html").module
    assert {BY_PERSON, GONE, FAILING} == set(words.OFF_WORDS)
    own = {delivery.REDIRECT, delivery.STATUS, delivery.SEALED, GONE, "expired", "off"}
    assert own <= set(words.PROBLEMS)
    assert {code.value for code in ErrorCode} >= set(words.PROBLEMS) - own
    for problem in words.PROBLEMS:
        assert words.problem_headline(problem).strip()
