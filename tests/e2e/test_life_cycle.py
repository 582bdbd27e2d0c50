"""A site with a deactivated plugin, and a site that is unreachable while it is revoked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from app.domain.connection import revocation
from app.http.site_client import CallError
from app.keys import SealBroken
from app.models.base import db, use_database, utcnow
from app.models.sites import Site
from tests.e2e import aura_pages
from tests.e2e.album import Album
from tests.e2e.pairing import open_healthy_site
from tests.e2e.running_aura import RunningAura
from tests.wordpress.site import WordPress

pytestmark = pytest.mark.nightly

NAME = "Harbour Bakery"
_IN_WORDPRESS = """<?php
$_SERVER += array('HTTP_HOST' => '127.0.0.1', 'REQUEST_URI' => '/', 'REQUEST_METHOD' => 'GET');
require '/var/www/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
%s('siteagent/siteagent.php');
"""


@pytest.fixture(scope="module", params=["oldest", "newest"])
def wordpress(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    site = WordPress.start(request.param)
    yield site
    site.stop()


@pytest.fixture
def connected(page: Page, aura: RunningAura, wordpress: WordPress) -> Page:
    """The page of a healthy site in Aura."""
    open_healthy_site(page, aura, wordpress, NAME)
    return page


def test_a_reactivated_plugin_needs_no_new_pairing(connected: Page, wordpress: WordPress) -> None:
    wordpress.run_php(_IN_WORDPRESS % "deactivate_plugins")
    aura_pages.sync(connected)
    expect(connected.locator(".badges")).not_to_contain_text("Connected")
    expect(connected.get_by_text("SiteAgent was not found on the site").first).to_be_visible()
    wordpress.run_php(_IN_WORDPRESS % "activate_plugin")
    aura_pages.sync(connected)
    expect(connected.locator(".badges")).to_contain_text("Connected")


def test_revoking_an_unreachable_site_stays_unconfirmed(
    connected: Page, aura: RunningAura, wordpress: WordPress, album: Album
) -> None:
    channel = aura.channel(wordpress.url)
    wordpress.go_down()
    aura_pages.revoke(connected, NAME)
    expect(connected.get_by_text("Revoked in Aura, site not reached yet").first).to_be_visible()
    expect(connected.get_by_text("Next attempt").first).to_be_visible()
    expect(connected.get_by_text("confirmed by the site")).to_have_count(0)
    album.show(connected, "revoked-unreached")
    # Aura has no key for the site any more. The site still has its half.
    with pytest.raises((SealBroken, KeyError)):
        aura.channel(wordpress.url)
    wordpress.come_back()
    assert aura.call(channel, "ping").document["ok"] is True

    try_again_now(aura, wordpress)
    aura_pages.open_site(connected, aura, NAME)
    # Aura has deleted the old key, so this uses a stolen copy to show that the site refuses it.
    expect(connected.get_by_text("Revoked, not proven").first).to_be_visible()
    with pytest.raises(CallError) as refused:
        aura.call(channel, "ping")
    assert refused.value.error_code == "unauthorized"


def try_again_now(aura: RunningAura, wordpress: WordPress) -> None:
    """Make the retry due, and run the schedule."""
    use_database(aura.config.database_url)
    with db.connection_context():
        site = Site.get(Site.url == wordpress.url)
        Site.update(revoke_next_at=utcnow()).where(Site.id == site.id).execute()
        assert revocation.deliver_revocation(site.id, config=aura.config) == "revoked_unproven"
