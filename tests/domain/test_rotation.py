"""Renew a site's keys; whatever fails on the way, one generation of keys works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.config import Config
from app.domain import dashboard_identity
from app.domain.actor import SYSTEM, Actor
from app.domain.connection import revocation, rotation
from app.domain.connection.rotation_attempt import MOST_ATTEMPTS
from app.domain.errors import Conflict, Forbidden, NotPaired
from app.domain.inventory import site_sync
from app.http.errors import ErrorCode
from app.keys import KeyRing, SealBroken, signing_public
from app.models.installation import Setting
from app.models.rotations import AGREED, ASKING, DONE, FAILED, Rotation
from app.models.sites import MOVED, REVOKED, Site
from app.protocol import b64u
from tests.support.audit_entries import events
from tests.support.factories import make_site, pair, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

Run = Callable[[Rotation], str]


@pytest.fixture
def run(fake: FakeSite, config: Config) -> Run:
    def run_once(renewal: Rotation) -> str:
        state = rotation.run_rotation(renewal.id, config=config, call=fake.call, now=fake.clock)
        renewal.refresh()
        return state

    return run_once


@pytest.fixture
def renewal(paired: Site, ana: Actor, config: Config, clock: Clock) -> Rotation:
    return rotation.request_rotation(paired, by=ana, config=config, now=clock())


def ops(fake: FakeSite) -> list[str]:
    return [op for op, _, _ in fake.calls]


# ---- successful renewal ----


def test_both_sides_use_the_new_keys_and_the_old_ones_are_gone(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, config: Config, jobs: RecordingQueue
) -> None:
    before, sealed = paired.key_id, dict(paired.keys_sealed)
    assert jobs.jobs == [("rotate_keys", (renewal.id,), 0)]
    fake.calls.clear()
    assert run(renewal) == DONE
    paired.refresh()
    assert ops(fake) == ["keys.rotate", "ping"]
    assert paired.key_id == before.replace(".1", ".2")
    assert fake.paired is not None
    assert fake.paired.kid == paired.key_id
    assert set(paired.keys_sealed) == set(sealed)
    assert not set(paired.keys_sealed.values()) & set(sealed.values())
    assert read_report(paired, fake, config=config).state == "done"
    assert (renewal.exchange_sealed, renewal.next_sealed) == (None, None)
    assert [e for e in events(paired) if "rotat" in e] == ["key_rotation_requested", "keys_rotated"]


def test_keys_can_be_renewed_again_and_again(
    paired: Site, run: Run, ana: Actor, config: Config, clock: Clock
) -> None:
    for generation in (2, 3, 4):
        paired.refresh()
        next_renewal = rotation.request_rotation(paired, by=ana, config=config, now=clock())
        assert run(next_renewal) == DONE
        paired.refresh()
        assert paired.key_id.endswith(f".{generation}")


def test_a_revocation_with_the_new_keys_is_proven(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, ana: Actor, config: Config
) -> None:
    run(renewal)
    paired.refresh()
    revocation.revoke_access(paired, by=ana, now=fake.clock())
    state = revocation.deliver_revocation(
        paired.id, config=config, call=fake.call, call_bearer=fake.call_bearer, now=fake.clock
    )
    assert state == REVOKED


def test_the_keys_of_all_sites_are_renewed_and_none_twice(
    paired: Site, renewal: Rotation, ana: Actor, config: Config, clock: Clock
) -> None:
    second = make_site(ana, now=clock(), url="https://florist.example", name="Florist")
    pair(second, FakeSite(second.url, clock, {}), by=ana, config=config)
    make_site(ana, now=clock(), url="https://unpaired.example")
    started = rotation.rotate_all_keys(by=SYSTEM, config=config, now=clock())
    assert [row.site_id for row in started] == [second.id]
    assert started[0].requested_by == "Aura"


# ---- the dashboard's signing key ----


def accepts_plans_of(fake: FakeSite, seed: bytes) -> bool:
    """Return whether the site would carry out a plan signed with this key."""
    assert fake.paired is not None
    return fake.paired.sign_d == signing_public(seed)


def test_a_leaked_signing_key_is_useless_after_all_keys_were_renewed(
    paired: Site, fake: FakeSite, run: Run, config: Config, clock: Clock
) -> None:
    leaked = dashboard_identity.load_dashboard(config).signing_key
    assert accepts_plans_of(fake, leaked)
    (renewal,) = rotation.rotate_all_keys(by=SYSTEM, config=config, now=clock())
    renewed = dashboard_identity.load_dashboard(config).signing_key
    assert renewed != leaked
    # Until a site has answered, it only knows the former key, so calls use that one.
    assert read_report(paired, fake, config=config).state == "done"
    assert run(renewal) == DONE
    assert not accepts_plans_of(fake, leaked)
    assert accepts_plans_of(fake, renewed)
    paired.refresh()
    assert read_report(paired, fake, config=config).state == "done"


def test_a_site_already_renewing_keys_gets_the_new_signing_key_next(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, config: Config, clock: Clock
) -> None:
    assert rotation.rotate_all_keys(by=SYSTEM, config=config, now=clock()) == []
    assert run(renewal) == DONE
    following = Rotation.get(Rotation.state == ASKING)
    assert run(following) == DONE
    assert accepts_plans_of(fake, dashboard_identity.load_dashboard(config).signing_key)


def test_each_rotation_brings_the_newest_signing_key(
    paired: Site, fake: FakeSite, run: Run, config: Config, clock: Clock, ana: Actor
) -> None:
    dashboard_identity.renew_signing_key(config)
    renewal = rotation.request_rotation(paired, by=ana, config=config, now=clock())
    assert run(renewal) == DONE
    assert accepts_plans_of(fake, dashboard_identity.load_dashboard(config).signing_key)
    assert Rotation.select().where(Rotation.state == ASKING).count() == 0


def test_an_approval_is_signed_with_the_key_that_the_site_knows(
    paired: Site, config: Config
) -> None:
    former = dashboard_identity.load_dashboard(config).signing_key
    dashboard_identity.renew_signing_key(config)
    dashboard = dashboard_identity.load_dashboard(config)
    assert dashboard.key_for(paired.sign_d) == former
    assert dashboard.public_keys == [dashboard.sign_public, signing_public(former)]
    with pytest.raises(SealBroken):
        dashboard.key_for("A" * 43)


def test_signing_keys_are_opened_once_until_they_change(
    paired: Site, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard_identity.load_dashboard(config)
    opened: list[str] = []
    really_open = KeyRing.open

    def count_opened(self: KeyRing, sealed: str, context: str) -> bytes:
        opened.append(context)
        return really_open(self, sealed, context)

    monkeypatch.setattr(KeyRing, "open", count_opened)
    first = dashboard_identity.load_dashboard(config)
    assert dashboard_identity.load_dashboard(config) == first
    assert opened == []
    dashboard_identity.renew_signing_key(config)
    assert opened == ["dashboard_signing_key.2", "dashboard_signing_key"]
    # Another sealing key does not open them, and that failure is not cached either.
    elsewhere = replace(config, sealing_keys=(("other", bytes(32)),))
    for _ in range(2):
        with pytest.raises(SealBroken):
            dashboard_identity.load_dashboard(elsewhere)
    # An altered row does not open, even if it was opened before.
    Setting.update(value="t1.AAAA").where(Setting.key == "dashboard_signing_key.2").execute()
    with pytest.raises(SealBroken):
        dashboard_identity.load_dashboard(config)


# ---- permissions ----


def test_a_viewer_cannot_renew_keys(
    paired: Site, cleo: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(Forbidden):
        rotation.request_rotation(paired, by=cleo, config=config, now=clock())
    with pytest.raises(Forbidden):
        rotation.follow_move(paired, by=cleo, config=config, now=clock())


def test_a_site_without_a_connection_cannot_renew_keys(
    site: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(NotPaired):
        rotation.request_rotation(site, by=ana, config=config, now=clock())


def test_a_site_renews_its_keys_once_at_a_time(
    paired: Site, renewal: Rotation, ana: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(Conflict):
        rotation.request_rotation(paired, by=ana, config=config, now=clock())


# ---- a crash at every step ----


def lost_reply(op: str) -> Callable[[FakeSite], None]:
    return lambda fake: fake.losing.add(op)


def refused_connection(fake: FakeSite) -> None:
    fake.failing = [ErrorCode.connection_refused]


@pytest.mark.parametrize(
    "break_it",
    [refused_connection, lost_reply("keys.rotate"), lost_reply("ping")],
    ids=["question lost", "answer lost", "confirmation lost"],
)
def test_the_next_attempt_recovers_from_a_lost_call_or_reply(
    paired: Site,
    renewal: Rotation,
    fake: FakeSite,
    run: Run,
    config: Config,
    break_it: Callable[[FakeSite], None],
) -> None:
    break_it(fake)
    assert run(renewal) in (ASKING, AGREED)
    fake.clock.advance(minutes=1)
    assert run(renewal) == DONE
    paired.refresh()
    assert fake.paired is not None
    assert fake.paired.kid == paired.key_id
    assert read_report(paired, fake, config=config).state == "done"


@pytest.mark.parametrize("after", ["keys.rotate", "ping"])
def test_a_worker_that_dies_leaves_keys_that_work(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, config: Config, after: str
) -> None:
    class Killed(BaseException):
        pass

    def die(op: str) -> None:
        if op == after:
            fake.during = None
            raise Killed

    fake.during = die
    with pytest.raises(Killed):
        run(renewal)
    if after == "keys.rotate":
        assert read_report(paired, fake, config=config).state == "done"
    assert run(renewal) == "busy"
    fake.clock.advance(minutes=5)
    assert rotation.recover_rotations(fake.clock()) == 1
    assert run(renewal) == DONE
    paired.refresh()
    assert read_report(paired, fake, config=config).state == "done"


def test_both_generations_work_until_the_new_one_is_confirmed(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, config: Config
) -> None:
    fake.during = lambda op: setattr(fake, "failing", [ErrorCode.too_slow] if op == "ping" else [])
    assert run(renewal) == AGREED
    fake.during = None
    assert read_report(paired, fake, config=config).state == "done"
    fake.clock.advance(minutes=1)
    assert run(renewal) == DONE


def test_a_site_that_never_stored_the_new_keys_keeps_the_old_ones(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, config: Config
) -> None:
    fake.losing.add("ping")
    run(renewal)
    restored = fake.paired
    assert restored is not None
    # The site is restored from a backup taken before the renewal.
    fake.next, before = None, paired.key_id
    keys = keys_of(paired, config, fake)
    fake.paired = type(restored)(before, keys, restored.th, restored.sign_d)
    fake.clock.advance(minutes=1)
    assert run(renewal) == FAILED
    paired.refresh()
    assert paired.key_id == before
    assert read_report(paired, fake, config=config).state == "done"


def keys_of(site: Site, config: Config, fake: FakeSite) -> object:
    """Return the keys that the site held before, as in its backup."""
    from app.domain.connection import calls
    from app.keys import SessionKeys

    def key(name: str) -> bytes:
        return calls.open_key(site, name, config)

    return SessionKeys(key("d2s"), key("s2d"), key("revoke"), bytes(32), bytes(32))


# ---- refusals ----


def test_a_refusal_ends_the_renewal_at_once_and_the_present_keys_stay(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, config: Config
) -> None:
    fake.refusing["keys.rotate"] = "invalid_arguments"
    assert run(renewal) == FAILED
    assert renewal.error_code == ErrorCode.refused_by_site
    assert "key_rotation_failed" in events(paired)
    assert read_report(paired, fake, config=config).state == "done"


def test_a_plan_with_a_wrong_signature_fails(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run
) -> None:
    Rotation.update(signature=b64u(bytes(64))).execute()
    assert run(Rotation.get_by_id(renewal.id)) == FAILED


def test_an_unreachable_site_is_tried_five_times(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run
) -> None:
    for _ in range(MOST_ATTEMPTS - 1):
        fake.failing = [ErrorCode.dns]
        assert run(renewal) == ASKING
        fake.clock.advance(hours=2)
    fake.failing = [ErrorCode.dns]
    assert run(renewal) == FAILED


def test_revoking_meanwhile_ends_the_renewal(
    paired: Site, renewal: Rotation, fake: FakeSite, run: Run, ana: Actor, clock: Clock
) -> None:
    revocation.revoke_access(paired, by=ana, now=clock())
    renewal.refresh()
    fresh = Rotation.get_by_id(renewal.id)
    assert run(fresh) == FAILED
    assert fake.calls[-1][0] != "keys.rotate"


# ---- moved sites ----


@pytest.fixture
def moved(paired: Site, fake: FakeSite, config: Config) -> Site:
    """A site that reports another address and answers there."""
    fake.refusing["report"] = "identity_changed"
    read_report(paired, fake, config=config)
    fake.refusing.clear()
    paired.note(
        when=(paired.state,),
        quarantine=MOVED,
        quarantine_evidence={
            "paired": paired.url,
            "now": "https://new.example",
            "how": "notice",
            "endpoints": ["https://new.example/wp-json/siteagent/v1/rpc"],
        },
    )
    fake.says_home = "https://new.example"
    return paired


def test_a_move_is_followed_with_new_keys_at_the_new_address(
    moved: Site, fake: FakeSite, run: Run, ana: Actor, config: Config, clock: Clock
) -> None:
    renewal = rotation.follow_move(moved, by=ana, config=config, now=clock())
    assert run(renewal) == DONE
    moved.refresh()
    assert (moved.url, moved.home) == ("https://new.example", "https://new.example")
    assert moved.endpoint == "https://new.example/wp-json/siteagent/v1/rpc"
    assert moved.quarantine == ""
    assert [e for e in events(moved) if e in ("site_moved", "quarantine_ended")] == [
        "site_moved",
        "quarantine_ended",
    ]


def test_the_address_of_another_site_is_refused(
    moved: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    make_site(ana, now=clock(), url="https://new.example")
    with pytest.raises(Conflict):
        rotation.follow_move(moved, by=ana, config=config, now=clock())


def test_without_a_move_there_is_nothing_to_follow(
    paired: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(Conflict):
        rotation.follow_move(paired, by=ana, config=config, now=clock())


def test_keeping_the_original_makes_the_keys_of_the_copy_useless(
    moved: Site, fake: FakeSite, run: Run, ana: Actor, config: Config, clock: Clock
) -> None:
    fake.says_home = ""
    stolen = fake.paired
    assert run(rotation.request_rotation(moved, by=ana, config=config, now=clock())) == DONE
    moved.refresh()
    assert moved.url == "https://bakery.example"
    assert moved.quarantine == ""
    assert stolen is not None
    assert moved.key_id != stolen.kid


def test_a_late_attempt_is_queued_again(
    renewal: Rotation, clock: Clock, jobs: RecordingQueue
) -> None:
    jobs.jobs.clear()
    assert rotation.recover_rotations(clock()) == 0
    assert rotation.recover_rotations(clock() + timedelta(minutes=2)) == 1
    assert jobs.names() == ["rotate_keys"]


def test_a_sync_during_the_renewal_uses_the_stored_keys(
    paired: Site, renewal: Rotation, fake: FakeSite, config: Config, clock: Clock
) -> None:
    sync = site_sync.request_sync(paired, by=Actor.of(paired.added_by), now=clock())
    assert site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock) == "done"
