"""Make rules wait when a plugin's owner, author or update host changes, or when it is closed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain import attention, permissions, provenance
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, execution
from app.domain.errors import Forbidden, Invalid, ReauthenticationRequired, StaleState
from app.domain.provenance import changes
from app.domain.wordpress_org import asking, sources
from app.http.wordpress_org import Closed, Listing
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import transaction
from app.models.changes import APPROVED, PROPOSED, Change
from app.models.clients import Client
from app.models.packages import KnownPackage
from app.models.provenance import OpenChange, ProvenanceChange, ProvenanceSite
from app.models.reports import Component, Report
from app.models.sites import REVOKED, Site
from tests.support.audit_entries import facts_of
from tests.support.factories import (
    approve,
    check,
    make_site,
    make_user,
    plugin,
    propose,
    read_report,
    report,
    run_change,
)
from tests.support.fakes import Clock, FakeSite
from tests.support.rules import carried_out, terms
from tests.support.wordpress_directory import AKISMET, Directory

PLUGIN = ("plugin", "akismet")
IDENT = "akismet/akismet.php"
SOLD = replace(AKISMET, owner="newbuyer")
CLOSED_IN_APRIL = Closed(date(2026, 4, 7), "Security Issue")


@dataclass
class Days:
    """Let days pass; on each day Aura asks WordPress.org."""

    directory: Directory
    config: Config
    clock: Clock

    def see(self, *answers: Listing | Closed | None) -> list[ProvenanceChange]:
        """Have the directory give each of these answers for a day; return the changes then open."""
        for answer in answers:
            self.directory.known[PLUGIN] = answer
            self.clock.advance(hours=27)
            asking.ask_due(self.config, ask=self.directory.ask, now=self.clock)
        return ProvenanceChange.all_open()


@pytest.fixture
def days(ready: Site, config: Config, clock: Clock) -> Days:
    """The directory's first answer was read: Akismet with its usual data."""
    sources.check_site(ready.id, clock())
    found = Days(Directory(), config, clock)
    assert found.see(AKISMET) == []
    return found


@pytest.fixture
def rule(ready: Site, ana: Actor, clock: Clock) -> AutoUpdateRule:
    about = terms(clock, expires_at=clock() + timedelta(days=365))
    return auto_update_rules.create_rule(about, by=ana, confirmed_at=clock(), now=clock())


def parts(found: list[ProvenanceChange]) -> list[list[list[str]]]:
    return [change.parts for change in found]


def accept(change: ProvenanceChange, by: Actor, clock: Clock, reason: str = "Announced") -> None:
    changes.accept_change(change, reason, by=by, confirmed_at=clock(), now=clock())


def items(actor: Actor) -> list[attention.Item]:
    found = attention.urgent_from(attention.read_findings(), actor)
    return [item for item in found if item.about == "provenance"]


# ---- changes and noise ----


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SOLD, ["owner", "automattic", "newbuyer"]),
        (replace(AKISMET, author="Fine Plugins LLC"), ["author", "Automattic", "Fine Plugins LLC"]),
        (
            replace(AKISMET, contributors=("newbuyer",)),
            ["contributors", "automattic, matt", "newbuyer"],
        ),
        (
            CLOSED_IN_APRIL,
            ["closed", "listed", "closed on 7 Apr 2026, reason: Security Issue"],
        ),
        (Closed(None, ""), ["closed", "listed", "closed"]),
    ],
)
def test_a_change_is_recorded_with_old_and_new(
    days: Days, answer: Listing | Closed, expected: list[str]
) -> None:
    assert parts(days.see(answer)) == [[expected]]
    assert len(days.see(answer, answer)) == 1
    assert provenance.is_paused("plugin", IDENT)


