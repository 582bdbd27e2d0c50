"""A person keeps SiteAgent paused at another address: wp-admin goes on, and reminds no more.

The form leads back to its page also where wp-admin has another host than the site.
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
    """The two pages of WordPress on which SiteAgent shows notices."""
    answers = [
        ana.session.get(f"{ana.url}/wp-admin/{page}", timeout=60)
        for page in ("index.php", "plugins.php")
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert "</html>" in answer.text
        assert "critical error" not in answer.text
    return [answer.text for answer in answers]


def test_a_copy_whose_person_decides_later_is_not_reminded_again(wp, ana) -> None:
    wp.evaluate("update_option('home', 'http://staging.example');")
    assert all(REMINDER in page for page in pages(ana))
    followed = ana.submit(ana.page().text, "siteagent_moved", choice="later")
    assert "You will not be reminded again." in followed
    assert not any(REMINDER in page for page in pages(ana))


def test_yet_another_address_is_a_new_question(wp, ana) -> None:
    wp.evaluate("update_option('home', 'http://staging.example');")
    ana.submit(ana.page().text, "siteagent_moved", choice="later")
    wp.evaluate("update_option('home', 'http://second.example');")
    assert all(REMINDER in page for page in pages(ana))
