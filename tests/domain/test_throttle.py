"""Slow down guessed passwords without locking an account or slowing known browsers."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import timedelta

import pytest

from app.config import Config
from app.domain.accounts import login_throttle
from app.domain.accounts.login_throttle import ClientInfo
from app.http.ip_policy import network_of
from app.models.accounts import LoginFailure, User
from tests.support.config import make_config
from tests.support.factories import make_user
from tests.support.fakes import Clock

HERE = ClientInfo("192.0.2.1")


def tries(account: str, browser: ClientInfo, config: Config, clock: Clock) -> bool:
    return login_throttle.register_attempt(account, browser, config=config, now=clock()) is not None


def test_a_few_tries_are_free_then_the_wait_doubles(database: Config, clock: Clock) -> None:
    assert [tries("ana", HERE, database, clock) for _ in range(6)] == [True] * 5 + [False]
    for seconds in (2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        clock.advance(seconds=seconds - 1)
        assert not tries("ana", HERE, database, clock)
        clock.advance(seconds=1)
        assert tries("ana", HERE, database, clock)


def test_an_attempt_that_comes_too_early_does_not_extend_the_wait(
    database: Config, clock: Clock
) -> None:
    for _ in range(500):
        tries("ana", HERE, database, clock)
    assert LoginFailure.select().count() == 5
    clock.advance(seconds=2)
    assert tries("ana", HERE, database, clock)


def test_an_hour_without_a_failure_resets_the_wait(database: Config, clock: Clock) -> None:
    for _ in range(5):
        tries("ana", HERE, database, clock)
    clock.advance(hours=1)
    assert [tries("ana", HERE, database, clock) for _ in range(5)] == [True] * 5
    assert LoginFailure.select().count() == 5


def test_a_success_resets_the_wait(database: Config, clock: Clock) -> None:
    for _ in range(4):
        tries("ana", HERE, database, clock)
    subject = login_throttle.register_attempt("ana", HERE, config=database, now=clock())
    login_throttle.reset_attempts(subject)
    assert [tries("ana", HERE, database, clock) for _ in range(5)] == [True] * 5


def test_one_account_does_not_slow_another(database: Config, clock: Clock) -> None:
    for _ in range(6):
        tries("ana", HERE, database, clock)
    assert tries("ben", HERE, database, clock)


def test_many_accounts_from_one_network_share_one_wait(database: Config, clock: Clock) -> None:
    assert all(tries(f"a{n}", HERE, database, clock) for n in range(20))
    assert not tries("another", HERE, database, clock)
    assert tries("another", ClientInfo("192.0.2.2"), database, clock)


def test_many_networks_at_one_account_share_one_wait(database: Config, clock: Clock) -> None:
    assert all(tries("ana", ClientInfo(f"192.0.2.{n}"), database, clock) for n in range(5))
    assert not tries("ana", ClientInfo("192.0.2.99"), database, clock)


@pytest.fixture
def ana_user(database: Config) -> User:
    return make_user("Ana", "owner")


def test_a_known_browser_is_not_slowed_by_other_visitors(
    ana_user: User, database: Config, clock: Clock
) -> None:
    email = ana_user.email
    for n in range(30):
        tries(email, HERE, database, clock)
        tries(f"other{n}", HERE, database, clock)
    known = ClientInfo(HERE.ip, device=login_throttle.device_token(ana_user, "", database))
    assert not tries(email, HERE, database, clock)
    assert [tries(email, known, database, clock) for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize("kind", ["forged", "of another person", "of another installation", "old"])
def test_only_a_browser_of_this_person_counts_as_known(
    ana_user: User, database: Config, clock: Clock, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = make_user("Ben", "operator")
    other = make_config(database.var_dir, secret_key="another-" + "0" * 32)
    device = {
        "forged": "nonsense",
        "of another person": login_throttle.device_token(ben, "", database),
        "of another installation": login_throttle.device_token(ana_user, "", other),
        "old": login_throttle.device_token(ana_user, "", database),
    }[kind]
    if kind == "old":
        monkeypatch.setattr(login_throttle, "DEVICE_TOKEN_MAX_AGE", timedelta(seconds=-1))
    for _ in range(5):
        tries(ana_user.email, HERE, database, clock)
    assert not tries(ana_user.email, ClientInfo(HERE.ip, device=device), database, clock)


def test_a_browser_keeps_its_id_when_it_signs_in_again(ana_user: User, database: Config) -> None:
    first = login_throttle.device_token(ana_user, "", database)
    second = login_throttle.device_token(ana_user, first, database)
    ids = [login_throttle._device_id(text, ana_user.email, database) for text in (first, second)]
    assert ids[0] == ids[1] != ""


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("x" * 99, "x" * 45),
    ],
)
def test_the_addresses_of_one_household_count_as_one_network(ip: str, network: str) -> None:
    assert network_of(ip) == network


def test_the_cookie_does_not_reveal_the_account(ana_user: User, database: Config) -> None:
    token = login_throttle.device_token(ana_user, "", database)
    padded = [part + "=" * (-len(part) % 4) for part in token.split(".")]
    readable = token.encode() + b"".join(urlsafe_b64decode(part) for part in padded)
    for word in (ana_user.email, ana_user.email.split("@")[0], ana_user.email.split("@")[1]):
        assert word.encode() not in readable.lower()
