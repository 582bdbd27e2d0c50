"""Client users see only their client's sites, and approve where the agency asks for it."""

from __future__ import annotations

import re
from html import unescape

import pytest

from app.domain.changes import approvals, auto_update_rules, proposals
from app.domain.changes.proposals import UpdateRequest
from app.domain.errors import Invalid, NotFound
from app.models.accounts import User
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.changes import APPROVED, PROPOSED, Change
from app.models.clients import CLIENT_APPROVAL, FOUR_EYES, SELF_APPROVAL, Client
from app.models.sites import Site
from app.protocol import from_b64u, parse_json
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    make_site,
    pair,
    propose,
    read_report,
    report,
    run_change,
)
from tests.support.fakes import FakeSite

FLORIST = "Florist by the Canal"


@pytest.fixture
def bakery(today, dora):
    """A site of Dora's client."""
    Site.update(client=dora.client_id).where(Site.id == today.id).execute()
    return Site.get_by_id(today.id)


@pytest.fixture
def foreign(ana, ben, fake, config, dora):
    """A change proposed for a site of another client."""
    clock = fake.clock
    site = make_site(
        ana, now=clock(), url="https://florist.example", name=FLORIST, client="Florist Ltd"
    )
    florist = FakeSite(site.url, clock, report())
    pair(site, florist, by=ana, config=config)
    read_report(site, florist, config=config)
    return check(propose(Site.get_by_id(site.id), ben, clock()), florist, config)


@pytest.fixture
def pending(bakery, ana, ben, fake, config, dora):
    """A proposed change that Dora's client has to approve."""
    client = Client.get_by_id(dora.client_id)
    auto_update_rules.set_approval_mode(
        client, CLIENT_APPROVAL, by=ana, confirmed_at=fake.clock(), now=fake.clock()
    )
    return check(propose(bakery, ben, fake.clock()), fake, config)


@pytest.fixture
def review(bakery, ben, fake, config):
    """A change that Ben reviews on Dora's site, without a request for approval."""
    requests = [UpdateRequest(bakery, "plugin", AKISMET, "5.3.1")]
    return check(proposals.review_changes(requests, by=ben, now=fake.clock())[0], fake, config)


def lists_of_updates(site):
    return (
        f"/sites/{site.id}",
        f"/sites/{site.id}/updates",
        f"/sites/{site.id}/component?kind=plugin&ident={AKISMET}",
        "/updates/waiting",
        "/updates/done",
    )


def approve_as(person, change):
    return person.post(f"/changes/{change.id}/approve", data={"digest": change.digest})


# ---- what a client user sees ----


def test_a_client_user_sees_no_trace_of_other_clients(as_dora, bakery, foreign):
    for path in ("/", "/sites?q=Florist", "/updates/waiting"):
        text = as_dora.get(path).text
        assert FLORIST not in text
        assert "florist" not in text.replace("q=Florist", "").replace('value="Florist"', "")
    assert "Bakery" in as_dora.get("/sites").text
    assert as_dora.get(f"/sites/{bakery.id}").status_code == 200


def test_a_client_user_reads_nothing_about_revoking_access(as_dora, bakery):
    pages = [as_dora.get(f"/sites/{bakery.id}{tab}") for tab in ("", "/updates", "/connection")]
    for page in pages:
        content = page.text.split("<main", 1)[1]
        assert "Revoke" not in content
        assert "revoke access" not in content.lower()
        assert "flask" not in content


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everything_about_another_clients_site_is_not_found(app, as_dora, bakery, foreign, method):
    """Try every route that names a site, a change or a batch."""
    tried = 0
    for rule in app.url_map.iter_rules():
        names = {"site_id": foreign.site_id, "change_id": foreign.id, "batch": foreign.batch}
        if not rule.arguments or not rule.arguments <= names.keys() or method not in rule.methods:
            continue
        values = {name: names[name] for name in rule.arguments}
        path = app.url_map.bind("localhost").build(rule.endpoint, values, method)
        response = as_dora.get(path) if method == "GET" else as_dora.post(path)
        assert response.status_code in (403, 404), rule.endpoint
        assert FLORIST not in response.text
        tried += 1
    assert tried >= (9 if method == "GET" else 15)
    assert Change.get_by_id(foreign.id).state == PROPOSED


