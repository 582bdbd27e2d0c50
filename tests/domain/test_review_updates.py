"""Review a batch of updates: approve, request approval, postpone, stop, and list it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from app.domain import attention, permissions
from app.domain.actor import Actor
from app.domain.changes import approvals, proposals
from app.domain.changes.approvals import Terms
from app.domain.changes.proposals import UpdateRequest
from app.domain.errors import Forbidden, Invalid, StaleChange, StaleState
from app.models import change_batches
from app.models.change_batches import ENDED, TO_APPROVE, TO_CHECK, UNDER_WAY
from app.models.changes import APPROVED, CANCELLED, CHECKING, PROPOSED, Change
from app.models.clients import CLIENT_APPROVAL, FOUR_EYES, SELF_APPROVAL, Client
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.protocol import from_b64u
from tests.support.audit_entries import facts_of
from tests.support.factories import AKISMET, approve, check, run_change

pytestmark = pytest.mark.both_databases


def set_approvals(site: Site, approvals_: str) -> None:
    """Give the site a client whose updates are approved this way."""
    client = Client.named("Bakery Ltd")
    Client.update(approvals=approvals_).where(Client.id == client.id).execute()
    Site.update(client=client).where(Site.id == site.id).execute()


@pytest.fixture
def reviewed(ready: Site, ben: Actor, fake, config) -> Change:
    """An update that Ben reviews: the pre-check passed, and no other person was asked."""
    requests = [UpdateRequest(Site.get_by_id(ready.id), "plugin", AKISMET, "5.3.1")]
    return check(proposals.review_changes(requests, by=ben, now=fake.clock())[0], fake, config)


def approvals_for(actor: Actor) -> list[int]:
    brief = attention.urgent_in_brief(actor)
    return [item.id for item in brief.items if item.about == "approval"]


def reread(change: Change) -> Change:
    return Change.get_by_id(change.id)


def test_the_reviewer_can_approve_where_one_person_is_enough(reviewed, ben, config):
    now = reviewed.checked_at
    terms = Terms(reason="security fix")
    approvals.approve_changes(
        [reviewed], by=ben, seen={reviewed.id: reviewed.digest}, confirmed_at=now, config=config,
        now=now, terms=terms,
    )  # fmt: skip
    change = reread(reviewed)
    assert (change.state, change.how, change.reason) == (APPROVED, "self_confirmed", "security fix")
    approval = json.loads(from_b64u(change.plan))["approval"]
    assert approval["reason"] == "security fix"
    assert facts_of("change_approved")["reason"] == "security fix"


@pytest.mark.parametrize("mode", [FOUR_EYES, CLIENT_APPROVAL])
def test_another_person_decides_only_after_the_request(
    ready, reviewed, ana, ben, dora, config, fake, mode
):
    set_approvals(ready, mode)
    decider = ana if mode == FOUR_EYES else dora
    assert approvals_for(decider) == []
    with pytest.raises(StaleChange, match="not requested approval"):
        approve(reread(reviewed), decider, config, fake.clock())
    requested = proposals.request_approval(
        Change.in_batch(reviewed.batch, EVERYTHING), by=ben, reason="new form", now=fake.clock()
    )
    assert requested == 1
    assert (reread(reviewed).reason, reread(reviewed).state) == ("new form", PROPOSED)
    assert facts_of("approval_requested")["reason"] == "new form"
    assert approvals_for(decider) == [reviewed.id]
    assert approve(reread(reviewed), decider, config, fake.clock()).state == APPROVED


def test_a_person_who_may_propose_requests_approval_once(ready, reviewed, ben, cleo, fake):
    assert not proposals.needs_request(Change.in_batch(reviewed.batch, EVERYTHING)[0])
    set_approvals(ready, FOUR_EYES)
    assert proposals.needs_request(Change.in_batch(reviewed.batch, EVERYTHING)[0])
    batch = Change.in_batch(reviewed.batch, EVERYTHING)
    with pytest.raises(Forbidden):
        proposals.request_approval(batch, by=cleo, reason="", now=fake.clock())
    with pytest.raises(Invalid):
        proposals.request_approval(batch, by=ben, reason="x" * 501, now=fake.clock())
    proposals.request_approval(batch, by=ben, reason="", now=fake.clock())
    with pytest.raises(StaleState):
        proposals.request_approval(batch, by=ben, reason="", now=fake.clock())


def test_a_client_user_does_not_see_an_update_under_review(ready, reviewed, ben, dora, fake):
    set_approvals(ready, CLIENT_APPROVAL)
    clients_view = permissions.visibility_of(dora)
    assert Change.in_batch(reviewed.batch, clients_view) == []
    assert change_batches.listing(TO_APPROVE, visible=clients_view, limit=9) == []
    proposals.request_approval(
        Change.in_batch(reviewed.batch, EVERYTHING), by=ben, reason="", now=fake.clock()
    )
    assert len(Change.in_batch(reviewed.batch, clients_view)) == 1
    assert change_batches.counts(clients_view) == {TO_APPROVE: 1, UNDER_WAY: 0, TO_CHECK: 0}


def test_a_postponed_update_starts_at_its_time_with_the_plan_shown(reviewed, ben, fake, config):
    now = fake.clock()
    tonight = now + timedelta(hours=9)
    approvals.approve_changes(
        [reviewed], by=ben, seen={reviewed.id: reviewed.digest}, confirmed_at=now, config=config,
        now=now, terms=Terms(starts_at=tonight),
    )  # fmt: skip
    change = reread(reviewed)
    assert facts_of("change_approved")["starts_at"] == tonight.isoformat()
    assert run_change(change, fake, config) == APPROVED
    fake.clock.now = tonight + timedelta(seconds=1)
    assert run_change(change, fake, config) == "succeeded"


def test_an_update_cannot_be_postponed_beyond_its_plan(reviewed, ben, fake, config):
    now = fake.clock()
    with pytest.raises(Invalid, match="Start it before"):
        approvals.approve_changes(
            [reviewed], by=ben, seen={reviewed.id: reviewed.digest}, confirmed_at=now,
            config=config, now=now, terms=Terms(starts_at=now + timedelta(days=8)),
        )  # fmt: skip
    assert reread(reviewed).state == PROPOSED


def test_stopping_a_batch_cancels_updates_that_have_not_started(reviewed, ben, cleo, fake):
    with pytest.raises(Forbidden):
        proposals.stop_batch([reviewed], by=cleo, now=fake.clock())
    assert proposals.stop_batch([reviewed], by=ben, now=fake.clock()) == 1
    assert reread(reviewed).state == CANCELLED
    with pytest.raises(StaleState):
        proposals.stop_batch([reviewed], by=ben, now=fake.clock())


def test_a_batch_is_one_row_in_the_list_of_its_state(reviewed, ana, ben, fake, config):
    [row] = change_batches.listing(TO_APPROVE, visible=EVERYTHING, limit=9)
    assert (row.batch, row.change_id, row.last_id) == (reviewed.batch, reviewed.id, reviewed.id)
    assert (row.name, row.from_version, row.to_version) == ("Akismet", "5.3", "5.3.1")
    assert (row.proposer, row.proposed_at, row.site_name) == ("Ben", reviewed.proposed_at, "Bakery")
    assert (row.sites, row.updates, row.changes, row.unrequested) == (1, 1, 1, 1)
    assert row.count(CHECKING, PROPOSED) == 1
    assert change_batches.listing(ENDED, visible=EVERYTHING, limit=9) == []
    approve(reviewed, ben, config, fake.clock())
    assert change_batches.counts(EVERYTHING) == {TO_APPROVE: 0, UNDER_WAY: 1, TO_CHECK: 0}
    assert len(change_batches.listing(UNDER_WAY, visible=EVERYTHING, limit=9)) == 1
    run_change(reviewed, fake, config)
    [done] = change_batches.listing(ENDED, visible=EVERYTHING, limit=9, outcome="succeeded")
    assert done.ended_at == reread(reviewed).ended_at
    assert change_batches.listing(ENDED, visible=EVERYTHING, limit=9, outcome="bad") == []


def test_a_colleague_can_be_asked_where_one_person_is_enough(ready, reviewed, ana, ben, fake):
    set_approvals(ready, SELF_APPROVAL)
    batch = Change.in_batch(reviewed.batch, EVERYTHING)
    assert proposals.request_approval(batch, by=ben, reason="shop", now=fake.clock()) == 1
    assert (reread(reviewed).requested_at, reread(reviewed).reason) == (fake.clock(), "shop")
