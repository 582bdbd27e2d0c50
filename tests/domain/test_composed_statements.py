"""Statements composed once have the same effect as peewee's own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.config import Config
from app.domain.inventory import site_sync
from app.models.agency import Agency
from app.models.base import BaseModel, DuplicateRow
from app.models.call_log import OK, SiteCall
from app.models.changes import Change
from app.models.daily_checks import DailyChecks
from app.models.installation import Setting
from app.models.queued_row import QUEUED
from app.models.reports import ASKING, DONE, OPEN, Component, Report, Sync
from app.models.site_log import SiteLog
from app.models.sites import ACTIVE, MAY_CALL, REVOKED, Site
from app.models.statements import Statement, given
from tests.support.factories import read_report
from tests.support.fakes import FakeSite
from tests.support.queries import counted_queries

pytestmark = pytest.mark.both_databases

AT = datetime(2026, 11, 30, 23, 59, 59, 123456, UTC)


def _key(row: BaseModel) -> dict[str, Any]:
    keys = [field.name for field in type(row)._meta.get_primary_keys()]
    return {name: row.__data__[name] for name in keys}


def test_a_row_is_read_as_peewee_reads_it(ready: Site, proposed: Change) -> None:
    gaps = [[AT.isoformat(), AT.isoformat()]]
    DailyChecks.create(site=ready, day=date(2026, 11, 30), made=3, first_at=AT, gaps=gaps)
    Agency.write(name="Nord & Söhne")
    SiteLog.get_or_create_for(ready)
    for model in (Site, Sync, Report, Component, Change, DailyChecks, SiteLog, Setting, Agency):
        rows = list(model.select())
        assert rows
        for row in rows:
            found = model.fetch_one(**_key(row))
            assert found is not None
            assert found.__data__ == row.__data__
            assert not found.dirty_fields


def test_a_missing_row_is_none(ready: Site) -> None:
    assert DailyChecks.fetch_one(site=ready, day=date(1999, 1, 1)) is None
    with pytest.raises(Site.DoesNotExist):
        Site.get_by_id(ready.id + 1000)


def test_an_added_row_has_the_defaults_of_the_model(ready: Site) -> None:
    added = SiteCall.insert_one(nonce="n1", site_id=ready.id, op="ping", at=AT)
    (stored,) = SiteCall.select().where(SiteCall.id == added.id)
    assert added.__data__ == stored.__data__
    assert (stored.outcome, stored.head_n, stored.elapsed_ms) == ("", 0, None)
    with pytest.raises(DuplicateRow):
        SiteCall.insert_one(nonce="n1", site_id=ready.id, op="ping", at=AT)


def test_a_state_change_also_reads_columns_written_by_another_process(ready: Site) -> None:
    Site.update(name="Renamed meanwhile").where(Site.id == ready.id).execute()
    evidence = {"status": 503, "why": 'a "quoted" naïve text'}
    assert ready.note(when=MAY_CALL, error_evidence=evidence, error_at=AT)
    assert (ready.name, ready.error_evidence, ready.error_at) == ("Renamed meanwhile", evidence, AT)
    assert ready.__data__ == Site.select().where(Site.id == ready.id).get().__data__


def test_a_change_from_a_wrong_state_is_refused_and_the_row_is_read(ready: Site) -> None:
    Site.update(state=REVOKED).where(Site.id == ready.id).execute()
    assert not ready.move(to=ACTIVE, when=MAY_CALL, update_count=7)
    assert (ready.state, ready.update_count) == (REVOKED, Site.get_by_id(ready.id).update_count)
    assert ready.update_count != 7


def test_a_row_is_only_changed_if_it_is_unchanged_since_the_read(ready: Site) -> None:
    unchanged = ("id", "notes_at", "name")
    early = Site.get_by_id(ready.id)
    assert early.notes_at is None
    assert ready.update_unchanged(unchanged, notes_at=AT, notes="Read me")
    assert not early.update_unchanged(unchanged, notes="Too late")
    # A column that was NULL has a value now, which is compared as well.
    assert ready.update_unchanged(unchanged, notes="Read me again")
    stale = Site.get_by_id(ready.id)
    Site.update(notes_at=None, name="Renamed meanwhile").where(Site.id == ready.id).execute()
    assert not stale.update_unchanged(("id", "notes_at"), notes="Too late")
    assert not ready.update_unchanged(("id", "name"), notes="Too late")
    assert (stale.notes, stale.name) == ("Read me again", "Renamed meanwhile")
    assert Site.get_by_id(ready.id).__data__ == ready.__data__


def test_a_column_can_be_set_to_an_expression(ready: Site) -> None:
    assert ready.note(when=MAY_CALL, consecutive_failures=Site.consecutive_failures + 1)
    assert ready.note(when=MAY_CALL, consecutive_failures=Site.consecutive_failures + 1)
    assert ready.consecutive_failures == 2


def test_the_same_columns_are_set_from_different_states(ready: Site) -> None:
    sync = Sync.ask(ready, requested_by="Ben", now=AT)
    assert not sync.move(to=DONE, when=(ASKING,))
    assert sync.move(to=ASKING, when=(QUEUED,))
    assert sync.move(to=DONE, when=OPEN)
    assert Sync.get_by_id(sync.id).state == DONE


def test_a_statement_keeps_its_constants(ready: Site) -> None:
    SiteCall.note("n1", ready.id, "ping", AT)
    ended = Statement(
        SiteCall.select(SiteCall.nonce).where(
            SiteCall.outcome == OK, SiteCall.site_id == given(SiteCall.site_id)
        )
    )
    before = len(ended.read_rows(site_id=ready.id))
    SiteCall.finish(["n1"], OK, 12, 3)
    assert len(ended.read_rows(site_id=ready.id)) == before + 1
    assert ended.read_rows(site_id=ready.id + 1000) == []


def test_a_statement_refuses_to_run_without_one_of_its_values(ready: Site) -> None:
    statement = Statement(Site.select().where(Site.id == given(Site.id)))
    with pytest.raises(KeyError):
        statement.read_row()


def test_a_sync_without_news_needs_few_statements(
    ready: Site, fake: FakeSite, config: Config
) -> None:
    read_report(ready, fake, config=config)
    sync = Sync.ask(ready, requested_by="Ana", now=fake.clock())
    with counted_queries() as statements:
        site_sync.run_sync(sync.id, config=config, call=fake.call, now=fake.clock)
    assert Sync.get_by_id(sync.id).unchanged
    assert len(statements) <= 24, "\n".join(statements)