def test_a_batch_shows_only_the_clients_own_changes(as_dora, bakery, foreign, ben, fake, config):
    own = check(propose(bakery, ben, fake.clock()), fake, config)
    Change.update(batch=foreign.batch).where(Change.id == own.id).execute()
    text = as_dora.get(f"/updates/{foreign.batch}").text
    assert "Akismet" in text
    assert FLORIST not in text
    assert FLORIST not in as_dora.get(f"/changes/{own.id}").text


def test_a_client_user_cannot_open_pages_of_the_agency(as_dora, bakery):
    for path in (
        "/activity",
        f"/sites/{bakery.id}/activity",
        "/auto-update-rules",
        "/team",
        "/updates/blocked",
        f"/plugins/plugin?ident={AKISMET}",
    ):
        assert as_dora.get(path).status_code == 403
    text = (
        as_dora.get(f"/sites/{bakery.id}").text + as_dora.get(f"/sites/{bakery.id}/connection").text
    )
    for words in ("Recent activity", "Keys and address", "Revoke access", "Sync now", "Notes"):
        assert words not in text


def test_a_client_user_without_a_client_sees_nothing(as_dora, bakery, foreign, dora):
    User.update(client_id=None).where(User.id == dora.id).execute()
    assert as_dora.get(f"/sites/{bakery.id}").status_code == 404
    assert "Bakery" not in as_dora.get("/sites").text


def test_an_internal_review_is_hidden_from_the_client(as_dora, as_ben, bakery, review):
    link = f'href="/changes/{review.id}"'
    for path in lists_of_updates(bakery):
        response = as_dora.get(path)
        assert (response.status_code, link in response.text) == (200, False), path
        assert (link in as_ben.get(path).text) == (path != "/updates/done"), path
    assert "to approve" not in as_dora.get("/sites").text
    assert as_dora.get(f"/changes/{review.id}").status_code == 404
    assert as_dora.get(f"/updates/{review.batch}").status_code == 404


def test_a_client_reads_what_the_agency_approved(as_dora, bakery, ben, review, fake, config):
    approve(review, ben, config, fake.clock())
    run_change(review, fake, config)
    assert "Succeeded" in as_dora.get(f"/changes/{review.id}").text
    for path in lists_of_updates(bakery)[1:3]:
        assert f'href="/changes/{review.id}"' in as_dora.get(path).text, path
    assert f'href="/changes/{review.id}"' in as_dora.get("/updates/done").text


@pytest.mark.parametrize("is_approved", [True, False])
def test_each_link_of_a_report_works(as_dora, bakery, ben, review, fake, config, is_approved):
    if is_approved:
        approve(review, ben, config, fake.clock())
        run_change(review, fake, config)
    text = as_dora.get(f"/clients/{bakery.client_id}/report").text.split("<article")[1]
    links = {unescape(link) for link in re.findall(r'href="(/[^"]+)"', text)}
    assert (f"/changes/{review.id}" in links) == is_approved
    assert (f"Update {review.id} is in progress" in text) != is_approved
    assert {link: as_dora.get(link).status_code for link in links} == dict.fromkeys(links, 200)


# ---- what a client user decides ----


def test_under_client_approval_the_client_approves(as_dora, as_ana, pending):
    assert "Approve update to 5.3.1" in as_dora.get(f"/changes/{pending.id}").text
    assert approve_as(as_dora, pending).status_code == 303
    found = Change.get_by_id(pending.id)
    assert (found.state, found.how, found.decided_by) == (APPROVED, "client", "Dora")
    assert parse_json(from_b64u(found.plan))["approval"]["how"] == "client"
    assert "the client approved it" in as_ana.get(f"/changes/{pending.id}").text


def test_under_client_approval_the_agency_cannot_approve(as_ana, as_ben, pending):
    assert "The client approves updates" in as_ana.get(f"/changes/{pending.id}").text
    for person in (as_ana, as_ben):
        assert approve_as(person, pending).status_code == 403
    assert Change.get_by_id(pending.id).state == PROPOSED


def test_without_client_approval_the_client_cannot_approve(as_dora, bakery, ben, fake, config):
    change = check(propose(bakery, ben, fake.clock()), fake, config)
    assert "The agency approves updates" in as_dora.get(f"/changes/{change.id}").text
    assert approve_as(as_dora, change).status_code == 403


