"""The geometry of charts: numbers in, coordinates out.

The templates draw, and the stylesheet gives the colors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BAR_WIDTH = 600
BAR_HEIGHT = 14
_GAP = 3
# The narrowest segment that can still be seen.
_LEAST = 6
_STRIPE_EVERY = 6

LINE_WIDTH = 600
LINE_HEIGHT = 150
# Steps of the scale of a line chart, times a power of ten.
_NICE = (1, 2, 5)
_MOST_GRID_LINES = 4


@dataclass(frozen=True)
class Segment:
    """A part of a stacked bar, from `x` on. `stripes` is the path of a diagonal pattern in it."""

    x: int
    width: int

    @property
    def stripes(self) -> str:
        ends = range(self.x + _STRIPE_EVERY, self.x + self.width + 1, _STRIPE_EVERY)
        return "".join(f"M{x - _STRIPE_EVERY} {BAR_HEIGHT}L{x} 0" for x in ends)


def stacked_bar(values: Sequence[int], width: int = BAR_WIDTH) -> list[Segment]:
    """Return one segment for each value, in proportion, with gaps; together as wide as `width`.

    A value above 0 stays visible however small it is. Values must be positive.
    """
    room = width - _GAP * (len(values) - 1)
    spare = room - _LEAST * len(values)
    total = sum(values)
    segments, x, taken, seen = [], 0, 0, 0
    for value in values:
        seen += value
        # Rounding the sum so far, not each width, keeps the total exact.
        end = round(spare * seen / total)
        segments.append(Segment(x, _LEAST + end - taken))
        x, taken = x + segments[-1].width + _GAP, end
    return segments


@dataclass(frozen=True)
class GridLine:
    """A horizontal line of the scale."""

    value: int
    y: int


@dataclass(frozen=True)
class Line:
    """The paths of a line chart, its last point and its scale from the top down."""

    line: str
    area: str
    end: tuple[int, int]
    grid: tuple[GridLine, ...]


def line(points: Sequence[tuple[float, int]]) -> Line:
    """Return a line through `points`, whose x counts in any unit, with a scale that begins at 0.

    The points must be at least two, ordered by x, with values of 0 or more.
    """
    first, last = points[0][0], points[-1][0]
    step = _scale_step(max(value for _, value in points))
    top = step * max(1, -(-max(value for _, value in points) // step))
    placed = [
        (round(LINE_WIDTH * (x - first) / (last - first)), _height(value, top))
        for x, value in points
    ]
    path = "M" + "L".join(f"{x} {y}" for x, y in placed)
    grid = tuple(GridLine(value, _height(value, top)) for value in range(top, -1, -step))
    return Line(path, f"{path}V{LINE_HEIGHT}H0Z", placed[-1], grid)


def _height(value: int, top: int) -> int:
    return round(LINE_HEIGHT * (top - value) / top)


def _scale_step(highest: int) -> int:
    """Return the smallest of 1, 2, 5, 10, 20 ... that needs few lines."""
    power = 1
    while True:
        for nice in _NICE:
            if highest <= nice * power * _MOST_GRID_LINES:
                return nice * power
        power *= 10


STRIP_HEIGHT = 24
STRIP_STEP = 4


def strip(states: Sequence[str]) -> dict[str, str]:
    """Return one path for each state of a strip of cells, as a line at the bottom.

    Neighbors are one stroke: the stylesheet dashes it into cells and gives it its height.
    """
    paths: dict[str, str] = {}
    begins = 0
    for number in range(1, len(states) + 1):
        if number == len(states) or states[number] != states[begins]:
            move = f"M{begins * STRIP_STEP} {STRIP_HEIGHT}H{number * STRIP_STEP}"
            paths[states[begins]] = paths.get(states[begins], "") + move
            begins = number
    return paths
