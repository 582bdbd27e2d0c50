"""What the browser's console says about a page, and what of it is new. Pure.

Errors are compared without what changes from one visit to the next: numbers, nonces, query strings
and the site's own host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.page_checks import structure
from app.http.browser_visit import ConsoleError, Visit
from app.http.errors import printable

MAX_CHARS = 200
# Why a page cannot be judged, besides codes of app/http/browser_visit.py and browser_process.py.
NOT_LOOKED = "not_looked"
ANOTHER_ANSWER = "another_answer"

# Goes before the reason why a look before the update showed nothing.
BEFORE = "before:"

_ADDRESS = re.compile(r"[a-z]{2,12}://[^\s\"'()<>]+", re.IGNORECASE)
_PREFIX = re.compile(r"^Uncaught (\(in promise\) )?")


@dataclass(frozen=True)
class Console:
    """The errors of one look, each as one line, or why there are none to compare."""

    errors: tuple[str, ...] = ()
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"errors": list(self.errors), "why": self.why}

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None) -> Console | None:
        return cls(tuple(stored["errors"]), stored["why"]) if stored else None


def read_console(seen: Visit, address: str, status: int) -> Console:
    """Return the errors of a visit.

    `status` is what the page itself answered; another one came from something in front of it.
    """
    if seen.why or seen.status != status:
        return Console(why=seen.why or ANOTHER_ANSWER)
    found = dict.fromkeys(_line(error, address) for error in seen.errors)
    return Console(tuple(found))


def new_errors(before: Iterable[Console | None], after: Iterable[Console | None]) -> list[str]:
    """Return the errors afterwards that no look before had."""
    known = errors_of(before)
    return [error for error in errors_of(after) if error not in known]


def errors_of(looks: Iterable[Console | None]) -> dict[str, None]:
    """Return the errors of all looks, each once."""
    return dict.fromkeys(error for look in looks if look for error in look.errors)


def confirmed(first: Console, again: Console) -> Console:
    """Return what a second look at the same page confirms."""
    if first.why or again.why:
        return first if first.why else again
    return Console(tuple(error for error in first.errors if error in again.errors))


def why_unknown(before: Sequence[Console | None], after: Sequence[Console | None]) -> str:
    """Return why the consoles cannot be compared; empty if they can."""
    for prefix, looks in ((BEFORE, before), ("", after)):
        for look in looks:
            if look is None or look.why:
                return prefix + (look.why if look else NOT_LOOKED)
    return ""


def _line(error: ConsoleError, page: str) -> str:
    """Return an error as it is compared and shown: its text, and the script or file it is about."""
    text = _ADDRESS.sub(lambda found: structure.normal_address(found[0], page), error.text)
    text = structure.without_noise(_PREFIX.sub("", printable(text)))[:MAX_CHARS]
    place = structure.normal_address(error.address, page) if error.address else ""
    return f"{text} ({printable(place)})" if place else text
