"""Fixtures for tests of pages: a browser for each user that keeps cookies and sends forms."""

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
    """Create one application for all tests, because creating it is slow."""
    application = create_app(make_config(tmp_path_factory.mktemp("app")))
    application.test_client_class = Person
    application.before_request(_forget_writes)
    application.after_request(_note_unrecorded_writes)
    return application


@pytest.fixture
def app(only_app: Flask, database: Config, jobs: RecordingQueue) -> Iterator[Flask]:
    """Return the application on this test's database; undo changes to `app.config` later."""
    unrecorded: list[tuple[str | None, set[str]]] = []
    with watched() as writes:
        of_this_test = {"AURA": database, "WRITES": writes, "UNRECORDED": unrecorded}
        with patch.dict(only_app.config, of_this_test):
            yield only_app
    db.close()
    assert unrecorded == []


def _forget_writes() -> None:
    current_app.config["WRITES"].forget()


def _note_unrecorded_writes(answer: Response) -> Response:
    """Note a request that changed data without recording an audit entry."""
    unrecorded = current_app.config["WRITES"].unrecorded
    if unrecorded:
        current_app.config["UNRECORDED"].append((request.endpoint, unrecorded))
    return answer


@pytest.fixture
def slow_guessing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make guesses wait for minutes at once, because a slow machine outlasts a short wait."""
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
def anonymous(app: Flask) -> Any:
    """Return the browser of a visitor who is not signed in."""
    return app.test_client()


@pytest.fixture
def today(paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue) -> Site:
    """Return a paired site that has just reported, because pages use the real clock."""
    fake.clock.now = utcnow()
    read_report(paired, fake, config=config)
    jobs.jobs.clear()
    return paired


@pytest.fixture
def proposed(today: Site, ben: Actor, fake: FakeSite, config: Config) -> Change:
    """Return an update that Ben proposed for that site and that passed the pre-check."""
    return check(propose(today, ben, fake.clock(), reason="closes a hole"), fake, config)