def test_simultaneous_changes_are_one_question_for_a_person(days: Days) -> None:
    sold = replace(SOLD, author="Buyer", contributors=("newbuyer",), version="6.0")
    (found,) = days.see(sold)
    assert found.what == "owner"
    assert [what for what, _, _ in found.parts] == ["owner", "contributors", "author"]


def test_a_plugin_is_gone_after_three_days_and_its_return_is_recorded(days: Days) -> None:
    assert days.see(None, None) == []
    (found,) = days.see(None)
    assert found.parts == [["gone", "listed", "not in the directory"]]
    days.see(AKISMET)
    newest = ProvenanceChange.history(*PLUGIN)[0]
    assert newest.parts == [["listed", "gone", "listed"]]
    assert not newest.is_open
    # The return of a plugin does not accept that it was gone.
    assert ProvenanceChange.all_open() == [found]


def test_a_plugin_closed_before_the_first_answer_is_reported(
    ready: Site, config: Config, clock: Clock
) -> None:
    sources.check_site(ready.id, clock())
    (found,) = Days(Directory(), config, clock).see(CLOSED_IN_APRIL)
    assert found.parts[0][:2] == ["closed", "not asked before"]


@pytest.mark.parametrize(
    "answer",
    [
        replace(AKISMET, contributors=("automattic", "matt", "newcomer")),
        replace(AKISMET, contributors=("matt",)),
        replace(AKISMET, contributors=()),
        replace(AKISMET, author="AUTOMATTIC"),
        replace(AKISMET, author="Automattic."),
        replace(AKISMET, author=""),
        replace(AKISMET, owner="Automattic"),
        replace(AKISMET, owner=""),
        replace(AKISMET, version="6.0", tested="7.0", name="Akismet: now better"),
        None,
    ],
)
def test_ordinary_noise_is_no_change(days: Days, answer: Listing | None) -> None:
    assert days.see(answer, AKISMET, answer) == []
    assert ProvenanceChange.select().count() == 0


def test_the_order_of_authors_is_no_change(days: Days) -> None:
    both = [replace(AKISMET, author=name) for name in ("Automattic, Matt", "matt & Automattic")]
    days.see(both[0])
    before = ProvenanceChange.select().count()
    days.see(both[1])
    assert ProvenanceChange.select().count() == before


def test_contributors_cannot_be_replaced_one_by_one_unnoticed(days: Days) -> None:
    first = [("automattic", "matt", "x"), ("matt", "x"), ("matt", "x", "y")]
    assert days.see(*(replace(AKISMET, contributors=names) for names in first)) == []
    (found,) = days.see(replace(AKISMET, contributors=("x", "y")))
    assert found.parts == [["contributors", "automattic, matt", "x, y"]]
    assert len(days.see(replace(AKISMET, contributors=("x",)))) == 1


def test_three_hundred_ordinary_releases_raise_nothing(
    ready: Site, config: Config, clock: Clock
) -> None:
    sources.check_site(ready.id, clock())
    days, dice, present = Days(Directory(), config, clock), random.Random(16), AKISMET
    days.see(present)
    for number in range(300):
        present = _ordinary_release(present, number, dice)
        answers = [present] if dice.random() < 0.9 else [None, present]
        assert days.see(*answers) == []
    assert ProvenanceChange.select().count() == 0
    assert not provenance.is_paused("plugin", IDENT)


def _ordinary_release(before: Listing, number: int, dice: random.Random) -> Listing:
    """Return the next version, changed as real releases are: contributors vary, and one stays."""
    others = set(before.contributors) - {"matt"}
    if dice.random() < 0.2:
        others.add(f"person{dice.randrange(40)}")
    if others and dice.random() < 0.1:
        others.discard(dice.choice(sorted(others)))
    return replace(
        before,
        version=f"6.{number}",
        last_updated=before.last_updated and before.last_updated + timedelta(days=1),
        contributors=tuple(dice.sample(sorted({*others, "matt"}), len(others | {"matt"}))),
        author=dice.choice(["Automattic", "automattic", "AUTOMATTIC", "Automattic."]),
        owner=dice.choice(["automattic", "Automattic"]),
        tested=f"7.{number % 5}",
        name=dice.choice(["Akismet", "Akismet Anti-spam"]),
    )


