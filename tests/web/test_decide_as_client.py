"""A person at a client sees that client's sites and nothing else, and decides where asked to."""

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
def hers(today, dora):
    """Dora's own site."""
    Site.update(client=dora.client_id).where(Site.id == today.id).execute()
    return Site.get_by_id(today.id)


@pytest.fixture
def others(ana, ben, fake, config, dora):
    """A site of somebody else, and a change proposed for it."""
    clock = fake.clock
    site = make_site(
        ana, now=clock(), url="https://florist.example", name=FLORIST, client="Florist Ltd"
    )
    there = FakeSite(site.url, clock, report())
    pair(site, there, by=ana, config=config)
    read_report(site, there, config=config)
    return check(propose(Site.get_by_id(site.id), ben, clock()), there, config)


@pytest.fixture
def asked(hers, ana, ben, fake, config, dora):
    """Her agency asks her, and has proposed something."""
    client = Client.get_by_id(dora.client_id)
    auto_update_rules.set_approval_mode(
        client, CLIENT_APPROVAL, by=ana, confirmed_at=fake.clock(), now=fake.clock()
    )
    return check(propose(hers, ben, fake.clock()), fake, config)


@pytest.fixture
def reviewed(hers, ben, fake, config):
    """What Ben reviews on her site and has asked no one to approve."""
    wanted = [UpdateRequest(hers, "plugin", AKISMET, "5.3.1")]
    return check(proposals.review_changes(wanted, by=ben, now=fake.clock())[0], fake, config)


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


# ---- what she sees ----


def test_she_sees_her_sites_and_no_trace_of_others(as_dora, hers, others):
    for path in ("/", "/sites?q=Florist", "/updates/waiting"):
        text = as_dora.get(path).text
        assert FLORIST not in text
        assert "florist" not in text.replace("q=Florist", "").replace('value="Florist"', "")
    assert "Bakery" in as_dora.get("/sites").text
    assert as_dora.get(f"/sites/{hers.id}").status_code == 200


def test_she_is_told_nothing_about_buttons_that_she_does_not_have(as_dora, hers):
    pages = [as_dora.get(f"/sites/{hers.id}{tab}") for tab in ("", "/updates", "/connection")]
    for page in pages:
        content = page.text.split("<main", 1)[1]
        assert "Revoke" not in content
        assert "revoke access" not in content.lower()
        assert "flask" not in content


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everything_about_another_clients_site_is_not_found(app, as_dora, hers, others, method):
    """Route by route: whatever her role may do at all, it may not do there."""
    tried = 0
    for rule in app.url_map.iter_rules():
        names = {"site_id": others.site_id, "change_id": others.id, "batch": others.batch}
        if not rule.arguments or not rule.arguments <= names.keys() or method not in rule.methods:
            continue
        values = {name: names[name] for name in rule.arguments}
        path = app.url_map.bind("localhost").build(rule.endpoint, values, method)
        answer = as_dora.get(path) if method == "GET" else as_dora.post(path)
        assert answer.status_code in (403, 404), rule.endpoint
        assert FLORIST not in answer.text
        tried += 1
    assert tried >= (9 if method == "GET" else 15)
    assert Change.get_by_id(others.id).state == PROPOSED


def test_what_was_proposed_together_shows_her_part_alone(as_dora, hers, others, ben, fake, config):
    mine = check(propose(hers, ben, fake.clock()), fake, config)
    Change.update(batch=others.batch).where(Change.id == mine.id).execute()
    text = as_dora.get(f"/updates/{others.batch}").text
    assert "Akismet" in text
    assert FLORIST not in text
    assert FLORIST not in as_dora.get(f"/changes/{mine.id}").text


