"""Use the same code, recovery code or challenge in several processes: only one accepts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.config import Config
from app.domain.accounts import codes, passkeys
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.actor import Actor
from app.domain.errors import Invalid
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.second_factors import Passkey, PasskeyChallenge, RecoveryCode
from tests.support import racing
from tests.support.fakes import at
from tests.support.racing import RACERS, race
from tests.support.second_factors import add_app, app_code, forget_used_codes, make_passkey

pytestmark = pytest.mark.both_databases

NOW = at("2026-11-24 10:00")


@pytest.fixture(scope="module", autouse=True)
def _racers_end() -> Iterator[None]:
    yield
    racing.end_racers()


@pytest.fixture
def user(ana: Actor) -> User:
    return User.get_by_id(ana.id)


def use(config: Config, user_id: int, code: str) -> str:
    try:
        browser = ClientInfo("192.0.2.9")
        return codes.use_code(
            User.get_by_id(user_id), code, browser=browser, config=config, now=NOW
        )
    except Invalid:
        return "refused"


def test_a_used_recovery_code_stays_used(database: Config, user: User) -> None:
    code = add_app(user, database, NOW)[0]
    answers = race(use, database, user.id, code)
    assert sorted(answers) == ["recovery code", *["refused"] * (RACERS - 1)]
    assert use(database, user.id, code) == "refused"
    assert RecoveryCode.unused(user.id) == 9
    used = [entry for entry in AuditEntry.newest() if entry.event == "recovery_code_used"]
    assert len(used) == 1


def test_an_authenticator_code_is_accepted_once(database: Config, user: User) -> None:
    add_app(user, database, NOW)
    forget_used_codes()
    answers = race(use, database, user.id, app_code(user, database, NOW))
    assert sorted(answers) == ["app", *["refused"] * (RACERS - 1)]


def take(config: Config, ticket: str) -> bool:
    return passkeys.take_challenge(passkeys.SIGN_IN, None, ticket, NOW) is not None


def test_a_challenge_is_answered_once(database: Config, ana: Actor) -> None:
    _, ticket = passkeys.new_challenge(passkeys.SIGN_IN, None, "192.0.2.9", NOW)
    assert sorted(race(take, database, ticket)) == [*[False] * (RACERS - 1), True]
    assert not PasskeyChallenge.select().exists()


def count(config: Config, passkey_id: int) -> bool:
    return Passkey.get_by_id(passkey_id).use(7, NOW)


def test_a_counter_is_accepted_once(database: Config, user: User) -> None:
    passkey = make_passkey(user, utcnow(), sign_count=6)
    assert sorted(race(count, database, passkey.id)) == [*[False] * (RACERS - 1), True]
