"""Pages to check after updates on a few sites of the fleet, and what updates changed on them."""

from __future__ import annotations

from dataclasses import asdict, replace
from random import Random

from app.domain.changes import page_evidence, page_questions
from app.domain.page_checks import comparison, looks, screenshots, settings
from app.domain.page_checks.comparison import Look
from app.domain.page_checks.console import Console
from app.domain.page_checks.settings import TypedPage
from app.http.connection_trace import Trace
from app.http.response import RawResponse
from app.http.site_client import ProbeResponse
from app.models.changes import SUCCEEDED, Change
from app.models.rollouts import RolloutUpdate
from app.models.site_pages import ChangePages, PageRound
from app.models.sites import ACTIVE, Site
from tests.fleet.fleet import Fleet
from tests.fleet.screenshots import draw_pictures
from tests.support.shop_pages import Page, pages

_SITES = 8
_UNANSWERED = 2
_PATHS = {"shop": "/shop/", "checkout": "/checkout/", "contact": "/contact/", "front": "/"}
_OLD_ERROR = "Failed to load resource: the server responded with a status of # () (/old.js)"
_NEW_ERROR = "TypeError: form.reset is not a function (/wp-content/plugins/forms/app.js)"
_LOST_FIELD = '<input type="email" name="your-email">'


def add_pages(fleet: Fleet) -> None:
    """Give the first connected sites four pages, a look at them, and evidence of an update."""
    drawn = {_PATHS[page.kind]: page for page in pages()[:5] if page.kind in _PATHS}
    for site in Site.select().where(Site.state == ACTIVE).order_by(Site.id).limit(_SITES):
        visit = fleet.dice(f"pages:{site.url}")
        for path, page in drawn.items():
            typed = TypedPage(path, page.required.phrase, page.required.selector)
            settings.add_page(site, typed, by=fleet.operator, now=fleet.clock())
        PageRound.request(site.id, fleet.clock())
        looks.look_now(site.id, config=fleet.config, probe=_Visitor(drawn, visit), now=fleet.clock)
        _add_evidence(site, drawn, visit, fleet)
    _answer_older_ones(fleet)


class _Visitor:
    """A visitor that gets the drawn pages one by one, so that random values stay the same."""

    def __init__(self, drawn: dict[str, Page], visit: Random) -> None:
        self._seed, self._drawn = visit.random(), drawn

    def __call__(self, url: str, **_: object) -> ProbeResponse:
        path = "/" + url.split("/", 3)[3]
        page = self._drawn.get(path, self._drawn["/"])
        body = page.draw(Random(f"{self._seed}{path}")).encode()
        received = RawResponse(200, {"Content-Type": "text/html"}, body, False, 2**20, "", ())
        return ProbeResponse(url, Trace(), received=received)


def _add_evidence(site: Site, drawn: dict[str, Page], visit: Random, fleet: Fleet) -> None:
    """Keep what the pages showed after the newest update of the site.

    A form lost a field, and a script fails. No update of the running rollout is affected, because
    the rollout would stop.
    """
    rolled_out = RolloutUpdate.select(RolloutUpdate.change)
    change = (
        Change.select()
        .where(Change.site == site.id, Change.state == SUCCEEDED, Change.id.not_in(rolled_out))
        .order_by(Change.id.desc())
        .first()
    )
    if change is None:
        return
    before = [
        {
            "path": path,
            "required": asdict(page.required),
            "looks": [_look(page, visit).as_json() for _ in range(2)],
        }
        for path, page in drawn.items()
    ]
    ChangePages.keep(change.id, before)
    row = ChangePages.of(change.id)
    assert row is not None
    verdicts = {
        path: comparison.compare(
            [_look(page, visit) for _ in range(2)],
            [_look(page, visit, is_broken=True) for _ in range(2)],
            page.required,
        )
        for path, page in drawn.items()
    }
    row.update_if(**page_evidence.results_of(row, verdicts))
    for moment, is_broken in ((screenshots.BEFORE, False), (screenshots.AFTER, True)):
        pictures = {
            index: draw_pictures(is_broken=is_broken and page.kind == "contact")
            for index, page in enumerate(drawn.values())
        }
        screenshots.keep(change.id, moment, pictures, fleet.config)


def _look(page: Page, visit: Random, *, is_broken: bool = False) -> Look:
    """Look at a page with and without a browser."""
    looked = page.look(visit, lambda text: text.replace(_LOST_FIELD, "") if is_broken else text)
    errors = (_OLD_ERROR, _NEW_ERROR) if is_broken and page.kind == "contact" else (_OLD_ERROR,)
    return replace(looked, console=Console(errors))


def _answer_older_ones(fleet: Fleet) -> None:
    """Accept as the operator what the pages showed after all but the newest updates."""
    asking = Change.select().join(ChangePages).where(ChangePages.is_asking())
    for change in list(asking.order_by(Change.ended_at.desc()))[_UNANSWERED:]:
        note = "The form moved into the footer."
        page_questions.answer_looks_right(change, by=fleet.operator, note=note, now=fleet.clock())