def test_what_concerns_the_agency_is_not_hers(as_dora, hers):
    for path in (
        "/activity",
        f"/sites/{hers.id}/activity",
        "/auto-update-rules",
        "/team",
        "/updates/blocked",
        f"/plugins/plugin?ident={AKISMET}",
    ):
        assert as_dora.get(path).status_code == 403
    text = as_dora.get(f"/sites/{hers.id}").text + as_dora.get(f"/sites/{hers.id}/connection").text
    for words in ("Recent activity", "Keys and address", "Revoke access", "Sync now", "Notes"):
        assert words not in text


def test_one_of_no_client_sees_nothing(as_dora, hers, others, dora):
    User.update(client_id=None).where(User.id == dora.id).execute()
    assert as_dora.get(f"/sites/{hers.id}").status_code == 404
    assert "Bakery" not in as_dora.get("/sites").text


def test_a_review_that_the_agency_keeps_to_itself_is_nowhere(as_dora, as_ben, hers, reviewed):
    link = f'href="/changes/{reviewed.id}"'
    for path in lists_of_updates(hers):
        answer = as_dora.get(path)
        assert (answer.status_code, link in answer.text) == (200, False), path
        assert (link in as_ben.get(path).text) == (path != "/updates/done"), path
    assert "to approve" not in as_dora.get("/sites").text
    assert as_dora.get(f"/changes/{reviewed.id}").status_code == 404
    assert as_dora.get(f"/updates/{reviewed.batch}").status_code == 404


def test_she_reads_what_the_agency_approved_wherever_it_is_listed(
    as_dora, hers, ben, reviewed, fake, config
):
    approve(reviewed, ben, config, fake.clock())
    run_change(reviewed, fake, config)
    assert "Succeeded" in as_dora.get(f"/changes/{reviewed.id}").text
    for path in lists_of_updates(hers)[1:3]:
        assert f'href="/changes/{reviewed.id}"' in as_dora.get(path).text, path
    assert f'href="/changes/{reviewed.id}"' in as_dora.get("/updates/done").text


@pytest.mark.parametrize("is_approved", [True, False])
def test_each_link_of_her_report_leads_somewhere(
    as_dora, hers, ben, reviewed, fake, config, is_approved
):
    if is_approved:
        approve(reviewed, ben, config, fake.clock())
        run_change(reviewed, fake, config)
    text = as_dora.get(f"/clients/{hers.client_id}/report").text.split("<article")[1]
    links = {unescape(link) for link in re.findall(r'href="(/[^"]+)"', text)}
    assert (f"/changes/{reviewed.id}" in links) == is_approved
    assert (f"Update {reviewed.id} is in progress" in text) != is_approved
    assert {link: as_dora.get(link).status_code for link in links} == dict.fromkeys(links, 200)


# ---- what she decides ----


def test_where_she_is_asked_she_approves_and_is_shown_as_the_client(as_dora, as_ana, asked):
    assert "Approve update to 5.3.1" in as_dora.get(f"/changes/{asked.id}").text
    assert approve_as(as_dora, asked).status_code == 303
    found = Change.get_by_id(asked.id)
    assert (found.state, found.how, found.decided_by) == (APPROVED, "client", "Dora")
    assert parse_json(from_b64u(found.plan))["approval"]["how"] == "client"
    assert "the client approved it" in as_ana.get(f"/changes/{asked.id}").text


def test_where_she_is_asked_nobody_else_approves(as_ana, as_ben, asked):
    assert "The client approves updates" in as_ana.get(f"/changes/{asked.id}").text
    for person in (as_ana, as_ben):
        assert approve_as(person, asked).status_code == 403
    assert Change.get_by_id(asked.id).state == PROPOSED


def test_where_she_is_not_asked_she_approves_nothing(as_dora, hers, ben, fake, config):
    change = check(propose(hers, ben, fake.clock()), fake, config)
    assert "The agency approves updates" in as_dora.get(f"/changes/{change.id}").text
    assert approve_as(as_dora, change).status_code == 403


def test_she_rejects_with_a_reason(as_dora, asked):
    answer = as_dora.post(f"/changes/{asked.id}/reject", data={"reason": "we open on Friday"})
    assert answer.status_code == 303
    assert Change.get_by_id(asked.id).decision == "we open on Friday"


