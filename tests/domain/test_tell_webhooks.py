"""Send webhooks about what needs attention: once, in time, and only what was chosen."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.attention import Task
from app.domain.notifications import storms, watch, webhook_watch
from app.domain.webhooks import endpoints, formats
from app.models.audit import BROKEN, Verification
from app.models.clients import Client
from app.models.email import OutgoingEmail
from app.models.sites import Site
from app.models.webhooks import EndpointItem, WebhookEndpoint, WebhookMessage
from tests.support.emails import break_site, repair_site, turn_email_on
from tests.support.factories import make_site
from tests.support.fakes import Clock, RecordingQueue
from tests.support.queries import counted_queries
from tests.support.webhooks import add_endpoint, told_keys, typed_endpoint

Messages = list[WebhookMessage]


@pytest.fixture
def program(ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> WebhookEndpoint:
    """A signed webhook that gets critical items."""
    return add_endpoint(ana, config, clock())[0]


def healthy(ana: Actor, clock: Clock, count: int, **more: Any) -> list[Site]:
    first = Site.select().count()
    sites = [
        make_site(ana, now=clock(), url=f"https://s{n}.example", name=f"Site {n}", **more)
        for n in range(first, first + count)
    ]
    for site in sites:
        repair_site(site, clock())
    return sites


def look_for(config: Config, clock: Clock, minutes: int) -> Messages:
    """Check every minute for this long and return what was queued."""
    newest = WebhookMessage.select().order_by(WebhookMessage.id.desc()).first()
    for _ in range(minutes):
        clock.advance(minutes=1)
        webhook_watch.notify_due(config, clock())
    after = newest.id if newest else 0
    later = WebhookMessage.select().where(WebhookMessage.id > after)
    return list(later.order_by(WebhookMessage.id))


def subjects(messages: Messages) -> list[tuple[str, str]]:
    return [(message.type, message.subject) for message in messages]


def test_an_item_and_its_end_are_each_sent_once(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    (site,) = healthy(ana, clock, 1)
    break_site(site, clock())
    opened = look_for(config, clock, 60)
    assert subjects(opened) == [("alert.opened", "Critical: Site 0 is unreachable")]
    assert told_keys(opened[0]) == {"Needs you now": [f"connection:{site.id}"]}
    assert opened[0].requested_at - clock.now < timedelta(0)
    repair_site(site, clock())
    closed = look_for(config, clock, 60)
    assert subjects(closed) == [("alert.resolved", "Resolved: Site 0 is connected again")]
    assert told_keys(closed[0]) == {"Resolved": [f"connection:{site.id}"]}
    assert EndpointItem.select().count() == 0


def test_an_open_item_is_sent_again_after_a_day_and_then_each_week(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    (site,) = healthy(ana, clock, 1)
    break_site(site, clock())
    look_for(config, clock, 5)
    days = []
    for day in range(1, 18):
        clock.advance(days=1)
        days += [day] * len(messages := look_for(config, clock, 1))
        assert {message.type for message in messages} <= {"alert.reminder"}
    assert days == [1, 8, 15]


def test_a_program_is_notified_within_minutes_and_a_chat_once_an_hour(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    chat, _ = add_endpoint(ana, config, clock(), format="slack", name="Chat")
    first, second = healthy(ana, clock, 2)
    break_site(first, clock())
    look_for(config, clock, 3)
    break_site(second, clock())
    repair_site(first, clock())
    soon = look_for(config, clock, 20)
    assert {message.endpoint_id for message in soon} == {program.id}
    assert {message.type for message in soon} == {"alert.resolved", "alert.opened"}
    later = look_for(config, clock, 45)
    assert [message.endpoint_id for message in later] == [chat.id]
    # One message to a chat reports both.
    assert later[0].type == "alert.changed"
    assert told_keys(later[0]) == {
        "Needs you now": [f"connection:{second.id}"],
        "Resolved": [f"connection:{first.id}"],
    }


def test_a_storm_is_one_message_and_its_end_another(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    turn_email_on(ana, config, clock())
    sites = healthy(ana, clock, 30)
    # Every site is found down at its own next check.
    for number, site in enumerate(sites):
        break_site(site, clock())
        if number % 6 == 5:
            look_for(config, clock, 1)
            watch.notify_due(clock())
    (opened,) = look_for(config, clock, 60)
    assert opened.subject == "Critical: 30 sites are unreachable"
    assert len(told_keys(opened)["Needs you now"]) == 30
    clock.advance(hours=2)
    watch.notify_due(clock())
    ended = []
    for number, site in enumerate(sites):
        repair_site(site, clock())
        if number % 4 == 3:
            ended += look_for(config, clock, 1)
            watch.notify_due(clock())
    ended += look_for(config, clock, 60)
    watch.notify_due(clock())
    assert subjects(ended) == [("alert.resolved", "Resolved: 30 sites are connected again")]
    assert len(told_keys(ended[0])["Resolved"]) == 30
    # A person gets the same two messages.
    mails = [email.subject for email in OutgoingEmail.select().order_by(OutgoingEmail.id)]
    assert mails == [
        "Critical: 30 sites are unreachable",
        "Resolved: 30 sites are connected again",
    ]


def test_the_rest_of_a_storm_is_not_awaited_forever(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    sites = healthy(ana, clock, 5)
    for site in sites:
        break_site(site, clock())
    look_for(config, clock, 30)
    for site in sites[:4]:
        repair_site(site, clock())
    wait = int(storms.ENDS_WITHIN / timedelta(minutes=1))
    assert look_for(config, clock, wait) == []
    (message,) = look_for(config, clock, 2)
    assert message.subject == "Resolved: 4 sites are connected again"


def test_a_message_about_many_sites_names_some_and_counts_the_rest(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    for site in healthy(ana, clock, 5):
        break_site(site, clock())
    (message,) = look_for(config, clock, 5)
    (entry,) = message.content["sections"][0]["entries"]
    assert entry["why"] == "Site 0, Site 1, Site 2 and 2 more."
    assert entry["path"] == "/sites?state=attention"


def test_only_the_chosen_severity_and_clients_are_sent(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    (bakery,) = healthy(ana, clock, 1, client="Bakery Ltd")
    (other,) = healthy(ana, clock, 1, client="Florist Ltd")
    chosen = (Client.named("Bakery Ltd").id,)
    typed = typed_endpoint("", client_ids=chosen, wants="everything")
    endpoints.change_endpoint(program, typed, by=ana, config=config, now=clock())
    critical, _ = add_endpoint(ana, config, clock(), name="Critical")
    # One failed call needs checking, and is not critical.
    Site.update(consecutive_failures=1, error_code="server_error", error_at=clock()).execute()
    messages = look_for(config, clock, 10)
    assert [message.endpoint_id for message in messages] == [program.id]
    assert messages[0].subject == f"Check: The last call to {bakery.name} failed"
    break_site(other, clock())
    messages = look_for(config, clock, 10)
    assert [message.endpoint_id for message in messages] == [critical.id]


def test_a_webhook_for_some_clients_gets_nothing_about_all_of_them(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    healthy(ana, clock, 1, client="Bakery Ltd")
    (bakery,) = Client.select(Client.id).where(Client.name == "Bakery Ltd")
    limited, _ = add_endpoint(ana, config, clock(), name="Bakery", client_ids=(bakery.id,))
    Verification.create(
        state=BROKEN, requested_by="Ana", requested_at=clock(), broken_at=3, reason="altered"
    )
    messages = look_for(config, clock, 5)
    assert [(message.endpoint_id, message.subject) for message in messages] == [
        (program.id, "Critical: The audit log has been changed")
    ]
    assert limited.id != program.id


def test_an_item_that_gets_worse_is_sent_again(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    typed = typed_endpoint("", wants="everything")
    endpoints.change_endpoint(program, typed, by=ana, config=config, now=clock())
    (site,) = healthy(ana, clock, 1)
    Site.update(consecutive_failures=1, error_code="server_error", error_at=clock()).execute()
    look_for(config, clock, 10)
    break_site(site, clock())
    assert subjects(look_for(config, clock, 10)) == [
        ("alert.opened", "Critical: Site 0 is unreachable")
    ]


def test_a_webhook_turned_on_again_gets_only_what_is_open(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    first, second = healthy(ana, clock, 2)
    break_site(first, clock())
    look_for(config, clock, 5)
    endpoints.turn_off(program, by=ana, now=clock())
    break_site(second, clock())
    repair_site(first, clock())
    assert look_for(config, clock, 30) == []
    endpoints.turn_on(program, by=ana, now=clock())
    assert subjects(look_for(config, clock, 10)) == [
        ("alert.opened", "Critical: Site 1 is unreachable")
    ]


def test_a_webhook_turned_off_by_aura_needs_an_owner(
    program: WebhookEndpoint, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    program.turn_off("gone", clock())
    (item,) = attention.urgent(ana, [])
    assert (item.about, item.severity, item.name) == ("webhook", "check", "On-call")
    assert attention.urgent_in_brief(ana).items == [item]
    assert attention.urgent(ben, []) == []
    assert Task((item,)).is_urgent
    # A webhook that a person turned off needs no attention.
    endpoints.turn_on(program, by=ana, now=clock())
    endpoints.turn_off(program, by=ana, now=clock())
    assert attention.urgent(ana, []) == []


def test_a_site_cannot_mention_people_or_write_links_in_a_chat(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    for name in ("slack", "teams"):
        add_endpoint(ana, config, clock(), name=name, format=name)
    (site,) = healthy(ana, clock, 1)
    hostile = "Shop\r\n<!channel> <https://evil.example|Sign in> @all [x](https://evil.example)"
    Site.update(name=f"{hostile} \u202egro.live").execute()
    break_site(site, clock())
    messages = look_for(config, clock, 5)
    slack, teams = (json.loads(formats.render_body(one, "https://aura.test")) for one in messages)
    assert "\u202e" not in slack["text"]
    assert slack["text"].count("\n") == 1
    links = re.findall(r"<([^>|]*)", slack["text"])
    assert links == [f"https://aura.test/sites/{site.id}"]
    assert not re.search(r"@all|<!|://evil|\]\(", slack["text"])
    card = teams["attachments"][0]["content"]
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert "\u202e" not in json.dumps(teams, ensure_ascii=False)
    assert "://evil" not in json.dumps(teams)


def test_two_checks_at_once_send_one_message(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    (site,) = healthy(ana, clock, 1)
    break_site(site, clock())
    look_for(config, clock, 1)
    clock.advance(minutes=3)
    stale = WebhookEndpoint.get_by_id(program.id)
    assert webhook_watch.notify_due(config, clock()) == 1
    assert not stale.claim(clock())
    assert webhook_watch.notify_due(config, clock()) == 0


@pytest.fixture
def broken_endpoint(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> WebhookEndpoint:
    """An endpoint that works, checked after one whose row is invalid."""
    other, _ = add_endpoint(ana, config, clock(), name="Other")
    program.update_if(client_ids=7)
    return other


def test_an_error_in_one_endpoint_does_not_stop_messages_to_others(
    broken_endpoint: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    (site,) = healthy(ana, clock, 1)
    break_site(site, clock())
    for _ in range(3):
        clock.advance(minutes=1)
        with pytest.raises(TypeError):
            webhook_watch.notify_due(config, clock())
    assert [message.endpoint_id for message in WebhookMessage.select()] == [broken_endpoint.id]


def test_the_number_of_queries_does_not_grow_with_the_sites(
    program: WebhookEndpoint, ana: Actor, config: Config, clock: Clock
) -> None:
    def count_queries() -> int:
        with counted_queries() as statements:
            look_for(config, clock, 1)
        return len(statements)

    first = count_queries()
    for site in healthy(ana, clock, 40)[:20]:
        break_site(site, clock())
    look_for(config, clock, 20)
    assert count_queries() == first <= 12
