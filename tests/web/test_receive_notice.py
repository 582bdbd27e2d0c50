"""Receive a signed notice of a site over HTTP."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import pairing
from app.models.base import utcnow
from app.models.sites import DISCONNECTED, Site
from app.views import agent_api
from tests.support.factories import report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

pytestmark = pytest.mark.own_site


@pytest.fixture
def http(database: Config) -> FlaskClient:
    """Return a client of the notice endpoint alone, without the other pages of Aura."""
    app = Flask("notices")
    app.config["AURA"] = database
    app.register_blueprint(agent_api.bp)
    return app.test_client()


@pytest.fixture
def fake(site: Site) -> FakeSite:
    """Return the fake site on the real clock, because the view reads no other."""
    return FakeSite(home=site.url, clock=Clock(utcnow()), report=report())


def test_a_ready_notice_gets_a_signed_response(
    http: FlaskClient, site: Site, fake: FakeSite, ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    _, text = pairing.issue_token(site, by=ana, config=config, now=utcnow())
    sent = fake.ready_notice(config.origin, text)
    answer = http.post("/agent/notice", data=sent.body, headers=sent.headers)
    assert answer.status_code == 200
    assert answer.json == {"v": 1, "ok": True, "op": "pair.ready"}
    assert answer.headers["Content-Type"] == "application/json"
    assert "siteagent-res/1" in answer.headers["Signature-Input"]
    assert answer.headers["Cache-Control"] == "no-store, no-transform"
    assert jobs.names() == ["pair_site", "pair_site"]


def test_a_disconnect_notice_ends_the_connection(
    http: FlaskClient, paired: Site, fake: FakeSite, config: Config
) -> None:
    sent = fake.disconnect_notice(config.origin)
    answer = http.post("/agent/notice", data=sent.body, headers=sent.headers)
    assert answer.status_code == 200
    paired.refresh()
    assert paired.state == DISCONNECTED


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"v":1,"op":"disconnect"}'])
def test_a_stranger_learns_nothing(http: FlaskClient, site: Site, body: bytes) -> None:
    answer = http.post("/agent/notice", data=body)
    assert (answer.status_code, answer.data) == (401, b'{"aura":1,"code":"unauthorized"}')


def test_a_large_body_is_not_read(http: FlaskClient, site: Site) -> None:
    answer = http.post("/agent/notice", data=b"x" * (64 * 1024 + 2))
    assert (answer.status_code, answer.data) == (413, b'{"aura":1,"code":"unauthorized"}')


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_only_post_is_allowed(http: FlaskClient, site: Site, method: str) -> None:
    assert getattr(http, method)("/agent/notice").status_code == 405
