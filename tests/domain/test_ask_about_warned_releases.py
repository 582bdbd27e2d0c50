"""A release with warnings that rules leave to people is one item, for all its sites."""

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
    """Three sites with a rule for every patch; one of the sites belongs to a client."""
    world = small_rollout_world
    Site.update(client=Client.named("Bakery Ltd")).where(Site.name == "C").execute()
    now = clock()
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=now, now=now)
    return world


def release(world: RolloutWorld, new: bytes) -> list[Change]:
    """Have the rule propose this package everywhere, and Aura compare it with the old one."""
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
    """Return the items that wait for a decision of this person."""
    items = attention.urgent(actor, [])
    assert items == attention.urgent_from(attention.read_findings(), actor)
    return [item for item in items if item.about in ("release", "approval")]


def test_a_warned_release_is_one_item_with_its_number_of_sites(
    world: RolloutWorld, ana: Actor
) -> None:
    changes = release(world, BACKDOOR)
    assert {change.state for change in changes} == {PROPOSED}
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
    assert {change.state for change in changes} == {APPROVED}
    assert waiting(ana) == []


def test_a_warned_update_of_a_person_waits_for_approval_as_usual(
    world: RolloutWorld, ana: Actor
) -> None:
    (change, *_) = release(world, BACKDOOR)
    Change.update(rule=None).where(Change.id == change.id).execute()
    found = [(item.about, item.id) for item in waiting(ana)]
    assert found == [("release", 0), ("approval", change.id)]


def test_a_plan_that_names_another_package_has_no_such_warning(
    world: RolloutWorld, ana: Actor
) -> None:
    release(world, BACKDOOR)
    ReleaseComparison.update(to_sha256="a" * 64).execute()
    assert {item.about for item in waiting(ana)} == {"approval"}


def test_people_see_only_the_sites_they_have_access_to(
    world: RolloutWorld, cleo: Actor, dora: Actor
) -> None:
    release(world, BACKDOOR)
    bakery = Client.named("Bakery Ltd")
    limited = Actor.of(make_user("Carl", "operator", limited_to=[bakery.id]), "192.0.2.9")
    (item,) = waiting(limited)
    why = describe_task(attention.Task((item,)), UTC)[1]
    assert "leave it to a person on C, " in why
    assert item.client_ids == {bakery.id}
    # A person who may not approve has nothing to decide, and a client approves its own updates.
    assert waiting(cleo) == []
    assert all(other_item.about == "approval" for other_item in waiting(dora))


def test_the_item_stays_the_same_until_the_last_site_is_decided(
    world: RolloutWorld, ana: Actor
) -> None:
    first, second, third = release(world, BACKDOOR)
    (key,) = {waiting_item.key for waiting_item in waiting(ana)}
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


def test_proposals_of_several_nights_link_to_open_updates(world: RolloutWorld, ana: Actor) -> None:
    first = release(world, BACKDOOR)[0]
    Change.update(batch="0f000000-0000-4000-8000-000000000000").where(
        Change.id == first.id
    ).execute()
    (item,) = waiting(ana)
    assert contents.path_of(attention.Task((item,))) == "/updates/waiting"
