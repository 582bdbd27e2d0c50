"""Diff any two texts by lines, in bounded time."""

from __future__ import annotations

import difflib
import random
import time

import pytest

from app import line_diff
from app.line_diff import ADDED, REMOVED, SAME, SKIPPED, DiffLine, diff_lines


def signs(old: str, new: str) -> str:
    found = diff_lines(old.split(), new.split())
    assert found is not None
    return "".join(line.sign + line.text for line in found)


def test_added_removed_and_unchanged_lines_have_their_numbers() -> None:
    assert diff_lines(["a", "b", "c"], ["a", "x", "c", "d"]) == [
        DiffLine(SAME, 1, 1, "a"),
        DiffLine(REMOVED, 2, 0, "b"),
        DiffLine(ADDED, 0, 2, "x"),
        DiffLine(SAME, 3, 3, "c"),
        DiffLine(ADDED, 0, 4, "d"),
    ]


def test_new_and_gone_files_are_shown_whole() -> None:
    assert signs("", "a b") == "+a+b"
    assert signs("a b", "") == "-a-b"
    assert diff_lines(["a"], ["a"]) == []
    assert diff_lines([], []) == []


def test_unchanged_lines_far_from_a_difference_are_left_out() -> None:
    lines = [str(number) for number in range(20)]
    found = diff_lines(lines, [*lines[:10], "new", *lines[10:]])
    assert found is not None
    assert [line.sign for line in found] == [
        SKIPPED, SAME, SAME, SAME, ADDED, SAME, SAME, SAME, SKIPPED,
    ]  # fmt: skip


def test_the_difference_leads_from_one_text_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is never longer than what difflib finds."""
    monkeypatch.setattr(line_diff, "CONTEXT_LINES", 1000)
    dice = random.Random("lines that differ")
    for _ in range(1500):
        old = dice.choices("abcd", k=dice.randrange(1, 14))
        new = dice.choices("abcd", k=dice.randrange(1, 14))
        found = diff_lines(old, new)
        assert found is not None
        if old != new:
            assert [line.text for line in found if line.sign != ADDED] == old
            assert [line.text for line in found if line.sign != REMOVED] == new
        edits = sum(line.sign in (ADDED, REMOVED) for line in found)
        theirs = sum(line[0] in "+-" for line in difflib.ndiff(old, new))
        assert edits <= theirs


def test_texts_that_differ_too_much_are_not_compared() -> None:
    assert diff_lines(["a"] * 600, ["b"] * 400) is not None
    assert diff_lines(["a"] * 600, ["b"] * 401) is None


def test_hostile_texts_do_not_take_long() -> None:
    began = time.process_time()
    old = [str(number % 97) for number in range(20_000)]
    new = [str(number % 89) for number in range(20_000)]
    assert diff_lines(old, new) is None
    assert time.process_time() - began < 20
