"""Browsers for Ana, Ben, Cleo and a stranger: cookies kept, forms sent as a page sends them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask, Response, current_app, request

from app.config import Config
from app.domain.actor import Actor
from app.factory import create_app
from app.models.base import db, utcnow
from app.models.changes import Change
from app.models.sites import Site
from tests.support.browsers import Person, signed_in
from tests.support.config import make_config
from tests.support.factories import check, propose, read_report
from tests.support.fakes import FakeSite, RecordingQueue
from tests.support.unrecorded_writes import watched


@pytest.fixture(scope="session")
def only_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The application of all these tests: creating one takes longer than most of them."""
    made = create_app(make_config(tmp_path_factory.mktemp("app")))
    made.test_client_class = Person
    made.before_request(_forget_writes)
    made.after_request(_note_untold)
    return made


@pytest.fixture
def app(only_app: Flask, database: Config, jobs: RecordingQueue) -> Iterator[Flask]:
    """The application on this test's database. What a test changes in `app.config` ends with it."""
    untold: list[tuple[str | None, set[str]]] = []
    with watched() as writes:
        of_this_test = {"AURA": database, "WRITES": writes, "UNTOLD": untold}
        with patch.dict(only_app.config, of_this_test):
            yield only_app
    db.close()
    assert untold == []


def _forget_writes() -> None:
    current_app.config["WRITES"].forget()


def _note_untold(answer: Response) -> Response:
    """Note a request that changed something and left no entry of it."""
    untold = current_app.config["WRITES"].untold
    if untold:
        current_app.config["UNTOLD"].append((request.endpoint, untold))
    return answer


@pytest.fixture
def slow_guessing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make guesses wait for minutes at once: a busy machine outlasts the first, short wait."""
    monkeypatch.setattr(
        "app.domain.accounts.login_throttle.backoff", lambda _number, _first, longest: longest
    )


@pytest.fixture
def as_ana(app: Flask, ana: Actor) -> Person:
    return signed_in(app, ana)


@pytest.fixture
def as_ben(app: Flask, ben: Actor, ana: Actor) -> Person:
    return signed_in(app, ben)


@pytest.fixture
def as_mia(app: Flask, mia: Actor, ana: Actor) -> Person:
    return signed_in(app, mia)


@pytest.fixture
def as_cleo(app: Flask, cleo: Actor, ana: Actor) -> Person:
    return signed_in(app, cleo)


@pytest.fixture
def as_dora(app: Flask, dora: Actor, ana: Actor) -> Person:
    return signed_in(app, dora)


@pytest.fixture
def as_nobody(app: Flask) -> Any:
    """Somebody who is not signed in."""
    return app.test_client()


@pytest.fixture
def today(paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue) -> Site:
    """A paired site that has just reported: pages judge by the clock on the wall."""
    fake.clock.now = utcnow()
    read_report(paired, fake, config=config)
    jobs.jobs.clear()
    return paired


@pytest.fixture
def proposed(today: Site, ben: Actor, fake: FakeSite, config: Config) -> Change:
    """Ben proposed an update of it, and the site could do it."""
    return check(propose(today, ben, fake.clock(), reason="closes a hole"), fake, config)
