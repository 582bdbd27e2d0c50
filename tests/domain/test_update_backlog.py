"""Store the number of available updates once a day, and delete it after a month."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.inventory import update_backlog
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from app.models.update_backlog import UpdateBacklog
from app.models.visibility import EVERYTHING, Visibility
from tests.support.factories import make_site

pytestmark = pytest.mark.both_databases


@pytest.fixture
def site(database, ana) -> Site:
    """A connected site with four available updates."""
    return connected(make_site(ana, now=utcnow()), 4)


def connected(site: Site, updates: int) -> Site:
    Site.update(state="active", update_count=updates).where(Site.id == site.id).execute()
    site.refresh()
    return site


def counts(available: int = 0, client_id: int | None = None) -> list[int]:
    visible = EVERYTHING if client_id is None else Visibility.of_clients([client_id])
    found = update_backlog.backlog(available, utcnow(), visible)
    return [updates for _, updates in found.days]


def test_a_day_is_stored_once(site: Site) -> None:
    now = utcnow()
    assert update_backlog.store_today(now) == 1
    connected(site, 9)
    assert update_backlog.store_today(now) == 0
    assert [row.updates for row in UpdateBacklog.select()] == [4]


def test_only_connected_sites_are_counted(site: Site, ana) -> None:
    make_site(ana, now=utcnow(), url="https://second.example")
    connected(make_site(ana, now=utcnow(), url="https://third.example"), 0)
    assert update_backlog.store_today(utcnow()) == 2


def test_days_are_kept_for_a_month(site: Site) -> None:
    now = utcnow()
    for day in range(40, -1, -1):
        connected(site, day)
        update_backlog.store_today(now - timedelta(days=day))
    assert UpdateBacklog.select().count() == update_backlog.DAYS + 1
    # Today's number is the current one, not the one stored last night.
    assert counts(77) == [*range(30, 0, -1), 77]


def test_days_without_aura_are_missing(site: Site) -> None:
    now = utcnow()
    for day in (20, 3):
        update_backlog.store_today(now - timedelta(days=day))
    found = update_backlog.backlog(5, now, EVERYTHING)
    assert (found.is_enough, found.before, found.now, found.span) == (True, 4, 5, 20)
    assert [(now.date() - day).days for day, _ in found.days] == [20, 3, 0]


def test_the_first_day_alone_shows_no_trend(site: Site) -> None:
    update_backlog.store_today(utcnow())
    assert not update_backlog.backlog(4, utcnow(), EVERYTHING).is_enough


def test_each_client_has_its_own_numbers(site: Site, ana) -> None:
    other = connected(make_site(ana, now=utcnow(), url="https://other.example"), 6)
    Site.update(client=Client.create(name="Orchard")).where(Site.id == other.id).execute()
    update_backlog.store_today(utcnow() - timedelta(days=1))
    other.refresh()
    assert counts() == [10, 0]
    assert counts(0, other.client_id) == [6, 0]
