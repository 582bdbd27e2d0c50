"""Pair a site with a one-time token."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import pairing
from app.domain.errors import AlreadyPaired, Forbidden, StaleState
from app.http.errors import ErrorCode
from app.keys import KeyRing, SealBroken, Token
from app.models.audit import AuditEntry
from app.models.reports import Sync
from app.models.site_record import SiteRecord
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
    Pairing,
    Site,
)
from tests.support.audit_entries import events
from tests.support.factories import pair
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.pairings import attempt, issue

# ---- successful pairing ----


def test_a_pasted_token_pairs_the_site_and_requests_its_first_report(
    site: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    token, text = issue(site, ben, config, clock)
    assert jobs.jobs == [("pair_site", (token.id,), 0)]
    fake.paste(text)

    assert attempt(token, fake, config) == "used"

    site.refresh()
    assert site.state == ACTIVE
    assert site.connection == "unknown"
    assert fake.paired is not None
    assert site.kid == fake.paired.kid
    assert site.endpoint == f"{site.url}/wp-json/siteagent/v1/rpc"
    assert site.generation == 1
    assert jobs.jobs[-1] == ("sync_site", (Sync.open_for(site).id,), 0)
    assert events(site) == [
        "site_added",
        "pairing_token_issued",
        "site_called",
        "site_called",
        "pairing_completed",
    ]


def test_site_and_aura_hold_the_same_keys_and_aura_seals_its_copy(
    site: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    pair(site, fake, by=ana, config=config)
    ring = KeyRing(config.sealing_keys)
    for name in ("d2s", "s2d", "revoke"):
        opened = ring.open(site.keys_sealed[name], f"site:{site.id}:{name}:1")
        assert opened == getattr(fake.paired.keys, name)
        with pytest.raises(SealBroken):
            ring.open(site.keys_sealed[name], f"site:{site.id + 1}:{name}:1")


def test_a_token_is_valid_for_thirty_minutes_and_names_both_sides(
    site: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    read = Token.read(text)
    assert read.origin == config.origin
    assert read.site_url == site.url
    assert token.expires_at == clock() + timedelta(minutes=30)


def test_the_secret_of_a_token_is_not_stored(
    site: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    _, text = issue(site, ana, config, clock)
    secret = text.split(".")[2]
    stored = list(Pairing.select().dicts()) + list(AuditEntry.select().dicts())
    assert secret not in str(stored)


def test_a_site_without_pretty_permalinks_is_found_at_its_second_address(
    site: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    fake.pretty_permalinks = False
    pair(site, fake, by=ana, config=config)
    assert site.endpoint == f"{site.url}/?rest_route=/siteagent/v1/rpc"


def test_a_revoked_site_can_be_paired_again_under_the_next_generation(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    assert paired.move(to=REVOKED, when=(ACTIVE,), keys_sealed={})
    old_kid = paired.kid
    pair(paired, fake, by=ana, config=config)
    assert paired.state == ACTIVE
    assert paired.generation == 2
    assert paired.kid != old_kid
    assert paired.revoked_at is None


# ---- permissions ----


def test_a_viewer_may_not_issue_cancel_or_retry_a_token(
    site: Site, ana: Actor, cleo: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(Forbidden):
        issue(site, cleo, config, clock)
    token, _ = issue(site, ana, config, clock)
    with pytest.raises(Forbidden):
        pairing.cancel_pairing(token, by=cleo)
    with pytest.raises(Forbidden):
        pairing.retry_pairing_now(token, by=cleo)
    assert Pairing.get_by_id(token.id).state == "waiting"


@pytest.mark.parametrize("state", [ACTIVE, REVOKING])
def test_a_connected_site_gets_no_token(
    site: Site, ana: Actor, config: Config, clock: Clock, state: str
) -> None:
    assert site.move(to=state, when=(NEW,))
    with pytest.raises(AlreadyPaired):
        issue(site, ana, config, clock)
    assert Pairing.select().count() == 0


@pytest.mark.parametrize(
    "state",
    [
        NEW,
        REVOKED,
        REVOKED_UNPROVEN,
        REVOKED_UNREACHED,
        DISCONNECTED,
        DISCONNECTED_UNCONFIRMED,
    ],
)
def test_an_unused_token_leaves_the_state_of_the_site_unchanged(
    site: Site, ana: Actor, config: Config, clock: Clock, state: str
) -> None:
    assert site.move(to=state, when=(NEW,))
    token, _ = issue(site, ana, config, clock)
    assert site.state == PAIRING
    pairing.cancel_pairing(token, by=ana, now=clock())
    site.refresh()
    assert site.state == state


# ---- waiting for the token to be pasted ----


def test_a_token_that_is_not_pasted_waits_without_an_error(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    token, _ = issue(site, ana, config, clock)
    assert attempt(token, fake, config) == "waiting"
    assert token.error_code == ""
    assert token.attempts == 1
    assert jobs.jobs[-1] == ("pair_site", (token.id,), 5)
    assert site.state == PAIRING


@pytest.mark.parametrize(
    "error_code",
    [ErrorCode.dns, ErrorCode.tls_expired, ErrorCode.connect_timeout, ErrorCode.address_refused],
)
def test_an_error_is_shown_and_the_attempts_go_on(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock, error_code: ErrorCode
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.failing = [error_code]
    assert attempt(token, fake, config) == "waiting"
    assert token.error_code == error_code
    assert token.error_evidence == {"detail": "as the test wants it"}
    assert len(fake.calls) == 1
    fake.paste(text)
    assert attempt(token, fake, config) == "used"


def test_the_same_error_again_is_recorded_once(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, _ = issue(site, ana, config, clock)
    fake.failing = [ErrorCode.dns, ErrorCode.dns]
    attempt(token, fake, config)
    attempt(token, fake, config)
    assert events(site).count("pairing_attempt_failed") == 1
    assert events(site).count("site_called") == 2


def test_attempts_slow_down_while_the_token_is_not_pasted(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    token, _ = issue(site, ana, config, clock)
    for _ in range(61):
        attempt(token, fake, config)
    delays = [delay for _, _, delay in jobs.jobs[1:]]
    assert (delays[0], delays[30], delays[-1]) == (5, 10, 30)


def test_pressing_i_pasted_it_tries_at_once(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    token, text = issue(site, ana, config, clock)
    attempt(token, fake, config)
    fake.paste(text)
    assert pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock) == "busy"
    pairing.retry_pairing_now(token, by=ana, now=clock())
    assert jobs.jobs[-1] == ("pair_site", (token.id,), 0)
    assert pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock) == "used"


# ---- used, expired and cancelled tokens ----


def test_token_expires_after_thirty_minutes(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    clock.advance(minutes=30)
    assert attempt(token, fake, config) == "expired"
    assert fake.calls == []
    assert token.auth_sealed is None
    assert site.refresh() is None
    assert site.state == NEW
    assert events(site)[-1] == "pairing_expired"


def test_token_still_works_a_second_before_it_expires(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    clock.advance(minutes=29, seconds=59)
    assert attempt(token, fake, config) == "used"


def test_cancelled_token_pairs_nothing(
    site: Site, fake: FakeSite, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    pairing.cancel_pairing(token, by=ben, now=clock())
    fake.paste(text)
    assert attempt(token, fake, config) == "cancelled"
    assert fake.calls == []
    assert token.auth_sealed is None
    assert token.note_sealed


def test_a_new_token_cancels_the_waiting_one(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    first, _ = issue(site, ana, config, clock)
    second, _ = issue(site, ana, config, clock)
    assert Pairing.get_by_id(first.id).state == "cancelled"
    assert site.waiting_token() == second
    pairing.cancel_pairing(second, by=ana)
    assert site.refresh() is None
    assert site.state == NEW


@pytest.mark.parametrize("state", ["used", "expired", "cancelled", "failed"])
def test_a_closed_token_can_be_neither_cancelled_nor_retried(
    site: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock, state: str
) -> None:
    token, _ = issue(site, ana, config, clock)
    assert token.close(state, clock())
    with pytest.raises(StaleState):
        pairing.cancel_pairing(token, by=ana)
    with pytest.raises(StaleState):
        pairing.retry_pairing_now(token, by=ana)
    assert pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock) == state
    assert not token.close("cancelled", clock())
    assert fake.calls == []


def test_second_use_of_a_token_is_refused(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    token = SiteRecord.known(paired.id).token
    before = len(fake.calls)
    clock.advance(seconds=60)
    assert pairing.attempt_pairing(token.id, config=config, call=fake.call, now=clock) == "used"
    assert len(fake.calls) == before


# ---- wrong site and invalid answers ----


def test_a_reply_from_another_address_fails_and_shows_both_addresses(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    fake.says_home = "https://staging.bakery.example"
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    assert attempt(token, fake, config) == "failed"
    assert token.error_code == ErrorCode.wrong_site
    assert token.error_evidence == {"site_says": fake.says_home, "called": site.url}
    assert site.refresh() is None
    assert (site.state, site.keys_sealed, site.kid) == (NEW, {}, None)
    assert fake.paired is None


@pytest.mark.parametrize("home", ["http://bakery.example", "https://www.bakery.example/"])
def test_scheme_and_www_do_not_make_it_another_site(
    site: Site, fake: FakeSite, ana: Actor, config: Config, home: str
) -> None:
    fake.says_home = home
    assert pair(site, fake, by=ana, config=config).state == ACTIVE


def test_a_site_that_has_received_too_many_hellos_closes_the_token(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    fake.hellos = 10
    assert attempt(token, fake, config) == "failed"
    assert token.error_code == ErrorCode.pairing_closed


def test_a_malformed_hello_is_an_error_and_pairs_nothing(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    fake.says_home = "https://bakery.example\u202e"
    token, text = issue(site, ana, config, clock)
    fake.paste(text)
    assert attempt(token, fake, config) == "waiting"
    assert token.error_code == ErrorCode.malformed_reply
    assert token.exchange_sealed is None


def test_a_site_with_the_token_of_another_site_is_never_called(
    site: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    other = FakeSite(home="https://butcher.example", clock=clock, report=fake.report)
    token, text = issue(site, ana, config, clock)
    other.paste(text)
    assert attempt(token, fake, config) == "waiting"
    assert other.calls == []
    assert all(endpoint.startswith(site.url) for _, _, endpoint in fake.calls)
