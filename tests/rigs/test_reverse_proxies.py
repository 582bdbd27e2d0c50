"""Proxies that change a site's replies are named, and nothing is stored from their replies."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import calls, pairing
from app.domain.inventory import site_sync
from app.http import site_client
from app.http.errors import CallError, ErrorCode
from app.models.base import utcnow
from app.models.reports import Component, Report, Sync
from app.models.sites import Site
from tests.rigs.rigs import FRONTS, HONEST, Rig
from tests.support.factories import make_site
from tests.support.fakes import RecordingQueue

pytestmark = pytest.mark.nightly

# What each front's answer is called, and what of it a person gets to see.
NAMED: dict[str, tuple[ErrorCode, dict[str, str | int]]] = {
    "always-online": (ErrorCode.web_page, {"status": 200}),
    "captcha": (ErrorCode.blocked, {"status": 202}),
    "challenge": (ErrorCode.blocked, {"detail": "a browser challenge"}),
    "charset": (ErrorCode.bad_reply_signature, {"content_type": "application/json; charset=utf-8"}),
    "compressor": (ErrorCode.encoded_reply, {"encoding": "gzip"}),
    "drops-reply-headers": (ErrorCode.unsigned_reply, {"status": 200}),
    "drops-request-headers": (ErrorCode.unauthorized, {"status": 401}),
    "firewall": (ErrorCode.blocked, {"status": 403}),
    "maintenance": (ErrorCode.server_error, {"status": 503}),
    "mod-security": (ErrorCode.blocked, {"status": 406}),
    "off": (ErrorCode.connection_refused, {}),
    "origin-down": (ErrorCode.server_error, {"status": 502}),
    "password": (ErrorCode.blocked, {"detail": "the web server asks for a password"}),
    "rate-limit": (ErrorCode.blocked, {"status": 429}),
    "redirect": (ErrorCode.redirected, {"status": 301}),
    "rewriter": (ErrorCode.digest_mismatch, {"status": 200}),
    "stale-reply": (
        ErrorCode.bad_reply_signature,
        {"detail": "replayed: the reply answers another request"},
    ),
}
# A cache by path affects one of several addresses, so it has its own tests.
DISTURBING = tuple(one for one in FRONTS if one not in (*HONEST, "stale-page"))


@pytest.fixture
def bakery(rig: Rig, ana: Actor, config: Config, jobs: RecordingQueue) -> Site:
    """Paired through the honest proxy, with a report read."""
    rig.turn("proxy")
    site = make_site(ana, now=utcnow(), url=rig.url)
    token, text = pairing.issue_token(site, by=ana, config=config, now=utcnow())
    rig.accept(text)
    assert pairing.attempt_pairing(token.id, config=config) == "used"
    site.refresh()
    assert read(site, config).state == "done"
    site.refresh()
    return site


def read(site: Site, config: Config) -> Sync:
    """Ask for the report once; whatever came of it is stored."""
    sync = Sync.open_for(site) or Sync.ask(site, requested_by="Ana", now=utcnow())
    site_sync.run_sync(sync.id, config=config)
    site.refresh()
    return Sync.get_by_id(sync.id)


def stored_data(site: Site) -> list[Any]:
    """Return all stored data of the site."""
    kept = [Report.select().where(Report.site == site), Component.for_site(site)]
    facts = [
        site.state,
        site.kid,
        site.endpoint,
        site.home,
        site.last_success_at,
        site.update_count,
    ]
    return [facts, *([row.__data__ for row in rows] for rows in kept)]


def test_every_proxy_has_an_error_name() -> None:
    assert sorted(NAMED) == sorted(DISTURBING)


@pytest.mark.parametrize("front", DISTURBING)
def test_a_changed_reply_is_named_and_not_stored(
    rig: Rig, bakery: Site, config: Config, front: str
) -> None:
    rig.turn(front)
    if front == "stale-reply":  # which is a good one the first time
        assert read(bakery, config).state == "done"
    before = stored_data(bakery)
    sync = read(bakery, config)
    error_code, evidence = NAMED[front]
    assert (sync.state, sync.error_code) == ("failed", error_code)
    assert evidence.items() <= sync.evidence.items()
    assert stored_data(bakery) == before
    assert bakery.connection != "healthy"


def test_a_cached_address_is_replaced_by_a_working_one(
    rig: Rig, bakery: Site, config: Config
) -> None:
    taken = f"{rig.url}/?rest_route=/siteagent/v1/rpc"
    Site.update(endpoint=taken).execute()
    bakery.refresh()
    rig.turn("stale-page")
    assert "Harbour Bakery" in requests.get(rig.url, timeout=30).text
    with pytest.raises(CallError) as caught:
        site_client.call(
            calls.channel_to(bakery, config),
            "ping",
            {},
            by="Ana",
            allow_nets=config.allow_nets,
        )
    assert caught.value.error_code is ErrorCode.web_page
    assert read(bakery, config).state == "done"
    assert bakery.endpoint == f"{rig.url}/wp-json/siteagent/v1/rpc"


def test_the_site_is_healthy_again_without_the_proxy(
    rig: Rig, bakery: Site, config: Config
) -> None:
    rig.turn("firewall")
    assert read(bakery, config).error_code == ErrorCode.blocked
    rig.turn("proxy")
    assert read(bakery, config).state == "done"
    assert (bakery.connection, bakery.error_code) == ("healthy", "")


@pytest.mark.parametrize("front", [one for one in DISTURBING if one != "stale-reply"])
def test_no_pairing_succeeds_behind_a_changing_proxy(
    rig: Rig, ana: Actor, config: Config, jobs: RecordingQueue, front: str
) -> None:
    rig.turn("proxy")
    site = make_site(ana, now=utcnow(), url=rig.url)
    token, text = pairing.issue_token(site, by=ana, config=config, now=utcnow())
    rig.accept(text)
    rig.turn(front)
    assert pairing.attempt_pairing(token.id, config=config) == "waiting"
    token.refresh()
    # A site that refuses a token it does not know says the same as one that cannot read it.
    error_code = NAMED[front][0]
    assert token.error_code == ("" if error_code is ErrorCode.unauthorized else error_code)
    rig.turn("proxy")
    token.note(next_attempt_at=utcnow())
    assert pairing.attempt_pairing(token.id, config=config) == "used"
