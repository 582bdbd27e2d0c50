"""Updates after which a page of the site differs or cannot be loaded."""

from __future__ import annotations

from itertools import chain, repeat

from app.domain.actor import Actor
from app.domain.page_checks import settings
from app.domain.page_checks.settings import TypedPage
from app.models.sites import Site
from tests.support.fakes import FakeSite

PATH = "/shop/"
SHOP = (
    b"<title>Shop</title><h1>Shop</h1><form action='/cart/'><input name='q'>"
    b"<button>Add to cart</button></form>"
)
# The form is present, but has lost its action.
OTHER_SHOP = SHOP.replace(b"action='/cart/'", b"")


def watch_shop(site: Site, by: Actor, fake: FakeSite) -> None:
    """Add the shop as a page to check after each update. The shop works before the update."""
    settings.add_page(site, TypedPage(PATH, phrase="Add to cart"), by=by, now=fake.clock())
    fake.pages[PATH] = lambda: (200, SHOP)


def change_shop(fake: FakeSite) -> None:
    """Have the next update change the shop. Both looks before it see the old page."""
    _play(fake, (200, OTHER_SHOP))


def hide_shop(fake: FakeSite) -> None:
    """Have the shop answer "too busy" after the next update."""
    _play(fake, (503, b"<h1>Busy</h1>"))


def _play(fake: FakeSite, afterwards: tuple[int, bytes]) -> None:
    answers = chain([(200, SHOP)] * 2, repeat(afterwards))
    fake.pages[PATH] = lambda: next(answers)
