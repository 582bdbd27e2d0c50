"""Nested rows are those of the other tables, read in the same query as their site."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from peewee import SQL

from app.domain.actor import Actor
from app.models.accounts import User
from app.models.auto_update_rules import UpdateHold
from app.models.base import BaseModel
from app.models.changes import Change
from app.models.daily_checks import DailyChecks
from app.models.reports import Component, Report
from app.models.site_data import SiteData
from app.models.sites import Site
from app.models.tags import SiteTag
from tests.support.factories import make_site

pytestmark = pytest.mark.both_databases

AT = datetime(2026, 11, 30, 23, 59, 59, 123456, UTC)


def read_inside(model: type[BaseModel], is_wanted: object, site: Site) -> list[dict[str, object]]:
    """Return the rows of the model as a query of the site reads them."""
    column = model.nested(is_wanted).alias("rows")
    found = Site.select(column).where(Site.id == site.id).get().rows
    return [row.__data__ for row in model.read_nested(found)]


def _in_order(row: dict[str, object]) -> str:
    return repr(sorted(row.items()))


def test_each_value_is_read_back(ready: Site, proposed: Change) -> None:
    assert proposed.site_id == ready.id
    gaps = [[AT.isoformat(), AT.isoformat()]]
    DailyChecks.create(site=ready, day=date(2026, 11, 30), made=3, first_at=AT, gaps=gaps)
    UpdateHold.put(
        ready,
        "plugin",
        "shop/“naïve” \\ shop.php",
        reason='It\'s a "test"\nof two lines 🙂',
        until=None,
        created_by="Ana",
        created_at=AT,
    )
    SiteTag.replace_all(ready, {"cafés": "Cafés"})
    for model in (DailyChecks, UpdateHold, Component, Change, SiteTag, User):
        read_alone = [row.__data__ for row in model.select()]
        assert read_alone
        found = read_inside(model, SQL("1 = 1"), ready)
        assert sorted(map(_in_order, found)) == sorted(map(_in_order, read_alone))


def test_no_rows_are_an_empty_list(ready: Site) -> None:
    assert read_inside(UpdateHold, UpdateHold.site == Site.id, ready) == []


def test_only_matching_rows_are_read(ready: Site) -> None:
    DailyChecks.create(site=ready, day=date(2026, 11, 29))
    DailyChecks.create(site=ready, day=date(2026, 11, 30))
    is_wanted = DailyChecks.between(Site.id, date(2026, 11, 30), date(2026, 12, 1))
    days = [row["day"] for row in read_inside(DailyChecks, is_wanted, ready)]
    assert days == [date(2026, 11, 30)]


def test_components_keep_their_order(ready: Site) -> None:
    stored = SiteData.of_site(ready)
    assert [one.id for one in stored.components] == [one.id for one in Component.for_site(ready)]
    assert len(stored.components) > 1


def test_a_site_without_a_report_has_none(ready: Site, ana: Actor) -> None:
    assert SiteData.of_site(ready).report == Report.of(ready)
    new = make_site(ana, now=AT, url="https://new.example")
    assert SiteData.of_site(new) == SiteData(None, [], [], [])
