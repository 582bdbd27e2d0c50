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
