"""The call log: a row for each call, audit entries for what matters, and a daily summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import call_log, export, verification
from app.domain.audit.events import CallLogSummarized
from app.domain.audit.merkle import Tree
from app.domain.connection import calls
from app.domain.inventory import site_sync
from app.http.errors import ErrorCode
from app.models import call_log as call_log_rows
from app.models.audit import WHOLE, AuditEntry, Verification
from app.models.base import db, transaction
from app.models.call_log import OK, REPEATED, UNKNOWN, SiteCall
from app.models.daily_checks import DailyChecks
from app.models.exports import DONE
from app.models.reports import Sync
from app.models.sites import Site
from jobs import periodic
from tests.support.audit_entries import events
from tests.support.factories import make_site, read_log
from tests.support.fakes import Clock, FakeSite
from tests.support.queries import counted_queries
from tests.support.running_verifier import verify


def sync(site: Site, fake: FakeSite, config: Config) -> str:
    """Run the hourly sync of a site."""
    (sync_id,) = site_sync.request_due(fake.clock.advance(hours=1), every_minutes=60)
    state = site_sync.run_sync(sync_id, config=config, call=fake.call, now=fake.clock)
    read_log(site, fake, config)
    return state


def summarize(clock: Clock, *, kept_days: int = 90) -> call_log.Summary:
    assert call_log.summarize(clock.advance(minutes=5), kept_days=kept_days)
    newest = call_log.newest_summary()
    assert newest is not None
    return newest


# ---- rows and entries ----


@pytest.mark.both_databases
def test_a_sync_without_news_leaves_two_rows_and_no_entry(
    ready: Site, fake: FakeSite, config: Config
) -> None:
    sync(ready, fake, config)
    entries, calls = AuditEntry.select().count(), SiteCall.select().count()
    assert sync(ready, fake, config) == "done"
    assert (AuditEntry.select().count(), SiteCall.select().count()) == (entries, calls + 2)
    log, report = SiteCall.newest_of(ready.id, 2)
    assert (report.op, report.outcome, log.op, log.outcome) == ("report", OK, "log", OK)
    assert report.elapsed_ms is not None


def test_a_new_report_and_the_request_for_it_are_entries(
    ready: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    fake.report["plugins"][0]["version"] = "5.3.1"
    requested = site_sync.request_sync(ready, by=ana, now=clock.advance(hours=1))
    site_sync.run_sync(requested.id, config=config, call=fake.call, now=clock)
    assert events(ready)[-2:] == ["sync_requested", "report_received"]


def test_a_failed_call_is_a_row_and_entries(ready: Site, fake: FakeSite, config: Config) -> None:
    fake.losing.add("report")
    sync(ready, fake, config)
    assert {"site_called", "sync_failed"} <= set(events(ready)[-4:])
    call = next(row for row in SiteCall.newest_of(ready.id, 2) if row.op == "report")
    assert call.outcome not in ("", OK)


@pytest.mark.both_databases
def test_a_call_of_a_killed_worker_is_unknown_after_an_hour(
    ready: Site, fake: FakeSite, clock: Clock
) -> None:
    SiteCall.note("n" * 22, ready.id, "report", clock.advance(hours=1))
    before = SiteCall.newest_of(ready.id, 1)[0].id
    first = summarize(clock)
    assert first.last == before - 1, "the call may still end"
    clock.advance(hours=1)
    assert summarize(clock).counts == {UNKNOWN: 1}
    SiteCall.finish(["n" * 22], OK, 5, 9)
    assert SiteCall.get_by_id(before).outcome == UNKNOWN, "a summarized call does not change"


def test_a_call_whose_caller_dropped_the_result_is_complete(
    ready: Site, fake: FakeSite, config: Config
) -> None:
    """For example, diagnostics record only one of the addresses they tried."""
    channel = calls.channel_to(ready, config)
    for refusal, outcome in (("", OK), ("unknown_operation", "refused_by_site")):
        if refusal:
            fake.refusing["ping"] = refusal
        calls.call_site(channel, "ping", {}, by="", config=config, call=fake.call, now=fake.clock)
        (call,) = SiteCall.newest_of(ready.id, 1)
        assert (call.op, call.outcome) == ("ping", outcome)
        assert call.elapsed_ms is not None
    assert events(ready)[-1] != "site_called"


def test_a_call_that_was_repeated_has_one_result(ready: Site, clock: Clock) -> None:
    for nonce in ("a", "b"):
        SiteCall.note(nonce, ready.id, "ping", clock())
    SiteCall.finish(["a", "b"], OK, 7, 3)
    found = {call.nonce: call for call in SiteCall.newest_of(ready.id, 2)}
    assert (found["a"].outcome, found["a"].elapsed_ms) == (REPEATED, None)
    assert (found["b"].outcome, found["b"].elapsed_ms, found["b"].head_n) == (OK, 7, 3)


# ---- counts per day ----


@pytest.mark.both_databases
def test_checks_are_counted_by_day_and_long_pauses_are_kept(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    clock.advance(days=1)
    sync(ready, fake, config)
    began = clock()
    clock.advance(hours=4)
    fake.losing.add("report")
    sync(ready, fake, config)
    (day,) = [row for row in DailyChecks.select() if row.day == clock().date()]
    assert (day.made, day.answered, day.not_made) == (2, 1, 0)
    assert day.gaps == [[began.isoformat(), clock().isoformat()]]


def test_an_interrupted_check_counts_as_not_made(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    (sync_id,) = site_sync.request_due(clock.advance(days=1), every_minutes=60)
    Sync.get_by_id(sync_id).move(to="asking", when=("queued",), started_at=clock())
    site_sync.recover(config, clock.advance(minutes=31))
    day = DailyChecks.get(DailyChecks.day == clock().date())
    assert (day.made, day.not_made, day.first_at) == (0, 1, None)
    assert ready.error_code in ("", ErrorCode.too_slow)


# ---- summaries ----


@pytest.mark.both_databases
def test_a_summary_commits_to_every_row(ready: Site, fake: FakeSite, config: Config) -> None:
    sync(ready, fake, config)
    found = summarize(fake.clock)
    calls = list(SiteCall.select().order_by(SiteCall.id))
    assert (found.first, found.last, found.calls) == (1, calls[-1].id, len(calls))
    assert sum(found.counts.values()) == len(calls)
    assert found.root == Tree([call_log.leaf_hash(call) for call in calls]).root().hex()
    assert not call_log.summarize(fake.clock(), kept_days=90), "there is nothing new"


def test_a_day_is_summarized_once_after_its_end(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    sync(ready, fake, config)
    yesterday = SiteCall.newest_of(ready.id, 1)[0].id
    clock.now = (clock() + timedelta(days=1)).replace(hour=0, minute=30)
    sync(ready, fake, config)
    assert call_log.summarize_due(config, clock.advance(minutes=5)) == 1
    assert call_log.summarize_due(config, clock.advance(hours=1)) == 0
    newest = call_log.newest_summary()
    assert newest is not None
    assert newest.last == yesterday, "today's calls are part of tomorrow's summary"
    assert "summarize_calls" in periodic.TASKS


@pytest.mark.both_databases
def test_old_rows_are_deleted_and_their_summary_stays(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    old = summarize(clock)
    clock.advance(days=31)
    sync(ready, fake, config)
    kept = summarize(clock, kept_days=30)
    assert kept.kept_from == old.last + 1
    assert {call.id for call in SiteCall.select()} == set(range(kept.first, kept.last + 1))
    assert call_log.kept_summaries() == [kept]
    assert call_log.find_mismatch() is None
    assert call_log.kept_since() == SiteCall.get_by_id(kept.first).at
    assert read_log(ready, fake, config) == "read", "older entries of the site raise no alert"


@pytest.mark.both_databases
def test_many_old_rows_are_deleted_in_steps_that_let_others_write(
    ready: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        SiteCall.note(f"old{number}", ready.id, "ping", clock())
        SiteCall.finish([f"old{number}"], OK, 5, 9)
    old = summarize(clock)
    SiteCall.note("new", ready.id, "ping", clock.advance(days=31))
    SiteCall.finish(["new"], OK, 5, 9)
    monkeypatch.setattr(call_log_rows, "_FORGOTTEN_AT_ONCE", 3)
    with counted_queries() as statements:
        kept = summarize(clock, kept_days=30)
    deleted = [place for place, statement in enumerate(statements) if "DELETE" in statement]
    committed = max(place for place, statement in enumerate(statements) if "INSERT" in statement)
    assert len(deleted) == -(-old.calls // 3)
    assert deleted[0] > committed, "the summary is stored first"
    assert [call.id for call in SiteCall.select()] == [kept.first]


# ---- tampering ----

CHANGES: dict[str, Callable[[SiteCall], Any]] = {
    "another outcome": lambda call: SiteCall.update(outcome="dns"),
    "another site": lambda call: SiteCall.update(site_id=99),
    "another time": lambda call: SiteCall.update(at=call.at + timedelta(seconds=1)),
    "another duration": lambda call: SiteCall.update(elapsed_ms=1_234_567),
    "another operation": lambda call: SiteCall.update(op="revoke"),
    "another nonce": lambda call: SiteCall.update(nonce="x" * 22),
    "another entry": lambda call: SiteCall.update(head_n=77),
    "deleted": lambda call: SiteCall.delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_aura_and_the_exports_verifier_find_a_changed_row(
    change: Callable[[SiteCall], Any],
    ready: Site,
    fake: FakeSite,
    ana: Actor,
    config: Config,
    tmp_path: Path,
) -> None:
    sync(ready, fake, config)
    summary = summarize(fake.clock)
    assert verification.verify_now(by=ana, now=fake.clock()).is_whole
    call = SiteCall.get_by_id(summary.last - 1)
    change(call).where(SiteCall.id == call.id).execute()
    found = verification.verify_now(by=ana, now=fake.clock())
    assert found.broken_at == summary.seq
    assert "call" in found.reason
    path = tmp_path / "export.zip"
    export.write_export(path, "zip", export.make_scope(), config, fake.clock(), lambda n: None)
    verdict = verify(path)
    assert (verdict.status, "the call log" in verdict.output) == (1, True), verdict.output


# PostgreSQL cannot store such a time.
@pytest.mark.sqlite_only
def test_an_unreadable_row_is_found(
    ready: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    sync(ready, fake, config)
    summary = summarize(fake.clock)
    db.execute_sql("UPDATE site_call SET at = 'soon'")
    found = verification.verify_now(by=ana, now=fake.clock())
    assert found.broken_at == summary.seq
    assert found.reason == "a call that it summarizes was changed in the call log"


def test_rows_cannot_be_pruned_early(
    ready: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    sync(ready, fake, config)
    summary = summarize(fake.clock)
    SiteCall.delete().execute()
    found = verification.verify_now(by=ana, now=fake.clock())
    assert found.reason == f"the call log has 0 of its {summary.calls} calls"


def test_a_summary_that_skips_calls_is_found(ready: Site, clock: Clock) -> None:
    first = summarize(clock)
    facts = replace(first, first=first.last + 3, last=first.last + 3)
    with transaction():
        values = {name: value for name, value in vars(facts).items() if name not in ("seq", "at")}
        entry = audit.record(CallLogSummarized(**values), SYSTEM, now=clock())
    assert call_log.find_mismatch() == (entry.seq, "it does not continue the summary before it")


# ---- exports ----


def exported(config: Config, clock: Clock, path: Path, **scope: Any) -> list[dict[str, Any]]:
    """Write an export, verify it with the program in it, and return its calls."""
    covered = export.make_scope(**scope)
    export.write_export(path, "zip", covered, config, clock.advance(minutes=5), lambda n: None)
    verdict = verify(path)
    assert verdict.status == 0, verdict.output
    with ZipFile(path) as archive:
        lines = [json.loads(line) for line in archive.read("calls.jsonl").splitlines()]
    assert f"The call log has {len(lines)} calls" in verdict.output
    return lines


def test_an_export_has_every_call_up_to_now(
    ready: Site, fake: FakeSite, config: Config, tmp_path: Path
) -> None:
    sync(ready, fake, config)
    lines = exported(config, fake.clock, tmp_path / "export.zip")
    assert [line["row"][0] for line in lines] == [call.id for call in SiteCall.select()]


@pytest.mark.both_databases
def test_an_excerpt_proves_its_own_calls_and_shows_no_others(
    ready: Site, fake: FakeSite, ana: Actor, config: Config, tmp_path: Path
) -> None:
    other = make_site(ana, now=fake.clock(), url="https://rival.example", name="Rival")
    for number in range(5):
        SiteCall.note(f"rival{number}", other.id, "ping", fake.clock())
        SiteCall.finish([f"rival{number}"], OK, number, 0)
        sync(ready, fake, config)
    summarize(fake.clock)
    sync(ready, fake, config)
    lines = exported(config, fake.clock, tmp_path / "export.zip", site=ready)
    assert {line["row"][2] for line in lines} == {ready.id}
    assert len(lines) == SiteCall.select().where(SiteCall.site_id == ready.id).count()
    since = fake.clock() - timedelta(hours=2)
    late = exported(config, fake.clock, tmp_path / "late.zip", since=since)
    assert 0 < len(late) < len(lines)


def test_an_export_after_pruning_counts_the_deleted_calls(
    ready: Site, fake: FakeSite, config: Config, tmp_path: Path
) -> None:
    old = summarize(fake.clock)
    fake.clock.advance(days=91)
    sync(ready, fake, config)
    kept = summarize(fake.clock)
    lines = exported(config, fake.clock, tmp_path / "export.zip")
    assert (len(lines), old.calls > 0, kept.kept_from > 1) == (kept.calls, True, True)


def test_a_verification_of_the_call_log_reports_its_progress(
    ready: Site, fake: FakeSite, config: Config, ana: Actor
) -> None:
    """Otherwise a verification of millions of calls counts as lost."""
    for _ in range(3):
        sync(ready, fake, config)
        summarize(fake.clock)
    requested = verification.request_verification(by=ana, now=fake.clock())
    times: list[datetime] = []

    def now() -> datetime:
        times.append(fake.clock.advance(minutes=4))
        return times[-1]

    assert verification.run_verification(requested.id, now=now) == WHOLE
    # The clock is read at the start, for the chain, for each day's calls, and twice at the end.
    assert len(times) >= 1 + 1 + 3 + 2
    assert Verification.get_by_id(requested.id).heartbeat_at == times[-3]


def test_an_export_of_the_call_log_reports_its_progress(
    ready: Site, fake: FakeSite, config: Config, ana: Actor
) -> None:
    """Otherwise an export of millions of calls counts as lost, and never ends."""
    for _ in range(3):
        sync(ready, fake, config)
        summarize(fake.clock)
    at = fake.clock()
    requested = export.request_export("zip", export.make_scope(), by=ana, confirmed_at=at, now=at)
    times: list[datetime] = []

    def now() -> datetime:
        times.append(fake.clock.advance(minutes=2))
        assert export.queue_due_exports(config, times[-1]) == 0, "the export counts as lost"
        return times[-1]

    assert export.run_export(requested.id, config=config, now=now) == DONE
    # At the start, before each day's calls, and twice for the site: its checkpoints and its log.
    assert len(times) >= 1 + 3 + 2