# ---- the update host in site reports ----


def test_another_update_host_is_reported_once_for_all_sites(
    days: Days, ready: Site, ana: Actor, clock: Clock
) -> None:
    other = make_site(ana, now=clock(), url="https://other.example", name="Other")
    Site.update(state="active").where(Site.id == other.id).execute()
    assert parts(_reports_host(ready, "https://updates.evil.example/akismet", clock)) == [
        [["host", "WordPress.org", "updates.evil.example"]]
    ]
    (item,) = items(ana)
    assert (item.severity, item.word) == ("critical", "host")
    assert len(_reports_host(ready, "https://updates.evil.example/other", clock)) == 1


@pytest.mark.parametrize(
    "update_uri", ["https://wordpress.org/plugins/akismet/", "HTTPS://W.ORG/plugin/akismet", ""]
)
def test_another_address_of_the_directory_is_no_change(
    days: Days, ready: Site, clock: Clock, update_uri: str
) -> None:
    assert _reports_host(ready, update_uri, clock) == []


def test_an_accepted_update_host_is_not_reported_again(
    days: Days, ready: Site, ana: Actor, clock: Clock
) -> None:
    (found,) = _reports_host(ready, "https://updates.vendor.example/", clock)
    accept(found, ana, clock)
    assert _reports_host(ready, "", clock) != []
    accept(ProvenanceChange.all_open()[0], ana, clock)
    assert _reports_host(ready, "https://updates.vendor.example/", clock) == []
    assert parts(_reports_host(ready, "https://elsewhere.example/", clock)) == [
        [["host", "updates.vendor.example", "elsewhere.example"]]
    ]


def _reports_host(site: Site, update_uri: str, clock: Clock) -> list[ProvenanceChange]:
    """Have a site report another `Update URI` and return the changes then open."""
    Component.update(update_uri=update_uri).where(Component.ident == IDENT).execute()
    Report.update(digest=f"{clock().timestamp()}{update_uri}"[:64]).execute()
    clock.advance(minutes=15)
    sources.check_site(site.id, clock())
    return ProvenanceChange.all_open()


