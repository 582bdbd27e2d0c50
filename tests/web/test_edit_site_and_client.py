"""Edit a site's name and client, rename a client, and merge two clients."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.audit.documents import entry_document
from app.domain.changes import auto_update_rules
from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.clients import Client
from app.models.email import NotificationPreference
from app.models.sites import Site
from app.models.webhooks import WebhookEndpoint
from tests.support.factories import make_site, make_user
from tests.support.fakes import Clock
from tests.support.rules import terms
from tests.support.webhooks import add_endpoint


@pytest.fixture
def bakery(today, ana) -> Site:
    """A paired site of "bakery sunrise"."""
    Site.update(client=Client.named("bakery sunrise")).where(Site.id == today.id).execute()
    return Site.get_by_id(today.id)


def save(person, site: Site, **typed: str):
    current = {"name": site.name, "client": site.client.name if site.client else ""}
    return person.post(f"/sites/{site.id}/edit", data=current | typed)


def newest(event: str) -> dict:
    return entry_document(AuditEntry.newest(event=event, limit=1)[0])


def make_rule(ana, client: Client | None) -> AutoUpdateRule:
    """Create an auto-update rule for the sites of `client`."""
    now = utcnow()
    rule_terms = terms(Clock(now), client=client, name="Patches")
    return auto_update_rules.create_rule(rule_terms, by=ana, confirmed_at=now, now=now)


# ---- a site ----


def test_an_edited_name_is_recorded_with_the_former_name(as_ben, bakery):
    assert f"/sites/{bakery.id}/edit" in as_ben.get(f"/sites/{bakery.id}").text
    assert 'value="bakery sunrise"' in as_ben.get(f"/sites/{bakery.id}/edit").text
    assert save(as_ben, bakery, name="Sunrise").status_code == 303
    assert "<h1>Sunrise</h1>" in as_ben.get(f"/sites/{bakery.id}").text
    facts = newest("site_edited")["facts"]
    assert (facts["name_before"], facts["name"]) == ("Bakery", "Sunrise")
    assert "changed the site's name" in as_ben.get("/activity").text


@pytest.mark.parametrize(
    ("typed", "words"),
    [({"name": " "}, "Enter a name."), ({"name": "x" * 121}, "At most 120"),
     ({"client": "x" * 121}, "At most 120")],
)  # fmt: skip
def test_an_invalid_name_or_client_is_refused(as_ben, bakery, typed, words):
    response = save(as_ben, bakery, **typed)
    assert response.status_code == 422
    assert words in response.text
    assert Site.get_by_id(bakery.id).name == "Bakery"


def test_a_site_without_client_gets_one_and_loses_it(as_ben, today):
    assert save(as_ben, today, client="Rosa").status_code == 303
    assert Site.get_by_id(today.id).client.name == "Rosa"
    assert save(as_ben, Site.get_by_id(today.id), client="").status_code == 303
    assert Site.get_by_id(today.id).client is None


def test_another_spelling_is_the_same_client(as_ben, bakery):
    assert save(as_ben, bakery, client="BAKERY Sunrise").status_code == 303
    assert Client.select().count() == 1


def test_a_new_client_needs_a_recent_password_and_a_new_name_does_not(as_ben, bakery):
    as_ben.get("/")
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    assert save(as_ben, bakery, name="Sunrise").status_code == 303
    response = save(as_ben, Site.get_by_id(bakery.id), client="Rosa")
    assert response.status_code == 403
    assert "Confirm your identity" in response.text
    assert Site.get_by_id(bakery.id).client.name == "bakery sunrise"


def test_only_an_owner_moves_a_site_out_of_four_eyes_approval(as_ben, as_ana, bakery):
    Client.update(approvals="second").where(Client.id == bakery.client_id).execute()
    bakery = Site.get_by_id(bakery.id)
    assert save(as_ben, bakery, client="Rosa").status_code == 403
    assert Site.get_by_id(bakery.id).client.name == "bakery sunrise"
    assert save(as_ana, bakery, client="Rosa").status_code == 303


def test_an_auto_update_rule_covers_the_site_only_after_agreement(as_ana, ana, bakery):
    rosa = Client.named("Rosa")
    rule = make_rule(ana, rosa)
    question = save(as_ana, bakery, client="Rosa")
    assert question.status_code == 409
    assert "Patches" in question.text
    assert Site.get_by_id(bakery.id).client_id != rosa.id
    agreed = {"name": bakery.name, "client": "Rosa", "agreed": str(rule.id)}
    assert as_ana.post(f"/sites/{bakery.id}/edit", data=agreed).status_code == 303
    assert newest("site_edited")["facts"]["brings"] == f"{rule.id} “Patches”"


def test_a_viewer_edits_nothing(as_cleo, bakery):
    assert "Edit name and client" not in as_cleo.get(f"/sites/{bakery.id}").text
    assert save(as_cleo, bakery, name="Mine").status_code == 403


# ---- a client ----


@pytest.fixture
def clients(bakery, ana, clock, jobs) -> tuple[Client, Client]:
    """Clients "bakery sunrise" with a site and a person, and "Sunrise Ltd" with a site."""
    other = make_site(ana, now=clock(), url="https://other.example", client="Sunrise Ltd")
    make_user("Emil", "client", client_id=bakery.client_id)
    return bakery.client, other.client


def test_a_client_is_renamed(as_ben, clients):
    wrong, _ = clients
    assert as_ben.post(f"/clients/{wrong.id}/rename", data={"name": "Bakery"}).status_code == 303
    assert "Bakery" in as_ben.get("/clients").text
    assert newest("client_renamed")["facts"] == {"name_before": "bakery sunrise", "name": "Bakery"}
    taken = as_ben.post(f"/clients/{wrong.id}/rename", data={"name": "sunrise ltd"})
    assert taken.status_code == 422
    assert "A client called Sunrise Ltd already exists" in taken.text


def test_a_merge_moves_sites_and_people(as_ana, clients):
    wrong, right = clients
    page = as_ana.get(f"/clients/{wrong.id}/edit").text
    assert "These sites move: Bakery." in page
    response = as_ana.post(f"/clients/{wrong.id}/merge", data={"into": str(right.id)})
    assert response.status_code == 303
    assert [client.name for client in Client.select()] == ["Sunrise Ltd"]
    assert Site.select().where(Site.client == right).count() == 2
    assert User.get(User.name == "Emil").client_id == right.id
    facts = newest("clients_merged")["facts"]
    assert (facts["merged"], facts["client"], facts["people"]) == (
        "bakery sunrise", "Sunrise Ltd", 1,
    )  # fmt: skip
    assert as_ana.get(f"/clients/{wrong.id}/edit").status_code == 404


def test_notification_choices_follow_a_merged_client(as_ana, ana, config, clients):
    wrong, right = clients
    chosen = {"digest": "daily", "digest_hour": "8", "digest_weekday": "0", "which": "some"}
    as_ana.post("/account/notifications", data={**chosen, "client": [wrong.id]})
    add_endpoint(ana, config, utcnow(), client_ids=(wrong.id,))
    as_ana.post(f"/clients/{wrong.id}/merge", data={"into": str(right.id)})
    assert NotificationPreference.of(ana.id).client_ids == [right.id]
    endpoint = WebhookEndpoint.get()
    assert endpoint.client_ids == [right.id]
    assert "Sunrise Ltd" in as_ana.get(f"/settings/webhooks/{endpoint.id}").text


def test_only_an_owner_merges_and_only_with_a_recent_password(as_ben, as_ana, clients):
    wrong, right = clients
    path, data = f"/clients/{wrong.id}/merge", {"into": str(right.id)}
    assert "Merge into" not in as_ben.get(f"/clients/{wrong.id}/edit").text
    assert as_ben.post(path, data=data).status_code == 403
    as_ana.get("/")
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    assert "Confirm your identity" in as_ana.post(path, data=data).text
    assert Client.select().count() == 2


@pytest.mark.parametrize("into", ["", "x", "self"])
def test_a_merge_needs_another_client(as_ana, clients, into):
    wrong, _ = clients
    chosen = str(wrong.id) if into == "self" else into
    response = as_ana.post(f"/clients/{wrong.id}/merge", data={"into": chosen})
    assert response.status_code in (409, 422)
    assert Client.select().count() == 2


def test_a_merge_needs_agreement_to_auto_update_rules(as_ana, ana, clients):
    wrong, right = clients
    rule = make_rule(ana, right)
    path, data = f"/clients/{wrong.id}/merge", {"into": str(right.id)}
    question = as_ana.post(path, data=data)
    assert question.status_code == 409
    assert "Patches" in question.text
    own = make_rule(ana, wrong)
    assert "End the auto-update rules" in as_ana.post(path, data=data).text
    auto_update_rules.end_rule(own, by=ana, now=utcnow())
    assert as_ana.post(path, data=data | {"agreed": str(rule.id)}).status_code == 303