@pytest.mark.parametrize("how", [SELF_APPROVAL, FOUR_EYES])
def test_where_she_is_not_asked_she_rejects_nothing(as_dora, hers, ben, fake, config, dora, how):
    Client.update(approvals=how).where(Client.id == dora.client_id).execute()
    change = check(propose(hers, ben, fake.clock()), fake, config)
    answer = as_dora.post(f"/changes/{change.id}/reject", data={"reason": "we open on Friday"})
    assert answer.status_code == 403
    assert "The agency approves updates" in answer.text
    assert Change.get_by_id(change.id).state == PROPOSED


def test_where_she_is_asked_nobody_else_rejects(as_ana, as_ben, asked):
    for person in (as_ana, as_ben):
        answer = person.post(f"/changes/{asked.id}/reject", data={"reason": "not now"})
        assert answer.status_code == 403
        assert "The client approves updates" in answer.text
    assert Change.get_by_id(asked.id).state == PROPOSED


def test_another_clients_change_is_not_hers_in_the_domain_either(dora, others, config):
    now = others.proposed_at
    with pytest.raises(NotFound):
        approvals.approve_changes(
            [others],
            by=dora,
            seen={others.id: others.digest},
            confirmed_at=now,
            config=config,
            now=now,
        )
    with pytest.raises(NotFound):
        approvals.reject_change(others, by=dora, reason="no", now=now)


def test_a_client_who_was_moved_meanwhile_decides_no_more(as_dora, asked, dora):
    other = Client.named("Florist Ltd")
    User.update(client_id=other.id).where(User.id == dora.id).execute()
    assert approve_as(as_dora, asked).status_code == 404


def test_an_auto_update_rule_releases_nothing_of_hers(as_dora, asked, hers):
    rule = AutoUpdateRule(permissions=["plugins"], release_types=["patch"], confirmed_by=1)
    assert not auto_update_rules.may_release(rule, hers, "plugins", "patch")
    Client.update(approvals="self").execute()
    assert auto_update_rules.may_release(rule, Site.get_by_id(hers.id), "plugins", "patch")


# ---- how she comes in ----


def test_an_owner_invites_her_for_one_client(as_ana, database):
    client = Client.named("Bakery Ltd")
    form = {"name": "Dora", "email": "dora@bakery.example", "role": "client"}
    assert as_ana.post("/team", data=form).status_code == 422
    answer = as_ana.post("/team", data={**form, "client": client.id})
    assert "One-time link for Dora" in as_ana.get(answer.location).text
    user = User.get(User.name == "Dora")
    assert (user.role, user.client_id) == ("client", client.id)
    assert "Bakery Ltd" in as_ana.get("/team").text


def test_a_colleague_belongs_to_no_client(as_ana, database):
    client = Client.named("Bakery Ltd")
    form = {"name": "Olga", "email": "olga@agency.example", "role": "viewer", "client": client.id}
    as_ana.post("/team", data=form)
    assert User.get(User.name == "Olga").client_id is None


def test_nobody_is_asked_who_cannot_sign_in(ana, database):
    client, now = Client.named("Bakery Ltd"), utcnow()
    with pytest.raises(Invalid, match="has no client user yet"):
        auto_update_rules.set_approval_mode(
            client, CLIENT_APPROVAL, by=ana, confirmed_at=now, now=now
        )


def test_the_history_of_her_component_is_hers(as_dora, asked, hers):
    text = as_dora.get(f"/sites/{hers.id}/component?kind=plugin&ident={AKISMET}").text
    assert f"Update {asked.id}" in text
    assert "Ignore updates" not in text


def test_who_has_nobody_to_ask_is_led_to_people(as_ana, today, database):
    client = Client.named("Rosa")
    answer = as_ana.post(f"/clients/{client.id}/approvals", data={"approvals": "client"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/team#invite")
    assert "Rosa has no client user yet who could approve" in as_ana.get("/team").text
