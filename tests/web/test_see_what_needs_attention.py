"""Somebody sees on the first page, in the navigation and on a site's page what needs attention."""

from __future__ import annotations

import re

import pytest

from app.domain import alerts, attention
from app.domain.actor import SYSTEM
from app.models.base import transaction, utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.sites import STATES, Site
from tests.support.factories import make_site


def count_of(text: str, label: str) -> int:
    """What the navigation shows beside `label`."""
    found = re.search(rf'</svg>{label} <span class="count[^"]*">(\d+)', text)
    return int(found.group(1)) if found else 0


def needing(text: str) -> int:
    """What the first page says of it."""
    return int(re.search(r"<strong>(\d+)</strong>needs? attention", text).group(1))


@pytest.fixture
def failed(proposed) -> Change:
    """An update that failed halfway, which pauses its site."""
    row = {"state": "failed", "is_incident": True, "ended_at": utcnow()}
    Change.update(**row).where(Change.id == proposed.id).execute()
    return Change.get_by_id(proposed.id)


def test_a_quiet_site_needs_nobody(as_ana, today):
    text = as_ana.get("/").text
    assert needing(text) == 0
    assert count_of(text, "Sites") == 1
    assert count_of(text, "Updates") == 0
    assert "This site needs attention" not in as_ana.get(f"/sites/{today.id}").text


def test_a_failed_update_is_counted_and_named_though_the_site_is_connected(as_ana, failed):
    assert failed.site.connection == "healthy"
    text = as_ana.get("/").text
    assert needing(text) == 1
    assert count_of(text, "Updates") == 1
    assert "The update of Akismet failed" in text
    assert "Bakery" in as_ana.get("/?state=attention").text
    page = as_ana.get(f"/sites/{failed.site_id}").text
    assert "This site needs attention" in page
    assert f'href="/changes/{failed.id}"' in page


def test_an_open_alert_is_counted_for_the_agency_and_hidden_from_the_client(
    as_ana, as_dora, today, dora
):
    Site.update(client=Client.get_by_id(dora.client_id)).where(Site.id == today.id).execute()
    with transaction():
        alerts.raise_alert(today, alerts.CALL_UNKNOWN, "n", {}, SYSTEM, utcnow())
    assert needing(as_ana.get("/").text) == 1
    assert "Someone else called" in as_ana.get(f"/sites/{today.id}").text
    assert needing(as_dora.get("/").text) == 0
    assert "Someone else called" not in as_dora.get(f"/sites/{today.id}").text


def test_a_client_sees_only_what_concerns_their_sites(as_dora, failed, ana, clock, jobs):
    assert needing_or_none(as_dora.get("/").text) == 0
    own = make_site(ana, now=clock(), url="https://own.example", client="Bakery Ltd")
    Change.update(site=own).where(Change.id == failed.id).execute()
    assert needing(as_dora.get("/").text) == 1


def needing_or_none(text: str) -> int:
    return needing(text) if "need attention" in text else 0


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_connection_is_judged(state, today, ana):
    Site.update(state=state).where(Site.id == today.id).execute()
    site = Site.get_by_id(today.id)
    items = attention.by_site(ana).get(site.id, [])
    assert bool(items) == (site.connection in attention.CONNECTIONS)


def test_what_waits_for_this_person_is_counted_in_the_navigation(as_ana, as_ben, proposed):
    proposed.site.client = Client.named("Bakery Ltd")
    proposed.site.save()
    Client.update(approvals="second").execute()
    # Ben proposed it and may not approve it himself.
    assert count_of(as_ana.get("/").text, "Updates") == 1
    assert count_of(as_ben.get("/").text, "Updates") == 0
    assert re.search(r"<strong>1</strong>update is waiting for your approval", as_ana.get("/").text)
