"""Updates that the site's owner has not allowed: the reason and the link to the setting."""

from __future__ import annotations

import pytest

from tests.support.factories import AKISMET, read_report

SETTINGS = 'href="https://bakery.example/wp-admin/options-general.php?page=siteagent"'


@pytest.fixture
def forbidden(today, fake, config):
    """Return a site whose owner allows no plugin updates."""
    fake.report["agent"]["permissions"]["plugins"] = False
    read_report(today, fake, config=config)
    return today


@pytest.mark.parametrize(
    "path",
    ["/sites/{}/updates", "/sites/{}/component?kind=plugin&ident=" + AKISMET],
)
def test_the_reason_links_to_the_screen_and_offers_a_sync(as_ben, forbidden, path):
    text = as_ben.get(path.format(forbidden.id)).text
    assert text.count(": plugin updates</p>") == 1
    assert SETTINGS in text
    assert "Sync site" in text.split(": plugin updates</p>", 1)[1]


def test_a_viewer_gets_the_link_and_no_button(as_cleo, forbidden):
    text = as_cleo.get(f"/sites/{forbidden.id}/updates").text
    assert SETTINGS in text
    assert "Sync site" not in text


def test_a_site_that_allows_everything_shows_no_notice(as_ben, today):
    assert "Not allowed on" not in as_ben.get(f"/sites/{today.id}/updates").text
