"""Connection tests: who may request one, when Aura starts one, and what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain.actor import SYSTEM, Actor
from app.domain.connection import health, revocation
from app.domain.connection.calls import CallResult
from app.domain.diagnostics import runs
from app.domain.diagnostics.results import (
    BLOCKED,
    HEALTHY,
    NAMES,
    OK,
    SKIPPED,
    UNKNOWN,
    WARN,
    Check,
    Diagnosis,
    as_rows,
    from_rows,
)
from app.domain.errors import Conflict, Forbidden, Invalid
from app.domain.sites import sites
from app.http.errors import CallError, ErrorCode
from app.models.audit import AuditEntry
from app.models.base import db, transaction
from app.models.call_log import SiteCall
from app.models.diagnostics import ABANDONED, DIAGNOSING, DONE, QUEUED, DiagnosticRun
from app.models.sites import DISCONNECTED_UNCONFIRMED, Site
from tests.support.fake_looks import Eyes
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at


def run(diagnostic_run: DiagnosticRun, fake: FakeSite, config: Config, eyes: Eyes) -> DiagnosticRun:
    runs.run_diagnostics(
        diagnostic_run.id, config=config, call=fake.call, look=eyes, now=fake.clock
    )
    return DiagnosticRun.get_by_id(diagnostic_run.id)


def events(*names: str) -> list[str]:
    return [entry.event for entry in reversed(AuditEntry.newest(limit=50)) if entry.event in names]


# ---- requested by a person ----


def test_the_result_is_stored_and_recorded(
    paired: Site, fake: FakeSite, ben: Actor, config: Config, jobs: RecordingQueue
) -> None:
    request = runs.request_diagnostics(paired, by=ben, now=fake.clock())
    assert (request.state, request.requested_by) == (QUEUED, "Ben")
    assert jobs.jobs == [("run_diagnostics_on_site", (request.id,), 0)]
    fake.clock.advance(seconds=40)
    done = run(request, fake, config, Eyes())
    assert (done.state, done.verdict, done.blocker) == (DONE, HEALTHY, "")
    found = runs.found_by(done)
    connected = next(check for check in found.checks if check.name == "tcp")
    assert connected.evidence == {"connect_ms": 3}
    assert (found.verdict, found.url, found.at) == (HEALTHY, paired.url, fake.clock())
    assert tuple(check.name for check in found.checks) == NAMES
    assert [entry.event for entry in AuditEntry.newest(limit=2)] == [
        "diagnostics_completed",
        "diagnostics_requested",
    ]
    assert [call.op for call in SiteCall.newest_of(paired.id, 2)] == ["report", "ping"]
    entry = AuditEntry.newest(event="diagnostics_completed", limit=1)[0]
    assert (entry.actor, entry.site_id) == ("system", paired.id)
    assert f'"requests":{done.requests}' in entry.body
    assert done.requests == 7
    assert [op for op, *_ in fake.calls[-2:]] == ["ping", "report"]


def test_a_site_that_answers_without_a_report_is_blocked(
    paired: Site, fake: FakeSite, ben: Actor, config: Config
) -> None:
    """After a fatal error on `init`, SiteAgent answers a ping and sends no report (K10)."""

    def fail(op: str) -> None:
        if op == "report":
            raise CallError(ErrorCode.server_error, {"status": 500})

    fake.during = fail
    done = run(runs.request_diagnostics(paired, by=ben, now=fake.clock()), fake, config, Eyes())
    assert (done.verdict, done.blocker) == (BLOCKED, "server_error")
    found = {check.name: check for check in runs.found_by(done).checks}
    assert (found["echo"].verdict, found["report"].verdict) == (OK, BLOCKED)
    assert found["report"].evidence == {"status": 500}


def test_the_blocker_is_stored_by_its_code(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    request = runs.request_diagnostics(paired, by=ana, now=fake.clock())
    before = fake.calls.copy()
    done = run(request, fake, config, Eyes(CallError(ErrorCode.dns, {"host": "x", "detail": "no"})))
    assert (done.verdict, done.blocker, done.requests) == (BLOCKED, "dns", 1)
    assert fake.calls == before
    assert "site_called" not in events("site_called", "diagnostics_completed")[-1:]


def test_diagnostics_change_no_data_of_the_site(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    request = runs.request_diagnostics(paired, by=ana, now=fake.clock())
    paired.refresh()
    before = dict(paired.__data__)
    fake.failing = [ErrorCode.unauthorized]
    run(request, fake, config, Eyes())
    paired.refresh()
    assert paired.__data__ == before


def test_a_viewer_cannot_request_diagnostics(paired: Site, cleo: Actor, clock: Clock) -> None:
    with pytest.raises(Forbidden):
        runs.request_diagnostics(paired, by=cleo, now=clock())
    assert DiagnosticRun.select().count() == 0


def test_two_requests_are_one_run(paired: Site, ana: Actor, ben: Actor, clock: Clock) -> None:
    first = runs.request_diagnostics(paired, by=ana, now=clock())
    assert runs.request_diagnostics(paired, by=ben, now=clock()) == first


def test_a_job_delivered_twice_runs_once(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    request, eyes = runs.request_diagnostics(paired, by=ana, now=fake.clock()), Eyes()
    run(request, fake, config, eyes)
    seen = len(eyes.urls)
    assert runs.run_diagnostics(request.id, config=config, look=eyes, now=fake.clock) == DONE
    assert len(eyes.urls) == seen
    assert runs.run_diagnostics(4711, config=config, look=eyes) == "gone"


def test_an_unpaired_site_is_tested_without_keys(
    site: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    done = run(runs.request_diagnostics(site, by=ana, now=fake.clock()), fake, config, Eyes())
    assert (done.verdict, done.is_paired) == ("answers", False)
    assert fake.calls == []


# ---- ended connections ----


def test_a_revoked_site_is_not_diagnosed(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    request = runs.request_diagnostics(paired, by=ana, now=fake.clock())
    revocation.revoke_access(paired, by=ana, now=fake.clock())
    with pytest.raises(Conflict):
        runs.request_diagnostics(paired, by=ana, now=fake.clock())
    eyes = Eyes()
    assert run(request, fake, config, eyes).state == ABANDONED
    assert eyes.urls == []


def test_a_revocation_during_a_test_stops_its_next_request(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    request = runs.request_diagnostics(paired, by=ana, now=fake.clock())
    eyes = Eyes()

    def revoke_at_the_second() -> None:
        if len(eyes.urls) == 2:
            revocation.revoke_access(Site.get_by_id(paired.id), by=ana, now=fake.clock())

    eyes.then = revoke_at_the_second
    done = run(request, fake, config, eyes)
    assert (done.state, len(eyes.urls), done.checks) == (ABANDONED, 2, [])
    assert "ping" not in [op for op, _, _ in fake.calls]


def test_unreadable_keys_are_the_blocker(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    request = runs.request_diagnostics(paired, by=ana, now=fake.clock())
    Site.update(keys_sealed={"d2s": "t1.AAAA", "s2d": "t1.AAAA"}).execute()
    done = run(request, fake, config, Eyes())
    assert (done.verdict, done.blocker) == (BLOCKED, "keys_unreadable")
    blocked = [check.name for check in runs.found_by(done).checks if check.verdict == BLOCKED]
    assert blocked == ["echo"]


# ---- started by Aura ----


def fail(site: Site, now: Any, error_code: str = "blocked") -> None:
    with transaction():
        runs.record_failed_call(site, error_code, {}, SYSTEM, now)


def test_the_first_failure_starts_diagnostics(
    paired: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    fail(paired, clock())
    request = DiagnosticRun.open_for(paired)
    assert request is not None
    assert request.requested_by == "Aura"
    assert jobs.jobs == [("run_diagnostics_on_site", (request.id,), 0)]


def test_a_failure_that_is_rolled_back_starts_nothing(
    paired: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    with db.atomic() as outer:
        fail(paired, clock())
        outer.rollback()
    assert jobs.jobs == []
    assert DiagnosticRun.open_for(paired) is None


def test_a_site_that_keeps_failing_is_tested_every_six_hours(
    paired: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    for _ in range(14):
        fail(paired, clock())
        DiagnosticRun.update(state=DONE, ended_at=clock()).execute()
        clock.advance(hours=1)
    assert len(jobs.jobs) == 3


def test_each_new_series_of_failures_starts_diagnostics(
    paired: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    for minutes in (5, 60, 60):
        fail(paired, clock())
        with transaction():
            health.record_success(paired, CallResult("ping", 1), SYSTEM, clock())
        DiagnosticRun.update(state=DONE, ended_at=clock()).execute()
        clock.advance(minutes=minutes)
    assert len(jobs.jobs) == 2


@pytest.mark.parametrize("error_code", ["report_invalid", "keys_unreadable"])
def test_an_error_outside_of_the_connection_starts_nothing(
    error_code: str, paired: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    fail(paired, clock(), error_code)
    assert jobs.jobs == []


def test_a_disconnected_site_is_not_tested(
    paired: Site, fake: FakeSite, jobs: RecordingQueue
) -> None:
    fake.disconnect()
    disconnect = fake._gone[paired.key_id]
    with transaction():
        runs.record_failed_call(paired, "disconnected", {"g": disconnect}, SYSTEM, fake.clock())
    assert paired.state == "disconnected"
    assert jobs.jobs == []


def test_a_site_that_may_have_disconnected_can_be_tested(
    paired: Site, clock: Clock, ana: Actor
) -> None:
    for _ in range(3):
        fail(paired, clock(), "unauthorized")
    assert paired.state == DISCONNECTED_UNCONFIRMED
    DiagnosticRun.update(state=DONE).execute()
    assert runs.request_diagnostics(paired, by=ana, now=clock()).state == QUEUED


# ---- lost jobs ----


def test_lost_jobs_are_queued_again_and_dead_workers_given_up(
    paired: Site, ana: Actor, clock: Clock, jobs: RecordingQueue
) -> None:
    request = runs.request_diagnostics(paired, by=ana, now=clock())
    assert runs.recover_diagnostics(clock.advance(minutes=1)) == 0
    assert runs.recover_diagnostics(clock.advance(minutes=5)) == 1
    assert jobs.names() == ["run_diagnostics_on_site", "run_diagnostics_on_site"]
    request.move(to=DIAGNOSING, when=(QUEUED,), started_at=clock())
    assert runs.recover_diagnostics(clock.advance(minutes=6)) == 1
    request.refresh()
    assert request.state == ABANDONED
    runs.recover_diagnostics(clock.advance(days=31))
    assert DiagnosticRun.select().count() == 0


# ---- from the terminal ----


def test_any_address_can_be_diagnosed(database: Config, clock: Clock) -> None:
    eyes = Eyes()
    found = runs.diagnose_address("Shop.Example/wp-admin/", config=database, look=eyes, now=clock)
    assert (found.url, found.verdict) == ("https://shop.example", "answers")
    assert eyes.urls[0] == "https://shop.example/"
    assert AuditEntry.select().count() == 0


def test_a_paired_site_is_tested_with_its_keys(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    found = runs.diagnose_address(
        paired.url, config=config, call=fake.call, look=Eyes(), now=fake.clock
    )
    assert found.verdict == HEALTHY
    assert events("diagnostics_completed") == ["diagnostics_completed"]


def test_a_revoked_site_is_tested_without_keys(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    revocation.revoke_access(paired, by=ana, now=fake.clock())
    before = fake.calls.copy()
    found = runs.diagnose_address(
        paired.url, config=config, call=fake.call, look=Eyes(), now=fake.clock
    )
    assert found.verdict == "answers"
    assert fake.calls == before


def test_an_invalid_address_is_refused(database: Config) -> None:
    with pytest.raises(Invalid):
        runs.diagnose_address("ftp://x", config=database)


def test_a_removed_site_cannot_be_tested(site: Site, ana: Actor, clock: Clock) -> None:
    sites.remove_site(site, by=ana, now=clock())
    with pytest.raises(Conflict):
        runs.request_diagnostics(site, by=ana, now=clock())


# ---- never a false "healthy" ----

PROVEN = [("echo", OK, "echoed"), ("pretty", OK, "answers")]


@pytest.mark.parametrize("is_paired", [True, False])
@pytest.mark.parametrize("verdict", [OK, WARN, UNKNOWN, SKIPPED])
def test_a_connection_is_never_healthy_without_proof(is_paired: bool, verdict: str) -> None:
    checks = tuple(Check(name, verdict, "fine") for name in NAMES)
    found = Diagnosis("https://x.example", at("2026-11-24 10:00"), is_paired, checks, 1)
    assert (found.verdict, found.is_clear) == (UNKNOWN, False)


@pytest.mark.parametrize("blocked", NAMES)
def test_one_blocker_outweighs_every_proof(blocked: str) -> None:
    proofs = [Check(*values) for values in PROVEN]
    checks = (*proofs, Check(blocked, BLOCKED, "x"))
    for is_paired in (True, False):
        found = Diagnosis("https://x.example", at("2026-11-24 10:00"), is_paired, checks, 1)
        assert (found.verdict, found.is_clear) == (BLOCKED, False)


def test_paired_and_unpaired_sites_need_different_proofs() -> None:
    echo, answer = (Check(*values) for values in PROVEN)
    now = at("2026-11-24 10:00")
    assert not Diagnosis("https://x.example", now, True, (answer,), 1).is_clear
    assert not Diagnosis("https://x.example", now, False, (echo,), 1).is_clear
    assert Diagnosis("https://x.example", now, True, (echo,), 1).verdict == HEALTHY


def test_checks_are_the_same_after_storing() -> None:
    checks = (Check("dns", OK, "name_found", {"n": 1}), Check("tcp", SKIPPED, "", because="dns"))
    assert from_rows(as_rows(checks)) == checks
