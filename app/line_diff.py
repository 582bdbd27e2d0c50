"""Find the lines that differ between two texts, in bounded time. Pure.

The greedy algorithm of E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986). Its
time grows with the number of differing lines, which is bounded here. Python's difflib has no bound,
and a text made for that purpose lets its time grow with the cube: 8,000 lines take 8 seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_EDITS = 1000
# Unchanged lines around what differs.
CONTEXT_LINES = 3

SAME, REMOVED, ADDED, SKIPPED = " ", "-", "+", "…"


@dataclass(frozen=True)
class DiffLine:
    """A line of one of the texts, or of both; numbers start at 1, and 0 means it is not there.

    A `SKIPPED` one is in place of unchanged lines that are left out.
    """

    sign: str
    old: int
    new: int
    text: str


def diff_lines(old: Sequence[str], new: Sequence[str]) -> list[DiffLine] | None:
    """Return the lines that differ, with those around them; None if more than MAX_EDITS differ."""
    if not old or not new:
        return _all_of(old, REMOVED) or _all_of(new, ADDED)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    signs = _signs(old[head : len(old) - tail], new[head : len(new) - tail])
    if signs is None:
        return None
    return _with_context(list(_numbered(old, new, SAME * head + signs + SAME * tail)))


def _all_of(lines: Sequence[str], sign: str) -> list[DiffLine]:
    is_old = sign == REMOVED
    return [
        DiffLine(sign, number if is_old else 0, 0 if is_old else number, text)
        for number, text in enumerate(lines, start=1)
    ]


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many lines at the beginning are the same."""
    for number, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return number
    return min(len(old), len(new))


def _signs(old: Sequence[str], new: Sequence[str]) -> str | None:
    """Return the shortest series of signs that leads from one text to the other."""
    # How far each diagonal (line of old minus line of new) reaches into the old text.
    reach, steps = {1: 0}, []
    for edits in range(min(len(old) + len(new), MAX_EDITS) + 1):
        steps.append(dict(reach))
        for diagonal in range(-edits, edits + 1, 2):
            at = _start(reach, diagonal, edits)
            while at < len(old) and at - diagonal < len(new) and old[at] == new[at - diagonal]:
                at += 1
            reach[diagonal] = at
            if at >= len(old) and at - diagonal >= len(new):
                return _backwards(steps, len(old), len(new))
    return None


def _start(reach: dict[int, int], diagonal: int, edits: int) -> int:
    """Return where a diagonal begins: below its right neighbor, or right of its left one."""
    if _comes_from_above(reach, diagonal, edits):
        return reach[diagonal + 1]
    return reach[diagonal - 1] + 1


def _comes_from_above(reach: dict[int, int], diagonal: int, edits: int) -> bool:
    """Whether the last edit of a diagonal adds a line; otherwise it removes one."""
    if diagonal in (-edits, edits):
        return diagonal == -edits
    return reach[diagonal - 1] < reach[diagonal + 1]


def _backwards(steps: list[dict[int, int]], old_at: int, new_at: int) -> str:
    """Return the signs of the path that ends at these lines, from what each step reached."""
    signs = []
    for edits in range(len(steps) - 1, -1, -1):
        reach, diagonal = steps[edits], old_at - new_at
        is_addition = edits > 0 and _comes_from_above(reach, diagonal, edits)
        begin = _start(reach, diagonal, edits) if edits else 0
        signs.append(SAME * (old_at - begin))
        old_at, new_at = begin, begin - diagonal
        if edits:
            signs.append(ADDED if is_addition else REMOVED)
            old_at, new_at = (old_at, new_at - 1) if is_addition else (old_at - 1, new_at)
    return "".join(reversed(signs))


def _numbered(old: Sequence[str], new: Sequence[str], signs: str) -> Iterator[DiffLine]:
    old_at = new_at = 0
    for sign in signs:
        old_at += sign != ADDED
        new_at += sign != REMOVED
        text = new[new_at - 1] if sign == ADDED else old[old_at - 1]
        yield DiffLine(sign, 0 if sign == ADDED else old_at, 0 if sign == REMOVED else new_at, text)


def _with_context(lines: list[DiffLine]) -> list[DiffLine]:
    """Leave out unchanged lines that are not near a difference."""
    near: set[int] = set()
    for number, line in enumerate(lines):
        if line.sign != SAME:
            near.update(range(number - CONTEXT_LINES, number + CONTEXT_LINES + 1))
    found: list[DiffLine] = []
    for number, line in enumerate(lines):
        if number in near:
            found.append(line)
        elif (found and found[-1].sign != SKIPPED) or (not found and near):
            found.append(DiffLine(SKIPPED, 0, 0, ""))
    return found
