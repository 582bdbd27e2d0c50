"""Browsers for Ana, Ben, Cleo and a stranger: cookies kept, forms sent as a page sends them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, request
from jinja2 import FileSystemBytecodeCache

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.factory import create_app
from app.models.base import db, utcnow
from app.models.changes import Change
from app.models.sites import Site
from tests.support.browsers import Person, signed_in
from tests.support.factories import check, propose, read_report
from tests.support.fakes import FakeSite, RecordingQueue
from tests.support.unrecorded_writes import Writes, watched


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """What Jinja makes of each template, kept for all apps of this run."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(
    database: Config, jobs: RecordingQueue, compiled_templates: FileSystemBytecodeCache
) -> Iterator[Flask]:
    made = create_app(database)
    made.jinja_env.bytecode_cache = compiled_templates
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
