"""Recheck a revoked site: one restored from a backup would accept the old keys again."""

from __future__ import annotations

from copy import copy
from datetime import timedelta

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.connection import revocation, revocation_checks
from app.http.errors import ErrorCode
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.sites import DISCONNECTED, NEW, REVOKED, Site
from app.models.visibility import EVERYTHING
from tests.support.factories import pair, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue


@pytest.fixture
def backup(paired: Site, fake: FakeSite) -> FakeSite:
    """The site's database as it was before anything was revoked."""
    return copy(fake)


@pytest.fixture
def revoked(backup: FakeSite, paired: Site, fake: FakeSite, ana: Actor, config: Config) -> Site:
    """A revoked site that has confirmed the revocation."""
    revocation.revoke_access(paired, by=ana, now=fake.clock())
    calls = {"config": config, "call": fake.call, "call_bearer": fake.call_bearer}
    assert revocation.deliver_revocation(paired.id, **calls, now=fake.clock) == REVOKED
    paired.refresh()
    return paired


def recheck(site: Site, there: FakeSite, config: Config, clock: Clock) -> str:
    """Do what the worker does when the recheck is due."""
    site.refresh()
    if site.recheck_at is not None:
        clock.now = max(clock.now, site.recheck_at)
    found = revocation_checks.run(site.id, config=config, call_bearer=there.call_bearer, now=clock)
    site.refresh()
    return found


def restore(backup: FakeSite, fake: FakeSite) -> None:
    fake.paired = backup.paired
    fake._tombstones.clear()
    fake._gone.clear()


def test_the_secret_that_is_kept_can_only_disconnect(revoked: Site, clock: Clock) -> None:
    assert set(revoked.keys_sealed) == {"revoke"}
    assert (revoked.revoke_next_at, revoked.recheck_at) == (None, clock() + timedelta(days=1))


def test_a_repeated_acknowledgement_raises_no_alert(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    assert recheck(revoked, fake, config, clock) == "still ended"
    assert (Alert.select().count(), revoked.state) == (0, REVOKED)


@pytest.mark.parametrize("error_code", [ErrorCode.dns, ErrorCode.not_found, ErrorCode.unauthorized])
def test_any_other_answer_raises_no_alert(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock, error_code: ErrorCode
) -> None:
    fake.failing.append(error_code)
    assert recheck(revoked, fake, config, clock) == "still ended"
    assert Alert.select().count() == 0


def test_a_site_is_rechecked_at_growing_intervals_for_a_year(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    began, days = clock(), []
    while revoked.recheck_at is not None:
        days.append((revoked.recheck_at - clock()).days)
        recheck(revoked, fake, config, clock)
    assert days[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert clock() - began <= revocation_checks.FOR + revocation_checks.LONGEST
    assert revoked.keys_sealed == {}
    assert AuditEntry.head().event == "revocation_checks_ended"
    assert recheck(revoked, fake, config, clock) == "not due"


def test_a_restored_site_is_revoked_again_and_raises_an_alert(
    revoked: Site, backup: FakeSite, fake: FakeSite, config: Config, clock: Clock
) -> None:
    restore(backup, fake)
    assert recheck(revoked, fake, config, clock) == "had come back"
    assert fake.paired is None
    (alert,) = Alert.unresolved(EVERYTHING)
    assert (alert.kind, alert.site_id) == (alerts.REVOKED_ANSWERED, revoked.id)
    assert (revoked.state, revoked.recheck_at) == (REVOKED, clock() + timedelta(days=1))
    restore(backup, fake)
    assert recheck(revoked, fake, config, clock) == "had come back"
    assert Alert.select().count() == 2


def test_a_disconnected_site_that_is_restored_is_found_too(
    backup: FakeSite, paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.disconnect()
    read_report(paired, fake, config=config)
    calls = {"config": config, "call": fake.call, "call_bearer": fake.call_bearer}
    revocation.deliver_revocation(paired.id, **calls, now=clock)
    paired.refresh()
    assert (paired.state, paired.revoke_next_at) == (DISCONNECTED, None)
    assert recheck(paired, fake, config, clock) == "still ended"
    restore(backup, fake)
    assert recheck(paired, fake, config, clock) == "had come back"


def test_an_answer_without_the_proof_is_not_believed(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    clock.now = revoked.recheck_at

    def unproven(*_: object, **more: object) -> tuple[int, dict[str, object]]:
        return 200, {"v": 1, "ok": True, "op": "revoke", "a": "x" * 43, "ended": True}

    assert (
        revocation_checks.run(revoked.id, config=config, call_bearer=unproven, now=clock)
        == "still ended"
    )
    assert Alert.select().count() == 0


def test_the_schedule_queues_what_is_due_and_one_worker_does_it(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    jobs.jobs.clear()
    assert revocation_checks.request_due(clock()) == []
    clock.advance(days=1)
    assert revocation_checks.request_due(clock()) == [revoked.id]
    assert jobs.jobs == [("recheck_site", (revoked.id,), 0)]
    recheck(revoked, fake, config, clock)
    calls = {"config": config, "call_bearer": fake.call_bearer, "now": clock}
    assert revocation_checks.run(revoked.id, **calls) == "not due"


def test_a_site_that_is_paired_again_is_not_checked(
    revoked: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    pair(revoked, fake, by=ana, config=config)
    assert revoked.recheck_at is None
    assert set(revoked.keys_sealed) == {"d2s", "s2d", "revoke"}


def test_a_site_that_was_never_paired_is_not_checked(site: Site, config: Config) -> None:
    assert site.state == NEW
    assert revocation_checks.run(site.id, config=config) == "not due"
