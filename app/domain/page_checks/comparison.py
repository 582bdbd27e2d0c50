"""Compare a page after an update with two looks before it. Pure.

There are three answers: the same, different with the places, and cannot tell with the reason. The
last one is never rounded to one of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from app.domain.page_checks import console, structure
from app.domain.page_checks.console import Console
from app.domain.page_checks.structure import Document, Structure

SAME = "same"
DIFFERENT = "different"
CANNOT_TELL = "cannot_tell"

# Difference.what, besides the kinds of features in structure.KINDS.
PHRASE = "phrase"
SELECTOR = "selector"
FORM_ACTION = "form_action"
STATUS = "status"
NOTICE = "notice"
TITLE = "title"
ASSET = "asset"
CONSOLE = "console"

# Why a page cannot be judged, besides the codes of app.http.errors and of intermediaries.
UNSTEADY = "unsteady"
NO_LOOK_BEFORE = "no_look_before"
ANOTHER_PAGE = "another_page"
# Why a browser showed nothing about a page whose console must be without errors; a code follows.
BROWSER = "browser:"

MAX_SELECTOR_CHARS = 200
_MOST_DIFFERENCES = 30
_MOST_ERRORS = 5
# A page with fewer steady features may well share none with itself.
_FEWEST_FEATURES = 3
# Fields whose value is the text of a button.
_LABELLED = "input[type=submit], input[type=button], input[type=reset]"


@dataclass(frozen=True)
class Requirements:
    """What must be on a page. An empty text, and status 0, require nothing."""

    phrase: str = ""
    selector: str = ""
    form_action: str = ""
    status: int = 200
    no_notice: bool = True
    no_console_error: bool = False


@dataclass(frozen=True)
class Difference:
    """One place where a page is not as before. `is_required` if it had to be there."""

    what: str
    missing: str
    is_required: bool = False


@dataclass(frozen=True)
class Look:
    """One look at a page: its structure and which requirements it meets, or why there is none.

    `console` is what a browser said about it, if one looked.
    """

    structure: Structure | None
    unmet: tuple[str, ...] = ()
    why: str = ""
    broken_assets: tuple[str, ...] = ()
    console: Console | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "structure": self.structure.as_json() if self.structure else None,
            "unmet": list(self.unmet),
            "why": self.why,
            "broken_assets": list(self.broken_assets),
            "console": self.console.as_json() if self.console else None,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Look:
        kept = stored["structure"]
        return cls(
            Structure.from_json(kept) if kept else None,
            tuple(stored["unmet"]),
            stored["why"],
            tuple(stored["broken_assets"]),
            # Looks that were stored before Aura had a browser have none.
            Console.from_json(stored.get("console")),
        )


@dataclass(frozen=True)
class Verdict:
    """The answer about one page.

    `before` names the requirements that it did not meet before, and `known_errors` counts the
    errors that its console had already. `browser` is why a browser showed nothing; None if no
    browser looked.
    """

    answer: str
    why: str = ""
    differences: tuple[Difference, ...] = ()
    before: tuple[str, ...] = ()
    counted: dict[str, int] = field(default_factory=dict)
    known_errors: int = 0
    browser: str | None = None

    @property
    def must_go_back(self) -> bool:
        """Whether something that had to be there is gone."""
        return any(one.is_required for one in self.differences)

    def as_json(self) -> dict[str, Any]:
        return {
            "answer": self.answer,
            "why": self.why,
            "differences": [asdict(one) for one in self.differences],
            "before": list(self.before),
            "counted": self.counted,
            "known_errors": self.known_errors,
            "browser": self.browser,
        }


def is_selector(selector: str) -> bool:
    """Whether this is a CSS selector that can be looked for."""
    try:
        LexborHTMLParser("<p></p>").css_first(selector)
    except SelectolaxError:
        return False
    return True


def unmet_requirements(document: Document, required: Requirements) -> tuple[str, ...]:
    """Return what must be on the page and is not, each as one of the words above."""
    received, tree, unmet = document.received, document.tree, []
    if required.status and received.status != required.status:
        unmet.append(STATUS)
    if required.phrase and not _has_phrase(document, required.phrase):
        unmet.append(PHRASE)
    if required.selector and not any(map(structure.is_shown, tree.css(required.selector)[:50])):
        unmet.append(SELECTOR)
    if required.form_action and not _has_form(document, required.form_action):
        unmet.append(FORM_ACTION)
    if required.no_notice and (structure.is_broken(received) or document.notices):
        unmet.append(NOTICE)
    return tuple(unmet)


def _has_phrase(document: Document, phrase: str) -> bool:
    """Whether a person can read the phrase, also where a tag begins inside a word."""
    wanted = _plain(phrase)
    if structure.is_json(document.received):
        return wanted in _plain(document.text)
    body = document.tree.clone().body
    if body is None:
        return False
    labels = [node.attributes.get("value") for node in body.css(_LABELLED)]
    for node in body.css("script, style, template, noscript"):
        node.decompose()
    texts = [body.text(separator=" "), body.text(), *labels]
    return any(wanted in _plain(text) for text in texts if text)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _has_form(document: Document, action: str) -> bool:
    wanted = structure.normal_address(action, document.address)
    forms = [form for form in document.tree.css("form[action]") if form.attributes.get("action")]
    return any(
        structure.is_shown(form)
        and structure.normal_address(form.attributes["action"] or "", document.address) == wanted
        for form in forms
    )


# ---- three answers ----


def compare(before: Sequence[Look], after: Sequence[Look], required: Requirements) -> Verdict:
    """Compare the looks after an update with those before it.

    What differs between two looks before is noise. What is missing counts if no look afterwards
    has it.
    """
    problem = _why_unknown(before) or ("" if before else NO_LOOK_BEFORE)
    if problem:
        return Verdict(CANNOT_TELL, f"before:{problem}")
    problem = _why_unknown(after)
    if problem or not after:
        return Verdict(CANNOT_TELL, problem or NO_LOOK_BEFORE)
    if _is_another_page(before, after):
        return Verdict(CANNOT_TELL, ANOTHER_PAGE)
    was_unmet = {name for look in before for name in look.unmet}
    gone = [name for name in after[0].unmet if all(name in look.unmet for look in after)]
    flickers = {name for look in after for name in look.unmet} - set(gone) - was_unmet
    lost = [
        Difference(name, _wanted(name, required), True) for name in gone if name not in was_unmet
    ]
    errors = _new_errors(before, after, required)
    differences = [*lost, *errors, *_lost_features(before, after)][:_MOST_DIFFERENCES]
    verdict = Verdict(
        SAME,
        before=tuple(sorted(was_unmet)),
        counted=_counted(before),
        known_errors=len(console_errors(before)),
        browser=_why_no_console(before, after),
    )
    if lost or (differences and not flickers):
        return replace(verdict, answer=DIFFERENT, differences=tuple(differences))
    if flickers:
        return replace(verdict, answer=CANNOT_TELL, why=UNSTEADY, differences=tuple(differences))
    if required.no_console_error and verdict.browser != "":
        return replace(
            verdict, answer=CANNOT_TELL, why=BROWSER + (verdict.browser or console.NOT_LOOKED)
        )
    return verdict


def console_errors(looks: Iterable[Look]) -> list[str]:
    """Return what the consoles of these looks say, each error once."""
    return list(console.errors_of(look.console for look in looks))


def _new_errors(
    before: Sequence[Look], after: Sequence[Look], required: Requirements
) -> list[Difference]:
    """Return the errors in the console that are new, if a browser had looked before."""
    was, now = [look.console for look in before], [look.console for look in after]
    if console.why_unknown(was, ()):
        return []
    found = console.new_errors(was, now)[:_MOST_ERRORS]
    return [Difference(CONSOLE, error, required.no_console_error) for error in found]


def _why_no_console(before: Sequence[Look], after: Sequence[Look]) -> str | None:
    """Return why the consoles cannot be compared, or None if no browser looked at all."""
    was, now = [look.console for look in before], [look.console for look in after]
    return console.why_unknown(was, now) if any((*was, *now)) else None


def _is_another_page(before: Sequence[Look], after: Sequence[Look]) -> bool:
    """Whether something else answers in place of the page, such as a check for robots.

    It has the status of the page and nothing else in common with it. An empty page, and a message
    of PHP, are no such answer.
    """
    was, now = _structures(before), _structures(after)
    steady = {(kind, one) for kind in structure.KINDS for one in _steady(was, kind)}
    seen = {(kind, one) for page in now for kind in page.features for one in page.features[kind]}
    is_silent = any(NOTICE in look.unmet or look.structure == _empty(look) for look in after)
    return (
        len(steady) >= _FEWEST_FEATURES
        and steady.isdisjoint(seen)
        and {one.status for one in was} == {one.status for one in now}
        and not is_silent
    )


def _empty(look: Look) -> Structure | None:
    return Structure(look.structure.status) if look.structure else None


def _steady(was: Sequence[Structure], kind: str) -> set[str]:
    """Return the features of one kind that all of these have."""
    return set.intersection(*(set(one.features.get(kind, ())) for one in was))


def _why_unknown(looks: Iterable[Look]) -> str:
    return next((look.why or "no_page" for look in looks if look.structure is None), "")


def _wanted(name: str, required: Requirements) -> str:
    wanted = {
        PHRASE: required.phrase,
        SELECTOR: required.selector,
        FORM_ACTION: required.form_action,
        STATUS: str(required.status),
    }
    return wanted.get(name, "")


def _structures(looks: Iterable[Look]) -> list[Structure]:
    return [look.structure for look in looks if look.structure is not None]


def _lost_features(before: Sequence[Look], after: Sequence[Look]) -> list[Difference]:
    was, now = _structures(before), _structures(after)
    lost = []
    if len({one.title for one in was}) == 1 and all(one.title != was[0].title for one in now):
        lost.append(Difference(TITLE, was[0].title))
    if len({one.status for one in was}) == 1 and all(one.status != was[0].status for one in now):
        lost.append(Difference(STATUS, str(was[0].status)))
    known = {notice for one in was for notice in one.notices}
    fresh = set(now[0].notices).intersection(*(one.notices for one in now)) - known
    lost += [Difference(NOTICE, notice) for notice in sorted(fresh)]
    for kind in structure.KINDS:
        steady = _steady(was, kind)
        seen = {feature for one in now for feature in one.features.get(kind, ())}
        lost += [Difference(kind, feature) for feature in sorted(steady - seen)]
    broken = set(after[0].broken_assets).intersection(*(look.broken_assets for look in after))
    broken -= {asset for look in before for asset in look.broken_assets}
    return lost + [Difference(ASSET, asset) for asset in sorted(broken)]


def _counted(before: Sequence[Look]) -> dict[str, int]:
    """Return how many features of each kind are compared."""
    was = _structures(before)
    counted = {kind: len(_steady(was, kind)) for kind in structure.KINDS}
    return {kind: number for kind, number in counted.items() if number}
