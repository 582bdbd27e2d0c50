"""Notify people by e-mail of what needs attention: once, in time, and not too often."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.accounts import roles, users
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import redaction
from app.domain.errors import Invalid
from app.domain.mail import server
from app.domain.notifications import preferences, watch
from app.domain.notifications.plans import Plan, Situation
from app.domain.notifications.preferences import Preferences
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.clients import Client
from app.models.email import NotificationPreference, NotifiedItem, OutgoingEmail
from app.models.sites import Site
from tests.support.emails import (
    break_site,
    look_for,
    repair_site,
    titles,
    turn_email_on,
)
from tests.support.factories import make_site
from tests.support.fakes import Clock, RecordingQueue
from tests.support.queries import counted_queries

ALL = Preferences(critical_now=True)
DOWN = ("Critical", "Bakery is unreachable")


@pytest.fixture
def email_on(ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> None:
    turn_email_on(ana, config, clock())


def choose_preferences(person: Actor, clock: Clock, **changes: object) -> None:
    preferences.change_preferences(replace(ALL, **changes), by=person, now=clock())


def healthy_sites(ana: Actor, clock: Clock, count: int, **more: str) -> list[Site]:
    made = [
        make_site(ana, now=clock(), url=f"https://s{number}.example", name=f"Site {number}", **more)
        for number in range(count)
    ]
    for site in made:
        repair_site(site, clock())
    return made


@pytest.fixture
def watched(email_on: None, site: Site, ana: Actor, clock: Clock) -> Site:
    """A site that works, and Ana, who wants critical items at once."""
    repair_site(site, clock())
    choose_preferences(ana, clock)
    return site


def test_an_outage_and_its_recovery_are_each_reported_once(
    watched: Site, config: Config, clock: Clock
) -> None:
    assert look_for(config, clock, 3) == []
    break_site(watched, clock())
    (email,) = look_for(config, clock, 120)
    assert titles(email) == [DOWN]
    assert email.subject == "Critical: Bakery is unreachable"
    assert email.user.name == "Ana"
    repair_site(watched, clock())
    (recovery,) = look_for(config, clock, 120)
    assert titles(recovery) == [("Resolved", "Bakery is connected again")]
    assert recovery.subject == "Resolved: Bakery is connected again"
    assert look_for(config, clock, 120) == []
    assert NotifiedItem.select().count() == 0


def test_the_message_comes_within_a_few_minutes(
    watched: Site, config: Config, clock: Clock
) -> None:
    broke_at = clock()
    break_site(watched, broke_at)
    (email,) = look_for(config, clock, 10)
    assert email.requested_at - broke_at <= timedelta(minutes=4)


def test_reminders_come_after_a_day_and_then_weekly(
    watched: Site, config: Config, clock: Clock
) -> None:
    break_site(watched, clock())
    for _ in range(4 * 30):
        clock.advance(hours=6)
        watch.notify_due(clock())
    emails = list(OutgoingEmail.select().order_by(OutgoingEmail.id))
    waits = [later.requested_at - earlier.requested_at for earlier, later in pairwise(emails)]
    assert [round(wait / timedelta(days=1)) for wait in waits] == [1, 7, 7, 7, 7]
    assert {email.subject for email in emails[1:]} == {"Still open: Bakery is unreachable"}


def test_many_sites_are_one_message_and_messages_are_an_hour_apart(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    sites = healthy_sites(ana, clock, 40)
    for site in sites:
        break_site(site, clock())
        watch.notify_due(clock())
        clock.advance(seconds=20)
    sent = look_for(config, clock, 300)
    emails = list(OutgoingEmail.select().order_by(OutgoingEmail.id))
    assert len(emails) == 2, [email.subject for email in emails]
    assert emails[1].requested_at - emails[0].requested_at >= timedelta(hours=1)
    assert NotifiedItem.select().where(NotifiedItem.told_at.is_null()).count() == 0
    (storm,) = sent
    assert titles(storm) == [("Critical", "16 sites are unreachable")]
    for site in sites:
        repair_site(site, clock())
    (recovery,) = look_for(config, clock, 90)
    assert titles(recovery) == [("Resolved", "40 sites are connected again")]


def test_an_outage_over_before_its_message_is_in_the_next_one(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    (short,) = healthy_sites(ana, clock, 1)
    break_site(watched, clock())
    assert len(look_for(config, clock, 5)) == 1
    break_site(short, clock())
    look_for(config, clock, 5)
    repair_site(short, clock())
    (email,) = look_for(config, clock, 90)
    assert titles(email) == [("Resolved", "Site 0 is connected again")]
    why = email.content["sections"][0]["entries"][0]["why"]
    assert why.startswith("Site 0 is unreachable: 24 Nov")


def test_a_site_that_was_removed_is_not_called_connected(
    watched: Site, config: Config, clock: Clock
) -> None:
    break_site(watched, clock())
    look_for(config, clock, 5)
    Site.update(forgotten_at=clock()).where(Site.id == watched.id).execute()
    (email,) = look_for(config, clock, 90)
    assert titles(email) == [("Resolved", "No longer open: Bakery is unreachable")]


def test_only_new_critical_items_are_sent_in_quiet_hours(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    User.update(time_zone="Europe/Berlin").execute()
    now = clock()
    choose_preferences(ana, clock, quiet_from=now.hour + 1, quiet_to=(now.hour + 4) % 24)
    break_site(watched, now)
    assert len(look_for(config, clock, 10)) == 1
    repair_site(watched, clock())
    assert look_for(config, clock, 90) == [], "the recovery waits for the morning"
    (recovery,) = look_for(config, clock, 180)
    assert titles(recovery) == [("Resolved", "Bakery is connected again")]


def test_critical_items_can_wait_for_the_end_of_quiet_hours(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    hour = clock().hour
    choose_preferences(ana, clock, quiet_from=hour, quiet_to=(hour + 3) % 24, critical_waits=True)
    break_site(watched, clock())
    assert look_for(config, clock, 120) == []
    (email,) = look_for(config, clock, 120)
    assert titles(email) == [DOWN]
    assert email.requested_at.hour == hour + 3


def test_a_digest_comes_at_its_hour_and_only_with_news(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    hour = (clock().hour + 2) % 24
    choose_preferences(ana, clock, critical_now=False, digest="daily", digest_hour=hour)
    break_site(watched, clock())
    assert look_for(config, clock, 60) == []
    (email,) = look_for(config, clock, 120)
    assert (email.kind, email.requested_at.hour) == ("digest", hour)
    assert email.subject == "Daily digest: 1 thing needs you"
    assert titles(email) == [DOWN]
    (reminder,) = look_for(config, clock, 24 * 60)
    assert [section["heading"] for section in reminder.content["sections"]] == ["Still open"]
    assert look_for(config, clock, 24 * 60) == [], "the next reminder is a week later"
    repair_site(watched, clock())
    (last,) = look_for(config, clock, 24 * 60)
    assert titles(last) == [("Resolved", "Bakery is connected again")]
    assert last.subject == "Daily digest: nothing needs you"


def test_a_digest_also_lists_what_can_wait(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    make_site(ana, now=clock(), url="https://new.example", name="New one")
    choose_preferences(ana, clock, digest="weekly", digest_hour=8, digest_weekday=2)
    digest = look_for(config, clock, 2)
    clock.now = clock().replace(hour=8, minute=0) + timedelta(days=7)
    digest = look_for(config, clock, 2)
    assert [titles(email) for email in digest] == [[("Soon", "New one is not connected yet")]]
    assert digest[0].subject == "Weekly digest: nothing needs you, 1 can wait"


def test_a_worse_state_is_reported_again(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    hour = (clock().hour + 1) % 24
    choose_preferences(ana, clock, digest="daily", digest_hour=hour)
    Site.update(consecutive_failures=1, error_code="connect_timeout", error_at=clock()).execute()
    (digest,) = look_for(config, clock, 60)
    assert titles(digest) == [("Check", "The last call to Bakery failed")]
    look_for(config, clock, 60)
    break_site(watched, clock())
    (email,) = look_for(config, clock, 10)
    assert titles(email) == [DOWN]


def test_people_get_exactly_the_items_on_their_overview(
    email_on: None, ana: Actor, ben: Actor, cleo: Actor, dora: Actor, config: Config, clock: Clock
) -> None:
    own = make_site(ana, now=clock(), url="https://own.example", name="Own", client="Bakery Ltd")
    other = make_site(ana, now=clock(), url="https://o.example", name="Other", client="Florist")
    for site in (own, other):
        repair_site(site, clock())
    for person in (ana, cleo, dora):
        choose_preferences(person, clock)
    with transaction():
        alerts.raise_alert(own, alerts.CALL_UNKNOWN, "k", {}, SYSTEM, clock())
    break_site(own, clock())
    break_site(other, clock())
    by_person = {email.user.name: titles(email) for email in look_for(config, clock, 5)}
    alert = ("Critical", "Someone else called the site with Aura's keys")
    # Ben never chose anything: his role gets critical items by default.
    everything = {alert, ("Critical", "Own is unreachable"), ("Critical", "Other is unreachable")}
    assert {name: set(titles_found) for name, titles_found in by_person.items()} == {
        "Ana": everything,
        "Ben": everything,
        "Cleo": everything,
        "Dora": {("Critical", "Own is unreachable")},
    }


def test_a_limited_operator_gets_only_the_items_of_their_clients(
    email_on: None, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    own = make_site(ana, now=clock(), url="https://own.example", name="Own", client="Bakery Ltd")
    other = make_site(ana, now=clock(), url="https://o.example", name="Other", client="Florist")
    for site in (own, other):
        repair_site(site, clock())
    access = roles.Access("operator", limited_to=[own.client_id])
    user = User.get_by_id(ben.id)
    roles.change_access(user, access, by=ana, confirmed_at=clock(), now=clock())
    with transaction():
        alerts.raise_alert(other, alerts.CALL_UNKNOWN, "k", {}, SYSTEM, clock())
    for site in (own, other):
        break_site(site, clock())
    by_person = {email.user.name: titles(email) for email in look_for(config, clock, 5)}
    assert by_person["Ben"] == [("Critical", "Own is unreachable")]
    assert len(by_person["Ana"]) == 3
    hidden = (own.client_id, other.client_id)
    with pytest.raises(Invalid):
        choose_preferences(Actor.of(User.get_by_id(ben.id)), clock, client_ids=hidden)


def test_no_recovery_is_sent_for_a_site_that_a_person_no_longer_sees(
    watched: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    choose_preferences(ben, clock)
    break_site(watched, clock())
    assert len(look_for(config, clock, 5)) == 2
    access = roles.Access("operator", limited_to=[Client.named("Florist").id])
    user = User.get_by_id(ben.id)
    roles.change_access(user, access, by=ana, confirmed_at=clock(), now=clock())
    repair_site(watched, clock())
    assert [email.user.name for email in look_for(config, clock, 90)] == ["Ana"]


def test_viewers_and_clients_get_no_email_until_they_choose_it(
    email_on: None, site: Site, cleo: Actor, dora: Actor, config: Config, clock: Clock
) -> None:
    break_site(site, clock())
    assert {email.user.name for email in look_for(config, clock, 24 * 60)} == {"Ana"}


def test_a_person_may_choose_some_clients_only(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    florist = make_site(ana, now=clock(), url="https://m.example", name="Mine", client="Florist")
    choose_preferences(ana, clock, client_ids=(Client.named("Florist").id,))
    break_site(watched, clock())
    break_site(florist, clock())
    (email,) = look_for(config, clock, 5)
    assert titles(email) == [("Critical", "Mine is unreachable")]
    choose_preferences(ana, clock)
    (later,) = look_for(config, clock, 90)
    assert titles(later) == [DOWN]
    choose_preferences(ana, clock, client_ids=(Client.named("Florist").id,))
    assert look_for(config, clock, 90) == [], "items of deselected clients are not resolved"


def test_a_role_with_less_access_gets_no_false_recovery(
    watched: Site, ben: Actor, config: Config, clock: Clock
) -> None:
    choose_preferences(ben, clock)
    break_site(watched, clock())
    assert len(look_for(config, clock, 5)) == 2
    User.update(role="client", client_id=Client.named("Florist").id).where(
        User.id == ben.id
    ).execute()
    assert look_for(config, clock, 90) == []
    assert NotifiedItem.select().where(NotifiedItem.user == ben.id).count() == 0


@pytest.mark.parametrize("end", ["disable", "invite"])
def test_a_person_who_cannot_sign_in_gets_no_email(
    watched: Site, ana: Actor, ben: Actor, end: str, config: Config, clock: Clock
) -> None:
    choose_preferences(ana, clock, critical_now=False)
    choose_preferences(ben, clock)
    if end == "disable":
        users.disable_user(User.get_by_id(ben.id), by=ana, now=clock())
    else:
        User.update(password_hash="!").where(User.id == ben.id).execute()
    break_site(watched, clock())
    assert look_for(config, clock, 120) == []


def test_two_schedulers_at_once_queue_one_message(
    watched: Site, config: Config, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_site(watched, clock())
    look_for(config, clock, 2)
    make_plan = watch.plans.make_plan

    def interrupt(situation: Situation) -> Plan:
        """Run the other scheduler's whole check before this one stores anything."""
        monkeypatch.setattr(watch.plans, "make_plan", make_plan)
        assert watch.notify_due(clock()) == 1
        return make_plan(situation)

    monkeypatch.setattr(watch.plans, "make_plan", interrupt)
    clock.advance(minutes=1)
    assert watch.notify_due(clock()) == 0
    assert OutgoingEmail.select().count() == 1


