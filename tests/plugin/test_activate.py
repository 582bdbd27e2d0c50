"""Activating SiteAgent on WordPress's Plugins page leads to where a token is pasted."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin

import pytest
import requests

from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

_LINK = re.compile(r'href="(plugins\.php\?action=activate&[^"]*plugin=siteagent[^"]+)"')


@pytest.fixture
def ana(wp) -> Person:
    """The administrator of a site that is not connected."""
    forget(wp)
    return Person(wp.url, wp.admin, wp.password)


def activate(wp, ana: Person) -> requests.Response:
    """Follow the link Activate on the Plugins page."""
    wp.evaluate("deactivate_plugins('siteagent/siteagent.php');")
    plugins = f"{wp.url}/wp-admin/plugins.php"
    link = _LINK.search(ana.session.get(plugins, timeout=60).text)
    assert link, "there is no link to activate SiteAgent"
    return ana.session.get(urljoin(plugins, html.unescape(link[1])), timeout=60)


def test_activation_leads_to_the_field_for_the_token(wp, ana) -> None:
    page = activate(wp, ana)
    assert page.url == f"{wp.url}/wp-admin/options-general.php?page=siteagent"
    assert "SiteAgent is active. Paste the pairing token" in words(page.text)
    assert re.search(r'<textarea id="siteagent-token"[^>]* autofocus', page.text)
    assert "SiteAgent is active." not in words(ana.page().text)


def test_activation_of_a_connected_site_stays_on_the_plugins_page(wp, ana) -> None:
    connect(wp)
    page = activate(wp, ana)
    assert "/wp-admin/plugins.php?activate=true" in page.url
    assert "SiteAgent is active." not in words(ana.page().text)
