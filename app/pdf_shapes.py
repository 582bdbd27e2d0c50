"""The figures and the strip of days on the first page of a report.

The shapes are artifacts. The text that repeats what they show is tagged, for screen readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

Color = tuple[int, int, int]


@dataclass(frozen=True)
class TextStyle:
    """The size of a text in points, its color, and whether it is bold."""

    size: float
    color: Color
    is_strong: bool = False


_LINE: Color = (214, 219, 225)
_LABEL = TextStyle(8.0, (85, 91, 100))
_NUMBER = TextStyle(16.0, (20, 23, 27), is_strong=True)
_FIGURES_MM, _STRIP_MM = 18.0, 7.0
_GAP_MM, _STRIP_GAP_MM = 3.0, 0.6
# Height as a share of the strip, and color. The height repeats what the color says.
_DAYS = {
    "up": (0.6, (46, 158, 91)),
    "degraded": (0.8, (217, 165, 20)),
    "down": (1.0, (196, 55, 43)),
    "maintenance": (0.4, (125, 136, 148)),
}
_NO_DATA = (0.25, (201, 208, 216))


class Paper(Protocol):
    """What is drawn on: a document of app/pdf.py. Lengths are in mm."""

    def get_y(self) -> float: ...
    def go_to(self, y: float) -> None: ...
    def draw_text(self, text: str, x: float, y: float, style: TextStyle) -> None: ...
    def draw_box(
        self, x: float, y: float, width: float, height: float, color: Color, *, is_filled: bool
    ) -> None: ...
    def artifact(self) -> AbstractContextManager[None]: ...
    def tagged(self, tag: str) -> AbstractContextManager[None]: ...


def put_figures(
    paper: Paper, left: float, width: float, cells: Sequence[tuple[str, str]], accent: Color
) -> None:
    """Draw a row of figures, each with its label, and go below it."""
    top = paper.get_y() + _GAP_MM
    wide = (width - _GAP_MM * (len(cells) - 1)) / len(cells)
    for number, (label, value) in enumerate(cells):
        x = left + number * (wide + _GAP_MM)
        with paper.artifact():
            paper.draw_box(x, top, wide, _FIGURES_MM, _LINE, is_filled=False)
            paper.draw_box(x, top, wide, 0.8, accent, is_filled=True)
        with paper.tagged("/P"):
            paper.draw_text(f"{label} ", x + 3, top + 3, _LABEL)
            paper.draw_text(value, x + 3, top + 8.5, _NUMBER)
    paper.go_to(top + _FIGURES_MM + _GAP_MM)


def put_days(paper: Paper, left: float, width: float, states: Sequence[str]) -> None:
    """Draw a bar for each day, and go below it."""
    top, wide = paper.get_y() + 2, width / len(states)
    with paper.artifact():
        for number, state in enumerate(states):
            share, color = _DAYS.get(state, _NO_DATA)
            x, height = left + number * wide, _STRIP_MM * share
            y = top + _STRIP_MM - height
            paper.draw_box(x, y, wide - _STRIP_GAP_MM, height, color, is_filled=True)
    paper.go_to(top + _STRIP_MM)
