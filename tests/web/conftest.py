"""Browsers for Ana, Ben, Cleo and a stranger: cookies kept, forms sent as a page sends them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from app import create_app, queue
from app.config import Config
from app.domain import sessions
from app.domain.actor import Actor
from app.domain.throttle import Browser
from app.models.accounts import Member
from app.models.base import db, utcnow
from app.models.changes import Change
from app.models.sites import Site
from tests.factories import check, propose, read_report
from tests.fakes import FakeSite, RecordingQueue
from tests.telling import Writes, watched

_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


class Person(FlaskClient):
    """A browser with somebody in front of it. `post` sends the token of a form that
    was really served and says where the request began, as browsers do."""

    _token = ""

    def post(self, path: str, *, data: dict[str, Any] | None = None, **more: Any) -> Any:
        headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
        headers |= more.pop("headers", {})
        form = {"csrf_token": self.token(), **(data or {})}
        return super().post(path, data=form, headers=headers, **more)

    def token(self) -> str:
        """The token of this browser's forms, read from a page that has one."""
        if not self._token:
            page = self.get("/account")
            page = self.get("/sign-in") if page.status_code == 303 else page
            self._token = _CSRF.search(page.text).group(1)
        return self._token

    def forget_token(self) -> None:
        """After signing in or out a browser gets new forms."""
        self._token = ""

    def signs_in(self, email: str, password: str, **more: str) -> Any:
        answer = self.post("/sign-in", data={"email": email, "password": password, **more})
        self.forget_token()
        return answer


@pytest.fixture
def app(database: Config, jobs: RecordingQueue) -> Iterator[Flask]:
    made = create_app(database)
    made.test_client_class = Person
    queue.use(jobs)
    db.connect()
    with watched() as writes:
        untold = _listening(made, writes)
        yield made
    db.close()
    assert untold == []


def _listening(app: Flask, writes: Writes) -> list[tuple[str | None, set[str]]]:
    """The requests that changed something and left no entry of it, in a list that fills."""
    untold: list[tuple[str | None, set[str]]] = []

    def judge(answer: Response) -> Response:
        if writes.untold:
            untold.append((request.endpoint, writes.untold))
        return answer

    app.before_request(writes.forget)
    app.after_request(judge)
    return untold


def signed_in(app: Flask, actor: Actor, agent: str = "Firefox/150 (Linux)") -> Person:
    """A browser that has a session, without the hashing that typing a password costs."""
    member = Member.get_by_id(actor.id)
    opened = sessions.begin(member, Browser(actor.ip, agent), now=utcnow())
    person: Any = app.test_client()
    with person.session_transaction() as cookie:
        cookie["_user_id"] = opened.ticket
    person.environ_base["REMOTE_ADDR"] = actor.ip
    return person


@pytest.fixture
def as_ana(app: Flask, ana: Actor) -> Person:
    return signed_in(app, ana)


@pytest.fixture
def as_ben(app: Flask, ben: Actor, ana: Actor) -> Person:
    return signed_in(app, ben)


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
