"""Survive lost replies, a killed worker and a second attempt during a pairing."""

from __future__ import annotations

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import pairing
from app.domain.errors import Conflict
from app.http.errors import ErrorCode
from app.models.sites import (
    ACTIVE,
    NEW,
    Pairing,
    Site,
)
from tests.support.audit_entries import events
from tests.support.config import make_config
from tests.support.factories import make_site, pair
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at
from tests.support.pairings import attempt, issue


def test_a_lost_hello_is_sent_again(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    fake.losing = {"pair.hello"}
    assert attempt(token, fake, config) == "waiting"
    assert attempt(token, fake, config) == "used"


def test_a_lost_confirmation_is_sent_again_with_the_same_keys(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    fake.losing = {"pair.confirm"}
    assert attempt(token, fake, config) == "waiting"
    assert fake.paired is not None
    assert fake.hellos == 1
    assert attempt(token, fake, config) == "used"
    assert fake.hellos == 1
    site.refresh()
    assert site.kid == fake.paired.kid


def test_worker_killed_between_hello_and_confirmation_recovers(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)

    def die(op: str) -> None:
        if op == "pair.confirm":
            raise KeyboardInterrupt

    fake.during = die
    with pytest.raises(KeyboardInterrupt):
        pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock)
    fake.during = None
    assert pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock) == "busy"
    clock.advance(minutes=3)
    jobs.jobs.clear()
    assert pairing.recover_pairings(clock()) == 1
    assert jobs.names() == ["pair_site"]
    assert attempt(token, fake, config) == "used"
    assert fake.hellos == 1


def test_a_site_that_lost_the_exchange_gets_a_new_hello(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    fake.failing = []
    fake.during = lambda op: (
        fake.failing.append(ErrorCode.too_slow) if op == "pair.confirm" else None
    )
    assert attempt(token, fake, config) == "waiting"
    fake.during = None
    fake._pending = None
    assert attempt(token, fake, config) == "used"
    assert fake.hellos == 2


def test_the_confirmation_is_still_requested_shortly_after_expiry(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    clock.advance(minutes=29, seconds=58)
    fake.losing = {"pair.confirm"}
    attempt(token, fake, config)
    clock.advance(minutes=5)
    assert attempt(token, fake, config) == "used"


def test_an_unconfirmed_exchange_fails_with_its_reason(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    fake.losing = {"pair.confirm"}
    attempt(token, fake, config)
    clock.advance(minutes=41)
    assert attempt(token, fake, config) == "failed"
    assert token.exchange_sealed is None
    assert events(site)[-1] == "pairing_failed"


def test_cancelling_is_refused_once_the_site_has_accepted(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    fake.losing = {"pair.confirm"}
    attempt(token, fake, config)
    with pytest.raises(Conflict):
        pairing.cancel_pairing(token, by=ana)
    assert attempt(token, fake, config) == "used"


def test_cancelling_during_the_hello_leaves_the_site_unpaired(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    fake.during = lambda op: pairing.cancel_pairing(token, by=ana, now=clock())
    assert (
        pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock) == "cancelled"
    )
    assert [op for op, _, _ in fake.calls] == ["pair.hello"]
    assert fake.paired is None
    assert site.refresh() is None
    assert site.state == NEW


def test_two_attempts_at_once_send_one_hello(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    inner: list[str] = []

    def attempt_again(op: str) -> None:
        fake.during = None
        inner.append(pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock))

    fake.during = attempt_again
    assert attempt(token, fake, config) == "used"
    assert inner == ["busy"]
    assert fake.hellos == 1


def test_a_missing_sealing_key_is_shown_as_an_error(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    other = make_config(config.var_dir, sealing_keys=(("t2", bytes(32)),))
    assert pairing.attempt_pairing(token.id, config=other, call=fake.call, now=clock) == "waiting"
    assert Pairing.get_by_id(token.id).error_code == "keys_unreadable"
    assert fake.calls == []


def test_tokens_of_two_sites_do_not_affect_each_other(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    second = make_site(ana, now=at("2026-11-24 09:00"), url="https://butcher.example", name="B")
    other = FakeSite(home=second.url, clock=clock, report=fake.report)
    pair(second, other, by=ana, config=config)
    pair(site, fake, by=ana, config=config)
    assert {site.state, second.state} == {ACTIVE}
    assert site.kid != second.kid