def test_a_failure_for_one_person_does_not_stop_the_emails_of_others(
    watched: Site, ben: Actor, config: Config, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_preferences(ben, clock)
    break_site(watched, clock())
    look_for(config, clock, 2)
    make_plan = watch.plans.make_plan

    def fail_first(situation: Situation) -> Plan:
        monkeypatch.setattr(watch.plans, "make_plan", make_plan)
        raise ZeroDivisionError

    monkeypatch.setattr(watch.plans, "make_plan", fail_first)
    clock.advance(minutes=1)
    with pytest.raises(ZeroDivisionError):
        watch.notify_due(clock())
    assert [email.user.name for email in OutgoingEmail.select()] == ["Ben"]


def test_a_restart_repeats_nothing_and_turning_email_on_reports_open_items(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    break_site(watched, clock())
    assert len(look_for(config, clock, 90)) == 1
    server.remove_server(by=ana, now=clock())
    assert look_for(config, clock, 90) == []
    turn_email_on(ana, config, clock())
    assert len(look_for(config, clock, 90)) == 1


def test_a_site_cannot_write_headers_links_or_markup(
    watched: Site, config: Config, clock: Clock
) -> None:
    Site.update(
        name="Shop\r\nBcc: eve@evil.example\r\n\r\n<b>Hi</b>"
        " https://evil.example/login \u202egro.live"
    ).execute()
    break_site(watched, clock())
    (email,) = look_for(config, clock, 5)
    assert email.user.email == "ana@agency.example"
    title = titles(email)[0][1]
    expected = "Shop Bcc: eve@evil.example <b>Hi</b> https evil.example/login gro.live"
    assert title == f"{expected} is unreachable"
    assert "\n" not in email.subject
    assert "\u202e" not in str(email.content)


def test_invalid_preferences_are_refused(ana: Actor, dora: Actor, clock: Clock) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"digest": "hourly"}, "digest"),
        ({"digest_hour": 24}, "digest_hour"),
        ({"digest_weekday": 7}, "digest_weekday"),
        ({"quiet_from": 22}, "quiet_to"),
        ({"quiet_from": 5, "quiet_to": 5}, "quiet_to"),
        ({"quiet_from": 25, "quiet_to": 5}, "quiet_from"),
        ({"client_ids": (4711,)}, "client"),
    ]
    for changes, field in wrong:
        with pytest.raises(Invalid) as refused:
            choose_preferences(ana, clock, **changes)
        assert field in refused.value.messages
    with pytest.raises(Invalid):
        choose_preferences(dora, clock, client_ids=(dora.client_id,))
    assert NotificationPreference.select().count() == 0


