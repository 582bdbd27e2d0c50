"""Build a client report from a long audit log: the same text, and no more memory."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.reporting import data
from app.domain.reporting.client_report import ClientReport, Period
from app.models.audit import AuditEntry
from app.models.base import db
from app.models.clients import Client
from app.models.sites import Site
from tests.support.audit_entries import fill_with_failed_syncs
from tests.support.fakes import Clock
from tests.support.queries import counted_queries

DAYS = 365


@pytest.fixture
def client(ready: Site) -> Client:
    client = Client.named("Bakery Ltd")
    Site.update(client=client).execute()
    return client


def report_for(client: Client, ana: Actor, config: Config, now: datetime) -> ClientReport:
    period = Period.of_days((now - timedelta(days=DAYS)).date(), now.date())
    return data.compute_for(client, period, by=ana, config=config, now=now)


def test_no_query_grows_with_the_audit_log(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock, monkeypatch: Any
) -> None:
    fill_with_failed_syncs(ready, 1500, clock())
    longest = 0
    really = db.obj.execute_sql

    def counting(sql: str, params: Any = None) -> Any:
        nonlocal longest
        longest = max(longest, len(params or ()))
        return really(sql, params)

    monkeypatch.setattr(db.obj, "execute_sql", counting)
    report = report_for(client, ana, config, clock.advance(minutes=1))
    assert (report.made, report.answered) == (1501, 1), "with the first one, after pairing"
    assert longest <= 600


def test_a_year_is_counted_like_a_shorter_period(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    fill_with_failed_syncs(ready, 40, clock())
    (built,) = report_for(client, ana, config, clock.advance(minutes=1)).sites
    assert (built.checks.made, built.checks.answered, built.reports) == (41, 1, 1)
    assert built.first_report == built.last_report is not None
    (error,) = built.checks.errors
    assert (error.name, error.count) == ("timeout", 40)
    assert error.first.at < error.last.at


def test_a_year_takes_as_many_queries_as_a_day(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    def queries() -> int:
        with counted_queries() as statements:
            report_for(client, ana, config, clock.advance(minutes=1))
        return len(statements)

    fill_with_failed_syncs(ready, 2, clock())
    few = queries()
    fill_with_failed_syncs(ready, 3_000, clock())
    assert queries() == few


@pytest.mark.nightly
def test_200_000_entries_take_no_more_memory_than_20_000(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    def peak() -> int:
        gc.collect()
        tracemalloc.start()
        report_for(client, ana, config, clock.advance(minutes=1))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    fill_with_failed_syncs(ready, 10_000, clock())
    few = peak()
    fill_with_failed_syncs(ready, 95_000, clock())
    assert AuditEntry.select().count() > 200_000
    assert peak() < 1.5 * few
