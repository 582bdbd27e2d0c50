"""A simulated browser, and an update whose pages it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.config import Config
from app.domain.changes import execution
from app.domain.page_checks import browser_looks
from app.domain.page_checks.browser_looks import PageToCheck, Seen
from app.domain.page_checks.console import Console
from app.models.changes import Change
from app.models.sites import Site
from tests.support.fakes import FakeSite

Errors = tuple[str, ...]


@dataclass
class FakeBrowser:
    """A browser that reports these errors, one list for each look; the last list repeats."""

    says: list[Errors | str]
    picture: bytes = b"RIFFpicture"
    looks: list[Sequence[PageToCheck]] = field(default_factory=list)

    def __call__(self, site: Site, pages: Sequence[PageToCheck], config: Config) -> dict[str, Seen]:
        errors = self.says[min(len(self.looks), len(self.says) - 1)]
        self.looks.append(pages)
        console = Console(why=errors) if isinstance(errors, str) else Console(errors)
        pictures = {} if console.why else dict.fromkeys(browser_looks.NAMES, self.picture)
        return {page.path: Seen((console, console), pictures) for page in pages}


def run(change: Change, fake: FakeSite, config: Config, browser: FakeBrowser) -> str:
    state = execution.run_change(
        change.id, config=config, call=fake.call, look=fake.look, now=fake.clock, browse=browser
    )
    change.refresh()
    return state
