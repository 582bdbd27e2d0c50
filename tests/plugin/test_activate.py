"""Activate SiteAgent: the Plugins page leads to the field for the pairing token."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin

import pytest
import requests

from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words
from tests.wordpress.site import WordPress

_LINK = re.compile(r'href="(plugins\.php\?action=activate&[^"]*plugin=siteagent[^"]+)"')


@pytest.fixture
def ana(wp) -> Person:
    """Return the administrator of a site that is not connected."""
    forget(wp)
    return Person(wp.url, wp.admin, wp.password)


def activate(ana: Person, page: str = "plugins.php") -> requests.Response:
    """Follow the "Activate" link on the Plugins page."""
    plugins = f"{ana.url}/wp-admin/{page}"
    link = _LINK.search(ana.session.get(plugins, timeout=60).text)
    assert link, "there is no link to activate SiteAgent"
    return ana.session.get(urljoin(plugins, html.unescape(link[1])), timeout=60)


def test_activation_leads_to_the_field_for_the_token(wp, ana) -> None:
    wp.evaluate("deactivate_plugins('siteagent/siteagent.php');")
    page = activate(ana)
    assert page.url == f"{wp.url}/wp-admin/options-general.php?page=siteagent"
    assert "SiteAgent is active. Paste the pairing token" in words(page.text)
    assert re.search(r'<textarea id="siteagent-token"[^>]* autofocus', page.text)
    assert "SiteAgent is active." not in words(ana.page().text)


def test_activation_of_a_connected_site_stays_on_the_plugins_page(wp, ana) -> None:
    connect(wp)
    wp.evaluate("deactivate_plugins('siteagent/siteagent.php');")
    page = activate(ana)
    assert "/wp-admin/plugins.php?activate=true" in page.url
    assert "SiteAgent is active." not in words(ana.page().text)


@pytest.mark.nightly
def test_activation_for_a_network_leads_to_the_settings_of_the_network() -> None:
    site = WordPress.start("newest", siteagent="installed", network="paths")
    try:
        ana = Person(site.url, site.admin_user, site.admin_password, "network/settings.php")
        page = activate(ana, "network/plugins.php")
    finally:
        site.stop()
    assert page.url == f"{site.url}/wp-admin/network/settings.php?page=siteagent"
    assert "SiteAgent is active. Paste the pairing token" in words(page.text)
