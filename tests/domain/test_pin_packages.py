"""Pin each plan to one package; a second one of the version stops it until a person decides."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.changes import auto_update_rules, change_plan
from app.domain.errors import Forbidden, StaleChange
from app.models.accounts import User
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.changes import (
    APPROVED,
    CANCELLED,
    CHECKING,
    EXPIRED,
    PROPOSED,
    REFUSED,
    UNKNOWN,
    Change,
)
from app.models.clients import Client
from app.models.packages import KnownPackage
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.protocol import canonical, parse_json
from tests.support.factories import (
    approve,
    check,
    make_site,
    pair,
    propose,
    read_report,
    report,
    run_change,
)
from tests.support.fake_changes import SHA256, TREE
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.rules import carried_out, terms

OTHER = ("ef" * 32, "01" * 32)


@pytest.fixture
def second(ready: Site, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> FakeSite:
    """A second site with the same plugin, whose server gets another package."""
    site = make_site(ana, now=clock(), url="https://second.example", name="Second")
    fake = FakeSite(site.url, clock, report())
    fake.changes.package = OTHER
    pair(site, fake, by=ana, config=config)
    read_report(site, fake, config=config)
    return fake


def second_change(ben: Actor, second: FakeSite, config: Config) -> Change:
    site = Site.get(Site.name == "Second")
    return check(propose(site, ben, second.clock()), second, config)


def propose_again(site: Site, change: Change, clock: Clock) -> Change:
    """Return what the rule proposes once its first proposal has expired."""
    change.move(EXPIRED, ended_at=clock())
    clock.advance(hours=21)
    auto_update_rules.propose_due(clock())
    return Change.get(Change.site == site, Change.state == CHECKING)


def resolve(by: Actor, now: Any) -> None:
    (alert,) = Alert.unresolved(EVERYTHING)
    alerts.close_alert(
        alert,
        by=by,
        note="The developer explained it.",
        with_others=False,
        confirmed_at=now,
        now=now,
    )


def test_a_plan_names_the_package_and_its_files(proposed: Change, ready: Site) -> None:
    item = parse_json(proposed.document.encode())["item"]
    assert (item["package_sha256"], item["tree_sha256"]) == (SHA256, TREE)
    entry = AuditEntry.newest(site_id=ready.id, event="change_checked", limit=1)[0]
    reported = entry_document(entry)["facts"]["reported"]
    assert (reported["package_sha256"], reported["tree_sha256"]) == (SHA256, TREE)


@pytest.mark.parametrize(
    "package", [(None, None), (SHA256, None), (None, TREE), (SHA256.upper(), TREE), ("ab", "cd")]
)
def test_an_update_without_a_named_package_cannot_be_approved(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock, package: Any
) -> None:
    fake.changes.package = package
    change = check(propose(ready, ben, clock()), fake, config)
    assert (change.state, change.outcome_reason) == (REFUSED, "package_unpinned")
    assert change.document == ""


def test_a_proposal_without_a_named_package_needs_a_new_pre_check(
    proposed: Change, ana: Actor, config: Config, clock: Clock
) -> None:
    document = parse_json(proposed.document.encode())
    document["item"] |= {"package_sha256": None}
    del document["item"]["tree_sha256"]
    old = canonical(document)
    proposed.note(PROPOSED, document=old.decode(), digest=change_plan.digest_of(old))
    with pytest.raises(StaleChange, match="does not name the package"):
        approve(proposed, ana, config, clock())


def test_a_rule_approves_no_update_without_a_named_package(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.changes.package = (None, None)
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    change = carried_out(fake, config)
    assert (change.state, change.outcome_reason) == (REFUSED, "package_unpinned")


def test_a_second_package_of_a_version_stops_it_on_every_site(
    proposed: Change, ben: Actor, ana: Actor, second: FakeSite, config: Config, clock: Clock
) -> None:
    change = second_change(ben, second, config)
    assert (change.state, change.outcome_reason) == (REFUSED, "package_differs")
    (alert,) = Alert.unresolved(EVERYTHING)
    assert (alert.site_id, alert.kind) == (change.site_id, alerts.PACKAGE_DIFFERS)
    assert alerts.severity(alert.kind) == "critical"
    assert alert.evidence["site"]["package_sha256"] == OTHER[0]
    assert alert.evidence["aura"]["package_sha256"] == SHA256
    with pytest.raises(StaleChange, match="Resolve the alert first"):
        approve(proposed, ana, config, clock())


def test_an_approved_update_of_a_disputed_version_is_not_sent(
    proposed: Change,
    fake: FakeSite,
    ben: Actor,
    ana: Actor,
    second: FakeSite,
    config: Config,
    clock: Clock,
) -> None:
    assert approve(proposed, ana, config, clock()).state == APPROVED
    second_change(ben, second, config)
    assert run_change(proposed, fake, config) == CANCELLED
    assert proposed.outcome_reason == "package_disputed"
    assert not fake.changes.asked


def test_a_rule_does_not_approve_a_disputed_version(
    ready: Site,
    fake: FakeSite,
    ben: Actor,
    ana: Actor,
    second: FakeSite,
    config: Config,
    clock: Clock,
) -> None:
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    auto_update_rules.propose_due(clock())
    change, other = Change.get(Change.site == ready), Change.get(Change.site != ready)
    assert check(change, fake, config).state == PROPOSED
    assert check(other, second, config).state == REFUSED
    assert auto_update_rules.approve_due(config, clock()) == 0
    resolve(ana, clock())
    # The known package is forgotten, so the rule waits for the next pre-check.
    assert auto_update_rules.approve_due(config, clock()) == 0
    check(propose_again(ready, change, clock), fake, config)
    assert auto_update_rules.approve_due(config, clock()) == 1


def test_a_resolved_dispute_starts_over_with_the_next_package_seen(
    proposed: Change, ben: Actor, ana: Actor, second: FakeSite, config: Config, clock: Clock
) -> None:
    second_change(ben, second, config)
    resolve(ana, clock())
    assert KnownPackage.select().count() == 0
    assert approve(proposed, ana, config, clock()).state == APPROVED
    next_change = second_change(ben, second, config)
    assert next_change.state == PROPOSED
    assert KnownPackage.get().sha256 == OTHER[0]


def test_a_person_limited_to_some_clients_cannot_resolve_a_dispute(
    proposed: Change, ben: Actor, second: FakeSite, config: Config, clock: Clock
) -> None:
    change = second_change(ben, second, config)
    client = Client.named("Bakery Ltd")
    Site.update(client=client).where(Site.id == change.site_id).execute()
    User.update(limited_to=[client.id]).where(User.id == ben.id).execute()
    (alert,) = Alert.unresolved(EVERYTHING)
    assert alert.evidence["aura"]["seen_by"] == "another site"
    limited = Actor.of(User.get_by_id(ben.id), "192.0.2.2")
    with pytest.raises(Forbidden):
        resolve(limited, clock())
    assert KnownPackage.get().is_disputed
    assert len(Alert.unresolved(EVERYTHING)) == 1


def test_a_package_that_a_person_has_judged_stops_only_its_own_site(
    ready: Site,
    fake: FakeSite,
    ben: Actor,
    ana: Actor,
    second: FakeSite,
    config: Config,
    clock: Clock,
) -> None:
    first = check(propose(ready, ben, clock()), fake, config)
    second_change(ben, second, config)
    resolve(ana, clock())
    # The first site is checked again before the second.
    first.move(CANCELLED)
    first = check(propose(ready, ben, clock()), fake, config)
    assert second_change(ben, second, config).outcome_reason == "package_differs"
    assert Alert.unresolved(EVERYTHING) == []
    assert approve(first, ana, config, clock()).state == APPROVED


def test_a_package_that_changes_later_is_refused_and_raises_the_alert(
    proposed: Change, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    approve(proposed, ana, config, clock())
    fake.changes.package = OTHER
    assert run_change(proposed, fake, config) == REFUSED
    assert proposed.outcome_reason == "package_changed"
    assert [alert.kind for alert in Alert.unresolved(EVERYTHING)] == [alerts.PACKAGE_DIFFERS]
    assert KnownPackage.get().is_disputed


@pytest.mark.parametrize("name", ["package_sha256", "tree_sha256"])
@pytest.mark.parametrize("value", [None, OTHER[0]])
def test_a_success_with_other_files_than_approved_is_not_believed(
    proposed: Change,
    fake: FakeSite,
    ana: Actor,
    config: Config,
    clock: Clock,
    name: str,
    value: str | None,
) -> None:
    approve(proposed, ana, config, clock())
    answer = fake.changes.answer

    def report_other_files(site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        reply = answer(site, document)
        reply["evidence"][name] = value
        return reply

    fake.changes.answer = report_other_files
    assert run_change(proposed, fake, config) == UNKNOWN
    assert proposed.outcome_reason == "no_evidence"


def test_one_version_from_two_servers_is_two_packages(
    proposed: Change, ben: Actor, second: FakeSite, config: Config
) -> None:
    answer = second.changes.answer

    def report_other_host(site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        reply = answer(site, document)
        reply["facts"]["package_host"] = "shop.example"
        return reply

    second.changes.answer = report_other_host
    assert second_change(ben, second, config).state == PROPOSED
    assert KnownPackage.select().count() == 2
