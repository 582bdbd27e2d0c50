"""What a page may cost at sixty sites: bytes, queries and links that lead to nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app import queue
from app.domain.actor import Actor
from app.factory import create_app
from app.models.accounts import User, UserSession
from app.models.base import db, use_database, utcnow
from tests.fleet.build import build_fleet
from tests.support.browsers import Person, signed_in
from tests.support.config import make_config
from tests.support.crawl import crawl
from tests.support.fakes import RecordingQueue
from tests.support.queries import counted_queries

MAX_BYTES = 60_000
MAX_QUERIES = 12


@pytest.fixture(scope="module")
def fleet_app(tmp_path_factory: pytest.TempPathFactory, migrated_file: bytes) -> Flask:
    """Aura with a fleet of sixty sites."""
    config = make_config(tmp_path_factory.mktemp("fleet"))
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    use_database(config.database_url)
    with db.connection_context():
        build_fleet(config)
    app = create_app(config)
    app.test_client_class = Person
    queue.use(RecordingQueue())
    return app


def browser_of(app: Flask, role: str) -> Person:
    """Return a signed-in browser of this role; `limited` users see only some clients."""
    with db.connection_context():
        who = User.limited_to.is_null(False) if role == "limited" else User.role == role
        actor = Actor.of(User.select().where(who).order_by(User.id).get(), "")
    # The request that fills the session closes the connection.
    db.connect(reuse_if_open=True)
    return signed_in(app, actor)


@pytest.mark.parametrize("role", ["owner", "operator", "limited", "client"])
def test_every_page_keeps_its_budget(fleet_app: Flask, role: str) -> None:
    """Check every kind of page that each role can reach by links from the first page."""
    person, costs = browser_of(fleet_app, role), {}

    def fetch(address: str) -> str:
        # The first page of a minute also records that the session is in use.
        with db.connection_context():
            UserSession.update(last_seen_at=utcnow() - timedelta(minutes=2)).execute()
        with counted_queries() as statements:
            answer = person.get(address, follow_redirects=True)
        assert answer.status_code == 200, f"{address} answers {answer.status_code}"
        costs[answer.request.full_path] = (len(answer.data), len(statements))
        return str(answer.text)

    pages = [address for address, _ in crawl(fetch)]
    assert len(pages) > 5
    heavy = {one: size for one, (size, _) in costs.items() if size > MAX_BYTES}
    assert heavy == {}
    slow = {one: queries for one, (_, queries) in costs.items() if queries > MAX_QUERIES}
    assert slow == {}
