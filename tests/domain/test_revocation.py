"""End a connection from either side, and record what is proven about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import revocation
from app.domain.errors import Forbidden, NotPaired
from app.domain.inventory import site_sync
from app.http.errors import ErrorCode
from app.models.reports import Report, Sync
from app.models.sites import (
    ACTIVE,
    DISCONNECTED,
    DISCONNECTED_UNCONFIRMED,
    NEW,
    PAIRING,
    REVOKED,
    REVOKED_UNPROVEN,
    REVOKED_UNREACHED,
    REVOKING,
    Site,
)
from app.protocol import b64u
from tests.support.audit_entries import events
from tests.support.config import make_config
from tests.support.factories import pair, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue


def disconnect(site: Site, fake: FakeSite, config: Config) -> str:
    outcome = revocation.deliver_revocation(
        site.id, config=config, call=fake.call, call_bearer=fake.call_bearer, now=fake.clock
    )
    site.refresh()
    return outcome


def ops(fake: FakeSite) -> list[str]:
    return [op for op, _, _ in fake.calls]


@pytest.fixture
def revoked(paired: Site, fake: FakeSite, ana: Actor, clock: Clock) -> Site:
    """A site whose access Ana has revoked, before Aura has called it."""
    fake.calls.clear()
    revocation.revoke_access(paired, by=ana, reason="contract ended", now=clock())
    return paired


# ---- successful revocation ----


def test_an_acknowledged_and_refused_probe_confirms_the_revocation(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    assert jobs.jobs == [("deliver_revocation", (revoked.id,), 0)]
    assert disconnect(revoked, fake, config) == REVOKED
    assert ops(fake) == ["revoke", "ping"]
    assert fake.paired is None
    assert set(revoked.keys_sealed) == {"revoke"}
    assert revoked.revoke_next_at is None
    evidence = revoked.revoke_evidence
    assert (evidence["ack"], evidence["probe"]) == ("yes", "refused")
    assert evidence["ack_at"] == evidence["probe_at"] == clock().isoformat()
    assert events(revoked)[-4:] == [
        "revocation_started",
        "site_called",
        "site_called",
        "revocation_confirmed",
    ]


def test_revoking_stops_everything_before_the_site_is_called(
    paired: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    sync = Sync.open_for(paired)
    revocation.revoke_access(paired, by=ana, now=clock())
    assert paired.state == REVOKING
    assert Sync.get_by_id(sync.id).state == "failed"
    fake.calls.clear()
    assert site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock) == "failed"
    assert fake.calls == []
    with pytest.raises(NotPaired):
        site_sync.request_sync(paired, by=ana, now=clock())


def test_a_report_that_arrives_after_revoking_is_not_accepted(
    paired: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    fake.during = lambda op: (
        revocation.revoke_access(paired, by=ana, now=clock()) if op == "report" else None
    )
    sync = read_report(paired, fake, config=config)
    assert sync.state == "failed"
    assert paired.state == REVOKING
    assert Report.of(paired) is None


# ---- permissions and states ----


def test_a_viewer_may_not_revoke(paired: Site, cleo: Actor) -> None:
    with pytest.raises(Forbidden):
        revocation.revoke_access(paired, by=cleo)
    assert paired.state == ACTIVE


@pytest.mark.parametrize(
    "state",
    [NEW, PAIRING, REVOKING, REVOKED, REVOKED_UNPROVEN, REVOKED_UNREACHED, DISCONNECTED],
)
def test_only_a_connection_can_be_revoked(site: Site, ana: Actor, state: str) -> None:
    site.move(to=state, when=(NEW,))
    with pytest.raises(NotPaired):
        revocation.revoke_access(site, by=ana)
    site.refresh()
    assert site.state == state


@pytest.mark.parametrize("state", [NEW, PAIRING, ACTIVE, REVOKED, DISCONNECTED])
def test_no_revocation_is_sent_in_other_states(
    site: Site, fake: FakeSite, config: Config, state: str
) -> None:
    site.move(to=state, when=(NEW,))
    assert disconnect(site, fake, config) == state
    assert fake.calls == []


def test_a_second_revocation_changes_nothing(revoked: Site, ana: Actor, clock: Clock) -> None:
    clock.advance(minutes=1)
    with pytest.raises(NotPaired):
        revocation.revoke_access(revoked, by=ana, reason="again", now=clock())
    assert revoked.revoke_reason == "contract ended"
    assert events(revoked).count("revocation_started") == 1


# ---- unproven revocations ----


def test_a_site_whose_old_key_still_works_is_not_proven(
    revoked: Site, fake: FakeSite, config: Config
) -> None:
    keys = fake.paired
    fake.during = lambda op: setattr(fake, "paired", keys) if op == "ping" else None
    assert disconnect(revoked, fake, config) == REVOKED_UNPROVEN
    assert revoked.revoke_evidence["probe"] == "answered"
    assert set(revoked.keys_sealed) == {"revoke"}
    assert events(revoked)[-1] == "revocation_unproven"


@pytest.mark.parametrize("error_code", [ErrorCode.blocked, ErrorCode.web_page, ErrorCode.not_found])
def test_a_probe_answered_by_something_else_proves_nothing(
    revoked: Site, fake: FakeSite, config: Config, error_code: ErrorCode
) -> None:
    fake.during = lambda op: fake.failing.append(error_code) if op == "ping" else None
    assert disconnect(revoked, fake, config) == REVOKED_UNPROVEN
    assert revoked.revoke_evidence["probe"] == error_code


def test_a_probe_without_an_answer_is_sent_again(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    fake.during = lambda op: fake.failing.append(ErrorCode.too_slow) if op == "ping" else None
    assert disconnect(revoked, fake, config) == REVOKING
    assert jobs.jobs[-1] == ("deliver_revocation", (revoked.id,), 15)
    fake.during = None
    clock.advance(seconds=15)
    assert disconnect(revoked, fake, config) == REVOKED
    assert ops(fake) == ["revoke", "ping", "ping"]


def test_a_probe_that_never_gets_an_answer_ends_unproven(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.during = lambda op: fake.failing.append(ErrorCode.too_slow) if op == "ping" else None
    while disconnect(revoked, fake, config) == REVOKING:
        clock.advance(seconds=15)
    assert revoked.state == REVOKED_UNPROVEN
    assert ops(fake) == ["revoke", *["ping"] * revocation.PROBE_TRIES]


def test_a_lost_acknowledgement_is_requested_again_without_a_signature(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.losing = {"revoke"}
    assert disconnect(revoked, fake, config) == REVOKED_UNREACHED
    clock.advance(minutes=5)
    assert disconnect(revoked, fake, config) == REVOKED_UNPROVEN
    assert revoked.revoke_evidence["ack"] == "yes"
    assert revoked.revoke_evidence["probe"] == ""


def test_a_signature_stripped_by_a_proxy_is_worked_around(
    revoked: Site, fake: FakeSite, config: Config
) -> None:
    fake.during = lambda op: fake.failing.append(ErrorCode.blocked) if not fake.calls[1:] else None
    assert disconnect(revoked, fake, config) == REVOKED
    assert [keyid == "" for _, keyid, _ in fake.calls] == [False, True, False]


def test_a_plain_refusal_is_no_acknowledgement_and_the_secret_is_kept(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    keys, fake.paired = fake.paired, None
    assert disconnect(revoked, fake, config) == REVOKED_UNPROVEN
    assert set(revoked.keys_sealed) == {"revoke"}
    assert revoked.revoke_evidence["ack"] == "no"
    assert revoked.revoke_evidence["probe"] == "refused"
    fake.restore_backup(keys)
    clock.advance(minutes=10)
    assert disconnect(revoked, fake, config) == REVOKED_UNPROVEN
    assert revoked.revoke_evidence["ack"] == "yes"
    assert set(revoked.keys_sealed) == {"revoke"}
    assert fake.paired is None


def test_a_forged_acknowledgement_is_not_believed(
    revoked: Site, fake: FakeSite, config: Config
) -> None:
    revoked.note(when=(REVOKING,), ack_hash="0" * 64)
    assert disconnect(revoked, fake, config) == REVOKED_UNREACHED
    assert revoked.revoke_evidence["ack"] == "no"


# ---- an unreachable site ----


def test_an_unreachable_site_leaves_no_key_that_could_command_it(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.failing = [ErrorCode.connection_refused]
    assert disconnect(revoked, fake, config) == REVOKED_UNREACHED
    assert set(revoked.keys_sealed) == {"revoke"}
    assert revoked.revoke_next_at == clock() + timedelta(minutes=5)
    assert revoked.revoke_evidence["last_error"] == ErrorCode.connection_refused
    assert events(revoked)[-1] == "revocation_undelivered"


def test_retries_grow_from_five_minutes_to_a_day(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    waits = []
    for _ in range(12):
        fake.failing = [ErrorCode.dns]
        disconnect(revoked, fake, config)
        waits.append(revoked.revoke_next_at - clock())
        clock.now = revoked.revoke_next_at
    assert waits[:4] == [timedelta(minutes=m) for m in (5, 10, 20, 40)]
    assert waits[-1] == timedelta(hours=24)
    assert revoked.state == REVOKED_UNREACHED


def test_retries_end_after_ninety_days_without_a_confirmation(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.failing = [ErrorCode.dns]
    disconnect(revoked, fake, config)
    calls = len(fake.calls)
    clock.advance(days=90)
    assert disconnect(revoked, fake, config) == REVOKED_UNREACHED
    assert len(fake.calls) == calls
    assert (revoked.keys_sealed, revoked.revoke_next_at) == ({}, None)
    assert events(revoked)[-1] == "revocation_abandoned"


def test_the_schedule_queues_revocations_when_they_are_due(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    fake.failing = [ErrorCode.dns]
    disconnect(revoked, fake, config)
    assert revocation.retry_due_revocations(clock.advance(minutes=4)) == []
    jobs.jobs.clear()
    assert revocation.retry_due_revocations(clock.advance(minutes=1)) == [revoked.id]
    assert jobs.jobs == [("deliver_revocation", (revoked.id,), 0)]


def test_a_missing_sealing_key_delays_the_revocation_and_deletes_no_secret(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    other = make_config(config.var_dir, sealing_keys=(("t2", bytes(32)),))
    assert disconnect(revoked, fake, other) == REVOKED_UNREACHED
    assert fake.calls == []
    clock.advance(minutes=10)
    assert disconnect(revoked, fake, config) == REVOKED_UNPROVEN
    assert revoked.revoke_evidence["ack"] == "yes"


# ---- two workers and interrupted workers ----


def test_two_workers_call_the_site_once(revoked: Site, fake: FakeSite, config: Config) -> None:
    inner: list[str] = []

    def disconnect_again(op: str) -> None:
        if op == "revoke":
            inner.append(disconnect(Site.get_by_id(revoked.id), fake, config))

    fake.during = disconnect_again
    assert disconnect(revoked, fake, config) == REVOKED
    assert inner == ["busy"]
    assert ops(fake) == ["revoke", "ping"]


def test_a_worker_killed_after_the_acknowledgement_repeats_the_probe(
    revoked: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    def die(op: str) -> None:
        if op == "ping":
            raise KeyboardInterrupt

    fake.during = die
    with pytest.raises(KeyboardInterrupt):
        disconnect(revoked, fake, config)
    fake.during = None
    clock.advance(minutes=2)
    assert revocation.retry_due_revocations(clock()) == [revoked.id]
    assert disconnect(revoked, fake, config) == REVOKED
    assert ops(fake) == ["revoke", "ping", "ping"]


def test_a_revocation_delivered_after_the_end_sends_nothing(
    revoked: Site, fake: FakeSite, config: Config
) -> None:
    disconnect(revoked, fake, config)
    fake.calls.clear()
    assert disconnect(revoked, fake, config) == REVOKED
    assert fake.calls == []


# ---- the site disconnects ----


def test_a_site_that_disconnected_before_proves_it_when_revoked(
    revoked: Site, fake: FakeSite, config: Config
) -> None:
    fake.disconnect()
    assert disconnect(revoked, fake, config) == DISCONNECTED
    assert set(revoked.keys_sealed) == {"revoke"}
    assert events(revoked)[-1] == "site_disconnected"


def test_a_sync_notices_that_the_site_has_disconnected(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.disconnect()
    sync = read_report(paired, fake, config=config)
    assert (sync.state, sync.error_code) == ("failed", ErrorCode.disconnected)
    assert paired.state == DISCONNECTED
    assert set(paired.keys_sealed) == {"revoke"}
    assert disconnect(paired, fake, config) == DISCONNECTED
    assert (set(paired.keys_sealed), paired.revoke_next_at) == ({"revoke"}, None)
    assert "disconnect_proof_forged" not in events(paired)


def test_a_forged_disconnect_notice_is_found_out_and_the_site_is_revoked(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    """A thief with a full copy knows the secret that proves a disconnect notice."""
    assert fake.paired is not None
    assert revocation.receive_disconnect(
        paired.key_id, b64u(fake.paired.keys.disconnect), now=clock()
    )
    assert revocation.retry_due_revocations(clock()) == [paired.id]
    assert disconnect(paired, fake, config) == REVOKED_UNPROVEN
    assert fake.paired is None
    assert set(paired.keys_sealed) == {"revoke"}
    assert events(paired)[-2:] == ["disconnect_proof_forged", "revocation_unproven"]


def test_a_disconnected_site_that_is_unreachable_is_called_later(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    assert fake.paired is not None
    revocation.receive_disconnect(paired.key_id, b64u(fake.paired.keys.disconnect), now=clock())
    fake.failing = [ErrorCode.dns]
    assert disconnect(paired, fake, config) == DISCONNECTED
    assert set(paired.keys_sealed) == {"revoke"}
    fake.disconnect()
    clock.advance(minutes=6)
    assert disconnect(paired, fake, config) == DISCONNECTED
    assert set(paired.keys_sealed) == {"revoke"}


def test_a_wrong_proof_leaves_the_disconnection_unconfirmed(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    kid = paired.kid
    fake.disconnect()
    fake._gone[kid] = "A" * 43
    read_report(paired, fake, config=config)
    assert paired.state == DISCONNECTED_UNCONFIRMED
    assert set(paired.keys_sealed) == {"d2s", "s2d", "revoke"}


def test_three_plain_refusals_ask_a_person_and_delete_no_key(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    keys, fake.paired = fake.paired, None
    for expected in (ACTIVE, ACTIVE, DISCONNECTED_UNCONFIRMED):
        read_report(paired, fake, config=config)
        assert paired.state == expected
    assert set(paired.keys_sealed) == {"d2s", "s2d", "revoke"}
    fake.paired = keys
    read_report(paired, fake, config=config)
    assert paired.state == ACTIVE
    assert paired.consecutive_failures == 0
    assert "site_reconnected" in events(paired)


def test_an_unconfirmed_disconnection_can_be_revoked(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    paired.move(to=DISCONNECTED_UNCONFIRMED, when=(ACTIVE,))
    revocation.revoke_access(paired, by=ana, now=fake.clock())
    assert disconnect(paired, fake, config) == REVOKED


def test_a_site_can_be_paired_while_an_old_revocation_is_pending(
    revoked: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    fake.failing = [ErrorCode.dns]
    disconnect(revoked, fake, config)
    pair(revoked, fake, by=ana, config=config)
    assert revoked.state == ACTIVE
    clock.advance(days=1)
    assert revocation.retry_due_revocations(clock()) == []


# ---- an older backup of Aura ----


def test_a_backup_of_aura_from_before_the_revocation_commands_nothing(
    paired: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    """The backup does not know of the revocation and holds every key."""
    backup = dict(paired.__data__)
    revocation.revoke_access(paired, by=ana, now=clock())
    assert disconnect(paired, fake, config) == REVOKED
    Site.update(**backup).where(Site.id == paired.id).execute()
    for expected in (ACTIVE, ACTIVE, DISCONNECTED_UNCONFIRMED):
        assert read_report(paired, fake, config=config).error_code == ErrorCode.unauthorized
        assert paired.state == expected
    assert events(paired).count("site_disconnected") == 1
