"""What needs attention is told by e-mail: once, in time, to those it concerns, and not often."""

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


def choose(person: Actor, clock: Clock, **changes: object) -> None:
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
    """A site that works, and Ana, who wants to hear of critical things at once."""
    repair_site(site, clock())
    choose(ana, clock)
    return site


def test_a_site_that_breaks_is_told_once_and_its_recovery_once(
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
    told = list(OutgoingEmail.select().order_by(OutgoingEmail.id))
    waits = [later.requested_at - earlier.requested_at for earlier, later in pairwise(told)]
    assert [round(wait / timedelta(days=1)) for wait in waits] == [1, 7, 7, 7, 7]
    assert {email.subject for email in told[1:]} == {"Still open: Bakery is unreachable"}


def test_many_sites_at_once_are_one_message_and_at_most_one_comes_in_an_hour(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    sites = healthy_sites(ana, clock, 40)
    for site in sites:
        break_site(site, clock())
        watch.notify_due(clock())
        clock.advance(seconds=20)
    told = look_for(config, clock, 300)
    all_told = list(OutgoingEmail.select().order_by(OutgoingEmail.id))
    assert len(all_told) == 2, [email.subject for email in all_told]
    assert all_told[1].requested_at - all_told[0].requested_at >= timedelta(hours=1)
    assert NotifiedItem.select().where(NotifiedItem.told_at.is_null()).count() == 0
    (storm,) = told
    assert titles(storm) == [("Critical", "16 sites are unreachable")]
    for site in sites:
        repair_site(site, clock())
    (recovery,) = look_for(config, clock, 90)
    assert titles(recovery) == [("Resolved", "40 sites are connected again")]


def test_what_ends_before_it_could_be_told_is_told_with_the_next_message(
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


def test_in_quiet_hours_only_new_critical_items_are_told(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    User.update(time_zone="Europe/Berlin").execute()
    now = clock()
    choose(ana, clock, quiet_from=now.hour + 1, quiet_to=(now.hour + 4) % 24)
    break_site(watched, now)
    assert len(look_for(config, clock, 10)) == 1
    repair_site(watched, clock())
    assert look_for(config, clock, 90) == [], "the recovery waits for the morning"
    (recovery,) = look_for(config, clock, 180)
    assert titles(recovery) == [("Resolved", "Bakery is connected again")]


def test_critical_items_wait_as_well_if_the_person_wants_that(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    hour = clock().hour
    choose(ana, clock, quiet_from=hour, quiet_to=(hour + 3) % 24, critical_waits=True)
    break_site(watched, clock())
    assert look_for(config, clock, 120) == []
    (email,) = look_for(config, clock, 120)
    assert titles(email) == [DOWN]
    assert email.requested_at.hour == hour + 3


def test_a_digest_comes_at_its_hour_and_only_with_news(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    hour = (clock().hour + 2) % 24
    choose(ana, clock, critical_now=False, digest="daily", digest_hour=hour)
    break_site(watched, clock())
    assert look_for(config, clock, 60) == []
    (email,) = look_for(config, clock, 120)
    assert (email.kind, email.requested_at.hour) == ("digest", hour)
    assert email.subject == "Daily digest: 1 thing needs you"
    assert titles(email) == [DOWN]
    (reminder,) = look_for(config, clock, 24 * 60)
    assert [one["heading"] for one in reminder.content["sections"]] == ["Still open"]
    assert look_for(config, clock, 24 * 60) == [], "the next reminder is a week later"
    repair_site(watched, clock())
    (last,) = look_for(config, clock, 24 * 60)
    assert titles(last) == [("Resolved", "Bakery is connected again")]
    assert last.subject == "Daily digest: nothing needs you"


def test_a_digest_also_has_what_can_wait(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    make_site(ana, now=clock(), url="https://new.example", name="New one")
    choose(ana, clock, digest="weekly", digest_hour=8, digest_weekday=2)
    told = look_for(config, clock, 2)
    clock.now = clock().replace(hour=8, minute=0) + timedelta(days=7)
    told = look_for(config, clock, 2)
    assert [titles(email) for email in told] == [[("Soon", "New one is not connected yet")]]
    assert told[0].subject == "Weekly digest: nothing needs you, 1 can wait"


def test_a_worse_state_is_told_again(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    hour = (clock().hour + 1) % 24
    choose(ana, clock, digest="daily", digest_hour=hour)
    Site.update(consecutive_failures=1, error_code="connect_timeout", error_at=clock()).execute()
    (digest,) = look_for(config, clock, 60)
    assert titles(digest) == [("Check", "The last call to Bakery failed")]
    look_for(config, clock, 60)
    break_site(watched, clock())
    (email,) = look_for(config, clock, 10)
    assert titles(email) == [DOWN]


def test_everyone_hears_what_their_overview_shows_and_nothing_else(
    email_on: None, ana: Actor, ben: Actor, cleo: Actor, dora: Actor, config: Config, clock: Clock
) -> None:
    own = make_site(ana, now=clock(), url="https://own.example", name="Own", client="Bakery Ltd")
    other = make_site(ana, now=clock(), url="https://o.example", name="Other", client="Florist")
    for site in (own, other):
        repair_site(site, clock())
    for person in (ana, cleo, dora):
        choose(person, clock)
    with transaction():
        alerts.raise_alert(own, alerts.CALL_UNKNOWN, "k", {}, SYSTEM, clock())
    break_site(own, clock())
    break_site(other, clock())
    told = {email.user.name: titles(email) for email in look_for(config, clock, 5)}
    alert = ("Critical", "Someone else called the site with Aura's keys")
    # Ben never chose anything; the default of his role tells him too.
    everything = {alert, ("Critical", "Own is unreachable"), ("Critical", "Other is unreachable")}
    assert {name: set(found) for name, found in told.items()} == {
        "Ana": everything,
        "Ben": everything,
        "Cleo": everything,
        "Dora": {("Critical", "Own is unreachable")},
    }


def test_a_person_of_the_agency_hears_only_of_the_clients_they_see(
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
    told = {email.user.name: titles(email) for email in look_for(config, clock, 5)}
    assert told["Ben"] == [("Critical", "Own is unreachable")]
    assert len(told["Ana"]) == 3
    hidden = (own.client_id, other.client_id)
    with pytest.raises(Invalid):
        choose(Actor.of(User.get_by_id(ben.id)), clock, client_ids=hidden)


def test_nobody_is_told_the_end_of_what_they_no_longer_see(
    watched: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    choose(ben, clock)
    break_site(watched, clock())
    assert len(look_for(config, clock, 5)) == 2
    access = roles.Access("operator", limited_to=[Client.named("Florist").id])
    user = User.get_by_id(ben.id)
    roles.change_access(user, access, by=ana, confirmed_at=clock(), now=clock())
    repair_site(watched, clock())
    assert [email.user.name for email in look_for(config, clock, 90)] == ["Ana"]


def test_viewers_and_clients_hear_nothing_until_they_choose(
    email_on: None, site: Site, cleo: Actor, dora: Actor, config: Config, clock: Clock
) -> None:
    break_site(site, clock())
    assert {email.user.name for email in look_for(config, clock, 24 * 60)} == {"Ana"}


def test_a_person_may_hear_of_some_clients_only(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    mine = make_site(ana, now=clock(), url="https://m.example", name="Mine", client="Florist")
    choose(ana, clock, client_ids=(Client.named("Florist").id,))
    break_site(watched, clock())
    break_site(mine, clock())
    (email,) = look_for(config, clock, 5)
    assert titles(email) == [("Critical", "Mine is unreachable")]
    choose(ana, clock)
    (later,) = look_for(config, clock, 90)
    assert titles(later) == [DOWN]
    choose(ana, clock, client_ids=(Client.named("Florist").id,))
    assert look_for(config, clock, 90) == [], "what she left out is not called resolved"


def test_a_role_that_sees_less_is_not_told_that_things_were_resolved(
    watched: Site, ben: Actor, config: Config, clock: Clock
) -> None:
    choose(ben, clock)
    break_site(watched, clock())
    assert len(look_for(config, clock, 5)) == 2
    User.update(role="client", client_id=Client.named("Florist").id).where(
        User.id == ben.id
    ).execute()
    assert look_for(config, clock, 90) == []
    assert NotifiedItem.select().where(NotifiedItem.user == ben.id).count() == 0


@pytest.mark.parametrize("end", ["disable", "invite"])
def test_who_cannot_sign_in_is_told_nothing(
    watched: Site, ana: Actor, ben: Actor, end: str, config: Config, clock: Clock
) -> None:
    choose(ana, clock, critical_now=False)
    choose(ben, clock)
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

    def interrupted(situation: Situation) -> Plan:
        """The other scheduler does all of its look before this one stores anything."""
        monkeypatch.setattr(watch.plans, "make_plan", make_plan)
        assert watch.notify_due(clock()) == 1
        return make_plan(situation)

    monkeypatch.setattr(watch.plans, "make_plan", interrupted)
    clock.advance(minutes=1)
    assert watch.notify_due(clock()) == 0
    assert OutgoingEmail.select().count() == 1


def test_a_failure_for_one_person_silences_no_other(
    watched: Site, ben: Actor, config: Config, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(ben, clock)
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


def test_a_restart_tells_nothing_twice_and_turning_email_on_tells_what_is_open(
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


def test_preferences_that_make_no_sense_are_refused(ana: Actor, dora: Actor, clock: Clock) -> None:
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
            choose(ana, clock, **changes)
        assert field in refused.value.messages
    with pytest.raises(Invalid):
        choose(dora, clock, client_ids=(dora.client_id,))
    assert NotificationPreference.select().count() == 0


def test_a_choice_is_recorded_once(ana: Actor, clock: Clock) -> None:
    assert preferences.change_preferences(ALL, by=ana, now=clock())
    assert not preferences.change_preferences(ALL, by=ana, now=clock())
    assert [one.event for one in AuditEntry.newest()].count("notifications_changed") == 1


def test_an_erased_person_leaves_neither_preferences_nor_messages(
    watched: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    choose(ben, clock)
    break_site(watched, clock())
    look_for(config, clock, 5)
    tables = (NotificationPreference, NotifiedItem, OutgoingEmail)
    user = User.get_by_id(ben.id)
    assert all(table.select().where(table.user == ben.id).exists() for table in tables)
    users.disable_user(user, by=ana, now=clock())
    redaction.erase_user(user, reason="asked", by=ana, confirmed_at=clock(), now=clock())
    assert not any(table.select().where(table.user == ben.id).exists() for table in tables)
    assert all(table.select().where(table.user == ana.id).exists() for table in tables)


def test_a_look_needs_the_same_queries_for_any_number_of_sites_and_people(
    watched: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    def cost() -> int:
        clock.advance(minutes=1)
        with counted_queries() as statements:
            watch.notify_due(clock())
        return len(statements)

    watch.notify_due(clock())
    before = cost()
    for number in range(10):
        User.create(
            name=f"P{number}", email=f"p{number}@a.example", password_hash="x", role="operator",
            created_at=clock(), disabled_at=None,
        )  # fmt: skip
    for site in healthy_sites(ana, clock, 60)[:20]:
        break_site(site, clock())
    look_for(config, clock, 5)
    assert cost() == before <= 10
