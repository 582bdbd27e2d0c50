"""Pair, sync and revoke a site in different layouts of folders and addresses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import pairing, revocation
from app.domain.inventory import site_sync
from app.domain.sites import sites
from app.http.errors import ErrorCode
from app.models.base import utcnow
from app.models.reports import Report, Sync
from app.models.sites import Site
from tests.plugin.support.real_wordpress import RealWordPress
from tests.support.factories import make_site
from tests.support.fakes import RecordingQueue
from tests.support.selection import WORDPRESSES
from tests.wordpress.places import NAME, PASSWORD, PLACES
from tests.wordpress.site import WordPress

# The layouts in which the first address that responds is not the usual one.
OTHER_ENDPOINTS = {"plain links": "/?rest_route=/siteagent/v1/rpc"}
_USUAL_ENDPOINT = "/wp-json/siteagent/v1/rpc"
_ACCEPT = "$p = siteagent()->pairing(); $p->accept($p->read_token('%s'), true, 'user:1');"


@pytest.fixture(scope="module", params=WORDPRESSES)
def wordpress(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    site = WordPress.start(request.param)
    yield site
    site.stop()


def connect(site: Site, wordpress: WordPress, ana: Actor, config: Config) -> str:
    """Paste and accept a pairing token; return the state of the pairing."""
    token, text = pairing.issue_token(site, by=ana, config=config, now=utcnow())
    RealWordPress(wordpress, site.url).evaluate(_ACCEPT % text)
    state = pairing.attempt_pairing(token.id, config=config)
    site.refresh()
    return state


@pytest.mark.parametrize("name", PLACES)
def test_a_site_is_paired_synced_and_revoked_in_every_layout(
    name: str, wordpress: WordPress, ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    place = PLACES[name]
    with place.on(wordpress) as url:
        site = make_site(ana, now=utcnow(), url=url)
        if place.asks_for_password:
            sites.set_server_login(
                site, name=NAME, password=PASSWORD, by=ana, config=config, now=utcnow()
            )
        assert connect(site, wordpress, ana, config) == "used"
        assert site.endpoint == url + OTHER_ENDPOINTS.get(name, _USUAL_ENDPOINT)
        sync = Sync.open_for(site)
        site_sync.run_sync(sync.id, config=config)
        site.refresh()
        assert (Sync.get_by_id(sync.id).state, site.connection) == ("done", "healthy")
        assert json.loads(Report.of(site).body)["wordpress"]["home"] == url
        revocation.revoke_access(site, by=ana)
        assert revocation.deliver_revocation(site.id, config=config) == "revoked"


def test_pairing_without_the_server_password_reports_the_cause(
    wordpress: WordPress, ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    with PLACES["password"].on(wordpress) as url:
        site = make_site(ana, now=utcnow(), url=url)
        assert connect(site, wordpress, ana, config) == "waiting"
        token = site.waiting_token()
        assert token.error_code == ErrorCode.blocked
        assert token.error_evidence["detail"] == "the web server asks for a password"