def test_under_client_approval_the_client_rejects_with_a_reason(as_dora, pending):
    response = as_dora.post(f"/changes/{pending.id}/reject", data={"reason": "we open on Friday"})
    assert response.status_code == 303
    assert Change.get_by_id(pending.id).decision == "we open on Friday"


@pytest.mark.parametrize("how", [SELF_APPROVAL, FOUR_EYES])
def test_without_client_approval_the_client_cannot_reject(
    as_dora, bakery, ben, fake, config, dora, how
):
    Client.update(approvals=how).where(Client.id == dora.client_id).execute()
    change = check(propose(bakery, ben, fake.clock()), fake, config)
    response = as_dora.post(f"/changes/{change.id}/reject", data={"reason": "we open on Friday"})
    assert response.status_code == 403
    assert "The agency approves updates" in response.text
    assert Change.get_by_id(change.id).state == PROPOSED


def test_under_client_approval_the_agency_cannot_reject(as_ana, as_ben, pending):
    for person in (as_ana, as_ben):
        response = person.post(f"/changes/{pending.id}/reject", data={"reason": "not now"})
        assert response.status_code == 403
        assert "The client approves updates" in response.text
    assert Change.get_by_id(pending.id).state == PROPOSED


def test_the_domain_refuses_another_clients_change(dora, foreign, config):
    now = foreign.proposed_at
    with pytest.raises(NotFound):
        approvals.approve_changes(
            [foreign],
            by=dora,
            seen={foreign.id: foreign.digest},
            confirmed_at=now,
            config=config,
            now=now,
        )
    with pytest.raises(NotFound):
        approvals.reject_change(foreign, by=dora, reason="no", now=now)


def test_a_client_user_who_changed_clients_cannot_decide(as_dora, pending, dora):
    other = Client.named("Florist Ltd")
    User.update(client_id=other.id).where(User.id == dora.id).execute()
    assert approve_as(as_dora, pending).status_code == 404


def test_an_auto_update_rule_skips_sites_under_client_approval(as_dora, pending, bakery):
    rule = AutoUpdateRule(permissions=["plugins"], release_types=["patch"], confirmed_by=1)
    assert not auto_update_rules.may_release(rule, bakery, "plugins", "patch")
    Client.update(approvals="self").execute()
    assert auto_update_rules.may_release(rule, Site.get_by_id(bakery.id), "plugins", "patch")


# ---- invitations and approval modes ----


def test_an_owner_invites_a_client_user_for_one_client(as_ana, database):
    client = Client.named("Bakery Ltd")
    form = {"name": "Dora", "email": "dora@bakery.example", "role": "client"}
    assert as_ana.post("/team", data=form).status_code == 422
    response = as_ana.post("/team", data={**form, "client": client.id})
    assert "One-time link for Dora" in as_ana.get(response.location).text
    user = User.get(User.name == "Dora")
    assert (user.role, user.client_id) == ("client", client.id)
    assert "Bakery Ltd" in as_ana.get("/team").text


def test_a_colleague_belongs_to_no_client(as_ana, database):
    client = Client.named("Bakery Ltd")
    form = {"name": "Olga", "email": "olga@agency.example", "role": "viewer", "client": client.id}
    as_ana.post("/team", data=form)
    assert User.get(User.name == "Olga").client_id is None


def test_client_approval_needs_a_client_user(ana, database):
    client, now = Client.named("Bakery Ltd"), utcnow()
    with pytest.raises(Invalid, match="has no client user yet"):
        auto_update_rules.set_approval_mode(
            client, CLIENT_APPROVAL, by=ana, confirmed_at=now, now=now
        )


def test_a_client_user_reads_the_history_of_a_plugin(as_dora, pending, bakery):
    text = as_dora.get(f"/sites/{bakery.id}/component?kind=plugin&ident={AKISMET}").text
    assert f"Update {pending.id}" in text
    assert "Ignore updates" not in text


def test_client_approval_without_a_client_user_leads_to_the_team(as_ana, today, database):
    client = Client.named("Rosa")
    response = as_ana.post(f"/clients/{client.id}/approvals", data={"approvals": "client"})
    assert (response.status_code, response.headers["Location"]) == (303, "/team#invite")
    assert "Rosa has no client user yet who could approve" in as_ana.get("/team").text