def test_a_package_from_a_different_host_than_before_is_reported(
    days: Days, rule: AutoUpdateRule, fake: FakeSite, ready: Site, ana: Actor, config: Config,
    clock: Clock,
) -> None:  # fmt: skip
    read_report(ready, fake, config=config)
    with transaction():
        KnownPackage.create(
            kind="plugin",
            ident=IDENT,
            version="5.3",
            host="downloads.wordpress.org",
            sha256="a" * 64,
            tree_sha256="b" * 64,
            first_seen_at=clock(),
        )
    answer = fake.changes.answer

    def report_other_host(site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        reply = answer(site, document)
        reply["facts"]["package_host"] = "cdn.newbuyer.example"
        return reply

    fake.changes.answer = report_other_host
    assert carried_out(fake, config).state == PROPOSED
    (found,) = ProvenanceChange.all_open()
    assert found.parts == [["host", "downloads.wordpress.org", "cdn.newbuyer.example"]]


# ---- rules wait, and people do not ----


def test_a_rule_proposes_nothing_until_a_person_accepts(
    days: Days, rule: AutoUpdateRule, fake: FakeSite, ready: Site, ana: Actor, config: Config,
    clock: Clock,
) -> None:  # fmt: skip
    (found,) = days.see(SOLD)
    read_report(ready, fake, config=config)
    assert auto_update_rules.propose_due(clock()) == 0
    accept(found, ana, clock)
    assert auto_update_rules.propose_due(clock()) == 1


def test_a_rule_does_not_approve_its_earlier_proposal(
    days: Days, rule: AutoUpdateRule, fake: FakeSite, ready: Site, ana: Actor, ben: Actor,
    config: Config, clock: Clock,
) -> None:  # fmt: skip
    read_report(ready, fake, config=config)
    auto_update_rules.propose_due(clock())
    change = check(Change.get(), fake, config)
    provenance.record_change(*PLUGIN, [provenance.Part("owner", "a", "b")], clock())
    assert auto_update_rules.approve_due(config, clock()) == 0
    change.refresh()
    assert change.state == PROPOSED
    # A person may still approve the update.
    approve(change, ben, config, clock())
    assert change.state == APPROVED
    assert run_change(change, fake, config) == "succeeded"


def test_an_update_approved_by_a_rule_waits_until_the_change_is_accepted(
    days: Days, rule: AutoUpdateRule, fake: FakeSite, ready: Site, ana: Actor, config: Config,
    clock: Clock,
) -> None:  # fmt: skip
    read_report(ready, fake, config=config)
    change = carried_out(fake, config)
    assert change.state == APPROVED
    provenance.record_change(*PLUGIN, [provenance.Part("owner", "a", "b")], clock())
    clock.advance(minutes=5)
    assert run_change(change, fake, config) == APPROVED
    assert execution.recover_changes(clock()) == 0
    assert fake.report["plugins"][0]["version"] == "5.3"
    accept(ProvenanceChange.all_open()[0], ana, clock)
    assert execution.recover_changes(clock()) == 1
    assert run_change(change, fake, config) == "succeeded"


def test_an_update_approved_by_a_person_does_not_wait(
    days: Days, fake: FakeSite, ready: Site, ben: Actor, config: Config, clock: Clock
) -> None:
    read_report(ready, fake, config=config)
    change = approve(check(propose(ready, ben, clock()), fake, config), ben, config, clock())
    provenance.record_change(*PLUGIN, [provenance.Part("owner", "a", "b")], clock())
    assert run_change(change, fake, config) == "succeeded"


def test_other_plugins_do_not_wait(days: Days) -> None:
    days.see(SOLD)
    assert not provenance.is_paused("plugin", "other/other.php")
    assert not provenance.is_paused("theme", "akismet")


def test_the_attack_of_april_2026_stops_at_the_new_owner(
    days: Days, rule: AutoUpdateRule, fake: FakeSite, ready: Site, ana: Actor, config: Config,
    clock: Clock,
) -> None:  # fmt: skip
    """A buyer takes the plugin over, waits for months, then releases a version with a backdoor."""
    assert days.see(SOLD) != []
    (item,) = items(ana)
    assert (item.word, item.name, item.severity) == ("owner", "Akismet", "check")
    for _ in range(8):
        days.see(replace(SOLD, version="5.3"))
        clock.advance(days=27)
    days.see(replace(SOLD, version="5.3.1"))
    read_report(ready, fake, config=config)
    for _ in range(48):
        clock.advance(minutes=30)
        assert auto_update_rules.propose_due(clock()) == 0
    assert Change.select().count() == 0
    # The directory finally closes the plugin: more urgent, and the open change stays open.
    days.see(CLOSED_IN_APRIL)
    assert [item.word for item in items(ana)] == ["closed", "owner"]
    assert items(ana)[0].severity == "critical"


# ---- accepting ----


def test_an_acceptance_is_for_exactly_one_change(days: Days, mia: Actor, clock: Clock) -> None:
    (first,) = days.see(SOLD)
    accept(first, mia, clock, "  They announced it on their blog.  ")
    assert (first.accepted_by, first.reason) == ("Mia", "They announced it on their blog.")
    assert not provenance.is_paused("plugin", IDENT)
    (second,) = days.see(replace(SOLD, owner="another"))
    assert second.parts == [["owner", "newbuyer", "another"]]
    # Back to the first owner is another change as well.
    assert len(days.see(SOLD)) == 2
    entry = AuditEntry.newest(event="provenance_accepted", limit=1)[0]
    assert (entry.actor, facts_of("provenance_accepted")["parts"]) == (
        f"user:{mia.id}",
        first.parts,
    )
    assert entry.detail is not None
    assert first.reason in str(entry.detail.body)


def test_the_entry_names_what_changed(days: Days) -> None:
    days.see(SOLD)
    facts = facts_of("provenance_changed")
    assert facts["parts"] == [["owner", "automattic", "newbuyer"]]
    assert (facts["slug"], facts["sites"]) == ("akismet", 1)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_an_acceptance_needs_a_reason(days: Days, ana: Actor, clock: Clock, reason: str) -> None:
    (found,) = days.see(SOLD)
    with pytest.raises(Invalid):
        accept(found, ana, clock, reason)
    assert ProvenanceChange.all_open() == [found]


def test_operators_viewers_and_clients_do_not_accept(
    days: Days, ben: Actor, cleo: Actor, dora: Actor, clock: Clock
) -> None:
    (found,) = days.see(SOLD)
    for actor in (ben, cleo, dora):
        with pytest.raises(Forbidden):
            accept(found, actor, clock)


def test_a_person_limited_to_some_clients_cannot_accept(days: Days, clock: Clock) -> None:
    (found,) = days.see(SOLD)
    limited = Actor.of(make_user("Lia", "manager"))
    User.update(limited_to=[1]).where(User.id == limited.id).execute()
    with pytest.raises(Forbidden, match="all clients"):
        accept(found, limited, clock)


def test_a_password_entered_long_ago_does_not_accept(days: Days, ana: Actor, clock: Clock) -> None:
    (found,) = days.see(SOLD)
    before = clock() - timedelta(minutes=16)
    with pytest.raises(ReauthenticationRequired):
        changes.accept_change(found, "Fine", by=ana, confirmed_at=before, now=clock())


def test_two_at_once_accept_a_change_once(days: Days, ana: Actor, mia: Actor, clock: Clock) -> None:
    (found,) = days.see(SOLD)
    accept(changes.find_change(found.id), ana, clock)
    with pytest.raises(StaleState):
        accept(found, mia, clock)


# ---- who is notified ----


def test_the_item_is_about_the_sites_that_have_it(
    days: Days, ready: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    days.see(SOLD)
    (item,) = items(ana)
    assert isinstance(item.row, OpenChange)
    assert item.row.sites == 1
    assert item.client_ids == {ready.client_id}
    fake.report = report(plugins=[plugin("other/other.php")])
    clock.advance(minutes=15)
    read_report(ready, fake, config=config)
    sources.check_site(ready.id, clock())
    assert items(ana) == []


def test_a_site_that_installs_it_later_is_counted(
    days: Days, ready: Site, ana: Actor, clock: Clock
) -> None:
    days.see(SOLD)
    ProvenanceSite.delete().execute()
    assert items(ana) == []
    ProvenanceSite.renew(ready, {PLUGIN})
    assert len(items(ana)) == 1


def test_a_site_that_left_is_not_counted(days: Days, ana: Actor) -> None:
    days.see(SOLD)
    Site.update(state=REVOKED).execute()
    assert items(ana) == []


def test_limited_people_see_only_the_changes_on_their_sites(
    days: Days, ready: Site, ana: Actor, clock: Clock
) -> None:
    hers, others_client = Client.named("Hers"), Client.named("Theirs")
    Site.update(client=hers).execute()
    days.see(SOLD)
    for client, count in ((hers, 1), (others_client, 0)):
        limited = replace(ana, limited_to=frozenset({client.id}))
        visible = permissions.visibility_of(limited)
        assert len(items(limited)) == count
        assert len(attention.urgent(limited, [])) == count
        assert len(ProvenanceChange.listing(visible, 9)) == count
