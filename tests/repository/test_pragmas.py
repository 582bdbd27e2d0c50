"""A comment that switches a check off names the rule and the reason, and each one is counted."""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "jobs", "bench", "tests", "wordpress-plugin/siteagent")

# How often each check is switched off. To add an exception, give the reason at its place and
# count it here. To remove one, lower the number.
ALLOWED: Counter[str] = Counter(
    {
        "noqa BLE001": 4,
        "noqa F401": 1,
        "noqa S105": 2,
        "noqa S608": 6,
        "phpcs:ignore Generic.CodeAnalysis.UnusedFunctionParameter": 1,
        "phpcs:ignore Generic.PHP.ForbiddenFunctions": 6,
        "phpcs:ignore Generic.PHP.NoSilencedErrors": 8,
        "phpcs:ignore WordPress.DB": 2,
        "phpcs:ignore WordPress.PHP": 1,
        "phpcs:ignore WordPress.PHP.DevelopmentFunctions": 11,
        "phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions": 9,
        "phpcs:ignore WordPress.PHP.IniSet": 2,
        "phpcs:ignore WordPress.PHP.NoSilencedErrors": 7,
        "phpcs:ignore WordPress.Security": 11,
        "phpcs:ignore WordPress.Security.EscapeOutput": 1,
        "phpcs:ignore WordPress.Security.NonceVerification": 12,
        "phpcs:ignore WordPress.Security.ValidatedSanitizedInput": 7,
        "phpcs:ignore WordPress.WP.AlternativeFunctions": 20,
        "phpcs:ignore WordPress.WP.GlobalVariablesOverride": 1,
        "ruff: noqa E501": 1,
        "type: ignore attr-defined": 1,
        "type: ignore method-assign": 1,
        "type: ignore misc": 1,
        "type: ignore union-attr": 2,
    }
)

_PYTHON = re.compile(
    r"#\s*(?P<tool>noqa|ruff: noqa|flake8: noqa|type: ignore|mypy: [\w-]+|pragma: no cover|nosec)"
    r"(?::\s*(?P<codes>[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)|\[(?P<names>[\w, -]+)\])?"
    r"(?P<reason>.*)"
)
_PHP = re.compile(
    r"(?P<tool>phpcs:(?:ignoreFile|ignore|disable|set)|phpstan-ignore[\w-]*|@codingStandardsIgnore\w*"
    r"|@psalm-suppress|@SuppressWarnings)"
    r"[ \t]*(?P<names>[\w.]+(?:,[ \t]*[\w.]+)*)?(?P<reason>[^\n]*)"
)


@dataclass(frozen=True)
class Pragma:
    """One comment that switches a check off, at `place` ("app/pdf.py:12")."""

    place: str
    tool: str
    rules: tuple[str, ...]
    reason: str


def pragmas_in(name: str, text: str) -> Iterator[Pragma]:
    """Yield the pragmas of the file `name`, which is a Python or a PHP file."""
    for line, comment in _comments(name, text):
        for found in (_PHP if name.endswith(".php") else _PYTHON).finditer(comment):
            groups = found.groupdict()
            rules = re.split(r",\s*", groups.get("codes") or groups["names"] or "")
            reason = re.sub(r"^[\s#:-]+|[\s#*?>/-]+$", "", groups["reason"])
            tool = groups["tool"].replace("phpcs:disable", "phpcs:ignore")
            yield Pragma(f"{name}:{line}", tool, tuple(one for one in rules if one), reason)


def _comments(name: str, text: str) -> Iterator[tuple[int, str]]:
    if name.endswith(".php"):
        yield from enumerate(text.split("\n"), 1)
        return
    # Reading a file as Python takes long, and few have such a comment.
    if not _PYTHON.search(text):
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@cache
def all_pragmas() -> list[Pragma]:
    return [
        pragma
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".php"}
        for pragma in pragmas_in(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]


def test_every_pragma_names_its_rules_and_a_reason() -> None:
    wrong = [one for one in all_pragmas() if not one.rules or len(one.reason) < 8]
    assert wrong == []


def test_the_number_of_pragmas_matches_the_list() -> None:
    found = Counter(f"{one.tool} {rule}" for one in all_pragmas() for rule in one.rules)
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", "x = 1  # noqa"),
        ("a.py", "x = 1  # noqa: S608"),
        ("a.py", "x = 1  # type: ignore"),
        ("a.py", "x = 1  # type: ignore[misc]"),
        ("a.py", "# ruff: noqa: E501"),
        ("a.py", "def f(): ...  # pragma: no cover"),
        ("a.php", "$x = @file( $y ); // phpcs:ignore"),
        ("a.php", "$x = @file( $y ); // phpcs:ignore Generic.PHP.NoSilencedErrors"),
        ("a.php", "<?php // phpcs:disable Generic.PHP.NoSilencedErrors ?>"),
        ("a.php", "/** @phpstan-ignore-next-line */"),
    ],
)
def test_a_pragma_without_a_rule_or_a_reason_is_found(name: str, line: str) -> None:
    (found,) = pragmas_in(name, line)
    assert not found.rules or not found.reason


@pytest.mark.parametrize(
    ("name", "line", "rules"),
    [
        ("a.py", "x = 1  # noqa: S608, E501 -- only names of columns", ("S608", "E501")),
        ("a.py", "x = 1  # type: ignore[misc]  # the stub lacks it", ("misc",)),
        ("a.php", "f(); // phpcs:ignore Squiz.PHP.Eval -- runs nothing.", ("Squiz.PHP.Eval",)),
    ],
)
def test_rules_and_reason_are_read(name: str, line: str, rules: tuple[str, ...]) -> None:
    (found,) = pragmas_in(name, line)
    assert found.rules == rules
    assert len(found.reason) > 8


def test_a_string_that_looks_like_a_pragma_is_ignored() -> None:
    assert list(pragmas_in("a.py", "x = 'a  # noqa'")) == []
