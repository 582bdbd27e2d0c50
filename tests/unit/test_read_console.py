"""Errors in a browser's console are compared without the parts that change at each visit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.page_checks import comparison, console
from app.domain.page_checks.comparison import Look, Requirements
from app.domain.page_checks.console import Console
from app.domain.page_checks.structure import Structure
from app.http.browser_visit import ConsoleError, Visit

PAGE = "https://shop.example/contact/"
FORMS = "https://shop.example/wp-content/plugins/forms/app.js?ver=2.1"
LOOK = Look(Structure(200, "Shop", features={"heading": ("shop", "goods", "open today")}))
CALM, LOUD = Console(), Console(("TypeError: x is not a function (/app.js)",))


def line(text: str, address: str = "") -> str:
    seen = Visit(200, (ConsoleError(text, address),))
    [found] = console.read_console(seen, PAGE, 200).errors
    return found


@pytest.mark.parametrize(
    ("text", "address", "read"),
    [
        (
            "Uncaught TypeError: form.reset is not a function",
            FORMS,
            "TypeError: form.reset is not a function (/wp-content/plugins/forms/app.js)",
        ),
        ("Uncaught (in promise) Error: No cart", "", "Error: No cart"),
        (
            "Failed to load resource: the server responded with a status of 404 ()",
            "https://shop.example/wp-content/cache/3f2a9bc1d0.css",
            "Failed to load resource: the server responded with a status of # ()"
            " (/wp-content/cache/#.css)",
        ),
        ("Order 4711 of 30.11.2026 failed", "", "Order # of # failed"),
        (
            "Blocked https://cdn.example/a.js?t=99 here",
            "",
            "Blocked cdn.example/a.js here",
        ),
        ("nonce a8f5f167f44f4964e6c998dee827110c", "", "nonce #"),
        ("a\x00b\u202ec\ud800d\n\te", "", "a b c d e"),
        ("x" * 5000, "", "x" * 200),
        ("odd", "https://[::1", "odd (?)"),
    ],
)
def test_an_error_is_one_line_without_variable_parts(text: str, address: str, read: str) -> None:
    assert line(text, address) == read
    assert read.encode().decode() == read


def test_the_same_error_counts_once() -> None:
    errors = (ConsoleError("Item 1 is gone"), ConsoleError("Item 2 is gone"))
    assert console.read_console(Visit(200, errors), PAGE, 200).errors == ("Item # is gone",)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (Visit(why="crashed"), "crashed"),
        (Visit(200, why="too_slow"), "too_slow"),
        (Visit(403, (ConsoleError("x"),)), "another_answer"),
    ],
)
def test_an_unusable_look_has_no_errors(seen: Visit, why: str) -> None:
    assert console.read_console(seen, PAGE, 200) == Console(why=why)


def looks(*consoles: Console | None) -> list[Look]:
    return [replace(LOOK, console=one) for one in consoles]


STRICT = Requirements(no_console_error=True)


@pytest.mark.parametrize(
    ("before", "after", "required", "answer", "must_go_back"),
    [
        ((CALM, CALM), (LOUD, LOUD), Requirements(), "different", False),
        ((CALM, CALM), (CALM, LOUD), Requirements(), "different", False),
        ((CALM, CALM), (LOUD, LOUD), STRICT, "different", True),
        ((CALM, LOUD), (LOUD, LOUD), STRICT, "same", False),
        ((LOUD, LOUD), (CALM, CALM), STRICT, "same", False),
        ((None, None), (None, None), Requirements(), "same", False),
        ((None, None), (None, None), STRICT, "cannot_tell", False),
        ((None, None), (LOUD, LOUD), STRICT, "cannot_tell", False),
        ((CALM, CALM), (CALM, Console(why="too_slow")), STRICT, "cannot_tell", False),
        ((CALM, CALM), (LOUD, Console(why="too_slow")), STRICT, "different", True),
        ((CALM, Console(why="too_slow")), (LOUD, LOUD), STRICT, "cannot_tell", False),
        ((CALM, CALM), (CALM, Console(why="too_slow")), Requirements(), "same", False),
    ],
)
def test_only_a_new_error_is_a_difference(
    before: tuple[Console, ...],
    after: tuple[Console, ...],
    required: Requirements,
    answer: str,
    must_go_back: bool,
) -> None:
    verdict = comparison.compare(looks(*before), looks(*after), required)
    assert (verdict.answer, verdict.must_go_back) == (answer, must_go_back)


def test_few_of_many_new_errors_are_kept() -> None:
    many = Console(tuple(f"Error {letter}" for letter in "abcdefghij"))
    verdict = comparison.compare(looks(CALM, CALM), looks(many, many), Requirements())
    assert len(verdict.differences) == 5


@pytest.mark.parametrize(
    ("first", "again", "kept"),
    [
        (Console(("a", "b")), Console(("b", "c")), Console(("b",))),
        (Console(why="too_slow"), Console(("b",)), Console(why="too_slow")),
        (Console(("a",)), Console(why="crashed"), Console(why="crashed")),
    ],
)
def test_a_second_look_confirms_an_error_or_not(
    first: Console, again: Console, kept: Console
) -> None:
    assert console.confirmed(first, again) == kept


def test_looks_are_stored_with_console_errors() -> None:
    look = replace(LOOK, console=LOUD)
    stored = look.as_json()
    assert Look.from_json(stored) == look
    del stored["console"]
    assert Look.from_json(stored).console is None