def test_the_same_choice_is_recorded_once(ana: Actor, clock: Clock) -> None:
    assert preferences.change_preferences(ALL, by=ana, now=clock())
    assert not preferences.change_preferences(ALL, by=ana, now=clock())
    assert [entry.event for entry in AuditEntry.newest()].count("notifications_changed") == 1


def test_erasing_a_person_deletes_their_preferences_and_messages(
    watched: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    choose_preferences(ben, clock)
    break_site(watched, clock())
    look_for(config, clock, 5)
    tables = (NotificationPreference, NotifiedItem, OutgoingEmail)
    user = User.get_by_id(ben.id)
    assert all(table.select().where(table.user == ben.id).exists() for table in tables)
    users.disable_user(user, by=ana, now=clock())
    redaction.erase_user(user, reason="asked", by=ana, confirmed_at=clock(), now=clock())
    assert not any(table.select().where(table.user == ben.id).exists() for table in tables)
    assert all(table.select().where(table.user == ana.id).exists() for table in tables)


def test_the_number_of_queries_does_not_grow_with_sites_and_people(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    def count_queries() -> int:
        clock.advance(minutes=1)
        with counted_queries() as statements:
            watch.notify_due(clock())
        return len(statements)

    watch.notify_due(clock())
    before = count_queries()
    for number in range(10):
        User.create(
            name=f"P{number}", email=f"p{number}@a.example", password_hash="x", role="operator",
            created_at=clock(), disabled_at=None,
        )  # fmt: skip
    for site in healthy_sites(ana, clock, 60)[:20]:
        break_site(site, clock())
    look_for(config, clock, 5)
    assert count_queries() == before <= 10
