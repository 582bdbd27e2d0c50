"""A release with warnings that rules leave to people is one thing to decide, for all its sites."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from app.domain import attention
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, proposals
from app.domain.notifications import contents
from app.mail_format import describe_task
from app.models.changes import APPROVED, PROPOSED, Change
from app.models.clients import Client
from app.models.release_comparisons import DONE, ReleaseComparison
from app.models.sites import Site
from tests.support.factories import approve, check, make_user
from tests.support.fakes import Clock
from tests.support.package_server import PATH, PackageServer, akismet, pins_of
from tests.support.release_reviews import compare
from tests.support.rollouts import RolloutWorld
from tests.support.rules import terms

pytestmark = pytest.mark.both_databases

UTC = ZoneInfo("UTC")
BACKDOOR = akismet(**{"includes/wp-comments-posts.php": b"<?php @eval($_POST['x']);"})


@pytest.fixture
def world(small_rollout_world: RolloutWorld, ana: Actor, clock: Clock) -> RolloutWorld:
    """Three sites with a rule for every patch; one of them is of a client."""
    world = small_rollout_world
    Site.update(client=Client.named("Bakery Ltd")).where(Site.name == "C").execute()
    now = clock()
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=now, now=now)
    return world


def release(world: RolloutWorld, new: bytes) -> list[Change]:
    """The rule proposes this package everywhere, and Aura compares it with the old one."""
    for fake in world.sites.values():
        fake.changes.package, fake.changes.package_path = pins_of(new), PATH
    auto_update_rules.propose_due(world.clock())
    for change in Change.select():
        check(change, world.sites[change.site_id], world.config)
    server = PackageServer()
    server.packages[PATH] = new
    assert compare(server, world.config, world.clock) == DONE
    auto_update_rules.approve_due(world.config, world.clock())
    return list(Change.select().order_by(Change.id))


def waiting(actor: Actor) -> list[attention.Item]:
    """What is to decide for this person."""
    items = attention.urgent(actor, [])
    assert items == attention.urgent_from(attention.read_findings(), actor)
    return [one for one in items if one.about in ("release", "approval")]


def test_it_is_one_item_with_its_warning_and_the_number_of_sites(
    world: RolloutWorld, ana: Actor
) -> None:
    changes = release(world, BACKDOOR)
    assert {one.state for one in changes} == {PROPOSED}
    (item,) = waiting(ana)
    assert (item.about, item.word, item.severity) == ("release", "core_name", attention.WAITING)
    (task,) = attention.tasks([item])
    title, why = describe_task(task, UTC)
    assert title == "Akismet 5.3.1 has a warning and waits for a decision"
    assert "New PHP named like a file of WordPress itself" in why
    assert "leave it to a person on 3 sites" in why
    assert contents.path_of(task) == f"/updates/{changes[0].batch}"


def test_an_ordinary_release_is_no_item(world: RolloutWorld, ana: Actor) -> None:
    changes = release(world, akismet())
    assert {one.state for one in changes} == {APPROVED}
    assert waiting(ana) == []


def test_what_a_person_proposed_waits_for_approval_as_before(
    world: RolloutWorld, ana: Actor
) -> None:
    (change, *_) = release(world, BACKDOOR)
    Change.update(rule=None).where(Change.id == change.id).execute()
    found = [(one.about, one.id) for one in waiting(ana)]
    assert found == [("release", 0), ("approval", change.id)]


def test_a_plan_that_names_another_package_has_no_such_warning(
    world: RolloutWorld, ana: Actor
) -> None:
    release(world, BACKDOOR)
    ReleaseComparison.update(to_sha256="a" * 64).execute()
    assert {one.about for one in waiting(ana)} == {"approval"}


def test_each_sees_the_sites_that_they_may_see(
    world: RolloutWorld, cleo: Actor, dora: Actor
) -> None:
    release(world, BACKDOOR)
    bakery = Client.named("Bakery Ltd")
    limited = Actor.of(make_user("Carl", "operator", limited_to=[bakery.id]), "192.0.2.9")
    (item,) = waiting(limited)
    why = describe_task(attention.Task((item,)), UTC)[1]
    assert "leave it to a person on C, " in why
    assert item.client_ids == {bakery.id}
    # One who may not approve has nothing to decide, and a client approves its own updates.
    assert waiting(cleo) == []
    assert all(one.about == "approval" for one in waiting(dora))


def test_the_item_stays_the_same_until_the_last_site_is_decided(
    world: RolloutWorld, ana: Actor
) -> None:
    first, second, third = release(world, BACKDOOR)
    (key,) = {one.key for one in waiting(ana)}
    keys = attention.read_findings().keys()
    assert key in keys
    approve(first, ana, world.config, world.clock())
    proposals.cancel_change(second, by=ana, now=world.clock())
    (item,) = waiting(ana)
    assert item.key == key
    assert contents.path_of(attention.Task((item,))) == f"/changes/{third.id}"
    proposals.cancel_change(third, by=ana, now=world.clock())
    assert waiting(ana) == []
    keys = attention.read_findings().keys()
    assert key not in keys


def test_proposals_of_several_nights_lead_to_what_waits(world: RolloutWorld, ana: Actor) -> None:
    first = release(world, BACKDOOR)[0]
    Change.update(batch="0f000000-0000-4000-8000-000000000000").where(
        Change.id == first.id
    ).execute()
    (item,) = waiting(ana)
    assert contents.path_of(attention.Task((item,))) == "/updates/waiting"
