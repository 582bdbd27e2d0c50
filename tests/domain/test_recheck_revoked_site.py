"""A connection that ended is checked again: a site restored from a backup has it once more."""

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
    """The site's database as it was before anything ended."""
    return copy(fake)


@pytest.fixture
def ended(backup: FakeSite, paired: Site, fake: FakeSite, ana: Actor, config: Config) -> Site:
    """Revoked, and confirmed by the site."""
    revocation.revoke_access(paired, by=ana, now=fake.clock())
    told = {"config": config, "call": fake.call, "call_bearer": fake.call_bearer}
    assert revocation.deliver_revocation(paired.id, **told, now=fake.clock) == REVOKED
    paired.refresh()
    return paired


def check(site: Site, there: FakeSite, config: Config, clock: Clock) -> str:
    """What the worker does when the time has come."""
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


def test_what_is_kept_can_only_disconnect(ended: Site, clock: Clock) -> None:
    assert set(ended.keys_sealed) == {"revoke"}
    assert (ended.revoke_next_at, ended.recheck_at) == (None, clock() + timedelta(days=1))


def test_while_the_site_repeats_its_acknowledgement_all_is_well(
    ended: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    assert check(ended, fake, config, clock) == "still ended"
    assert (Alert.select().count(), ended.state) == (0, REVOKED)


@pytest.mark.parametrize("error_code", [ErrorCode.dns, ErrorCode.not_found, ErrorCode.unauthorized])
def test_a_site_that_says_anything_else_is_no_alert(
    ended: Site, fake: FakeSite, config: Config, clock: Clock, error_code: ErrorCode
) -> None:
    fake.failing.append(error_code)
    assert check(ended, fake, config, clock) == "still ended"
    assert Alert.select().count() == 0


def test_it_is_checked_at_growing_intervals_for_a_year(
    ended: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    began, days = clock(), []
    while ended.recheck_at is not None:
        days.append((ended.recheck_at - clock()).days)
        check(ended, fake, config, clock)
    assert days[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert clock() - began <= revocation_checks.FOR + revocation_checks.LONGEST
    assert ended.keys_sealed == {}
    assert AuditEntry.head().event == "revocation_checks_ended"
    assert check(ended, fake, config, clock) == "not due"


def test_a_restored_site_is_ended_again_and_an_alert_says_so(
    ended: Site, backup: FakeSite, fake: FakeSite, config: Config, clock: Clock
) -> None:
    restore(backup, fake)
    assert check(ended, fake, config, clock) == "had come back"
    assert fake.paired is None
    (alert,) = Alert.unresolved(EVERYTHING)
    assert (alert.kind, alert.site_id) == (alerts.REVOKED_ANSWERED, ended.id)
    assert (ended.state, ended.recheck_at) == (REVOKED, clock() + timedelta(days=1))
    restore(backup, fake)
    assert check(ended, fake, config, clock) == "had come back"
    assert Alert.select().count() == 2


def test_a_site_that_disconnected_and_is_restored_is_found_too(
    backup: FakeSite, paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.disconnect()
    read_report(paired, fake, config=config)
    told = {"config": config, "call": fake.call, "call_bearer": fake.call_bearer}
    revocation.deliver_revocation(paired.id, **told, now=clock)
    paired.refresh()
    assert (paired.state, paired.revoke_next_at) == (DISCONNECTED, None)
    assert check(paired, fake, config, clock) == "still ended"
    restore(backup, fake)
    assert check(paired, fake, config, clock) == "had come back"


def test_an_answer_without_the_proof_is_believed_nothing(
    ended: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    clock.now = ended.recheck_at

    def lying(*_: object, **more: object) -> tuple[int, dict[str, object]]:
        return 200, {"v": 1, "ok": True, "op": "revoke", "a": "x" * 43, "ended": True}

    assert (
        revocation_checks.run(ended.id, config=config, call_bearer=lying, now=clock)
        == "still ended"
    )
    assert Alert.select().count() == 0


def test_the_schedule_asks_for_what_is_due_and_one_worker_does_it(
    ended: Site, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    jobs.jobs.clear()
    assert revocation_checks.request_due(clock()) == []
    clock.advance(days=1)
    assert revocation_checks.request_due(clock()) == [ended.id]
    assert jobs.jobs == [("recheck_site", (ended.id,), 0)]
    check(ended, fake, config, clock)
    told = {"config": config, "call_bearer": fake.call_bearer, "now": clock}
    assert revocation_checks.run(ended.id, **told) == "not due"


def test_a_site_that_is_paired_again_is_not_checked(
    ended: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    pair(ended, fake, by=ana, config=config)
    assert ended.recheck_at is None
    assert set(ended.keys_sealed) == {"d2s", "s2d", "revoke"}


def test_a_site_that_was_never_paired_is_not_checked(site: Site, config: Config) -> None:
    assert site.state == NEW
    assert revocation_checks.run(site.id, config=config) == "not due"
