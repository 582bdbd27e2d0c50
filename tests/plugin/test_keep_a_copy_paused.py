"""Keep a copy of a site paused: wp-admin works and shows no further reminder.

The form returns to its page even if wp-admin has another host than the site.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person

REMINDER = "SiteAgent is paused because this site"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    wp.evaluate("update_option('home', get_option('siteurl'));")
    forget(wp)


@pytest.fixture
def ana(wp, paired) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def pages(ana: Person) -> list[str]:
    """Return the two pages of WordPress on which SiteAgent shows notices."""
    responses = [
        ana.session.get(f"{ana.url}/wp-admin/{page}", timeout=60)
        for page in ("index.php", "plugins.php")
    ]
    for response in responses:
        assert response.status_code == 200
        assert "</html>" in response.text
        assert "critical error" not in response.text
    return [response.text for response in responses]


def test_a_copy_with_a_postponed_decision_shows_no_reminder(wp, ana) -> None:
    wp.evaluate("update_option('home', 'http://staging.example');")
    assert all(REMINDER in page for page in pages(ana))
    result = ana.submit(ana.page().text, "siteagent_moved", choice="later")
    assert "You will not be reminded again." in result
    assert not any(REMINDER in page for page in pages(ana))


def test_another_address_shows_the_reminder_again(wp, ana) -> None:
    wp.evaluate("update_option('home', 'http://staging.example');")
    ana.submit(ana.page().text, "siteagent_moved", choice="later")
    wp.evaluate("update_option('home', 'http://second.example');")
    assert all(REMINDER in page for page in pages(ana))
