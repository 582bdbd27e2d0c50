"""Measuring several things fairly on a machine that does other things as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Self


@dataclass(frozen=True)
class Figure:
    """One result, and the most, or the least, it should be.

    `name` stays the same from run to run. A ratio has both values in milliseconds.
    """

    name: str
    what: str
    value: float
    detail: str
    unit: str
    target: float | None = None
    least: float | None = None
    ours_ms: float | None = None
    floor_ms: float | None = None

    @classmethod
    def ratio(
        cls,
        name: str,
        what: str,
        floor: str,
        seconds: Mapping[str, float],
        *,
        target: float | None = None,
    ) -> Self:
        """Return the ratio of `what` to `floor`, both measured in one run."""
        ours, least = seconds[what] * 1000, seconds[floor] * 1000
        detail = f"of {floor} ({ours:.3g} of {least:.3g} ms)"
        return cls(name, what, ours / least, detail, "", target, ours_ms=ours, floor_ms=least)

    @classmethod
    def absolute(
        cls,
        name: str,
        what: str,
        value: float,
        unit: str,
        *,
        note: str = "",
        target: float | None = None,
        least: float | None = None,
    ) -> Self:
        detail = f"{unit}{note}" if unit else note
        return cls(name, what, value, detail, unit, target, least)

    def as_json(self) -> dict[str, str | float | None]:
        """Return the figure for var/bench.json."""
        if self.ours_ms is None:
            numbers = {"value": self.value, "unit": self.unit, "floor": None, "ratio": None}
        else:
            ratio = {"floor": self.floor_ms, "ratio": self.value}
            numbers = {"value": self.ours_ms, "unit": "ms", **ratio}
        return {"name": self.name, **numbers}

    def line(self) -> str:
        figure = f"{self.value:.0f}" if self.value == int(self.value) else f"{self.value:.3f}"
        return f"  {self.what:<34} {figure:>7} {self.detail:<52} {self._verdict()}".rstrip()

    def _verdict(self) -> str:
        if self.least is not None:
            return f"{'above' if self.value >= self.least else 'BELOW'} {self.least:g}"
        if self.target is None:
            return ""
        return f"{'within' if self.value <= self.target else 'BEYOND'} {self.target:g}"


def interleaved(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each, taken in turns (A B C A B C ...): whatever slows the
    machine down for a while slows all of them down. The first turns are not counted."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    warm_up = max(3, rounds // 10)
    for turn in range(warm_up + rounds):
        for name, do in work.items():
            began = time.perf_counter()
            do()
            if turn >= warm_up:
                taken[name].append(time.perf_counter() - began)
    return {name: median(seconds) for name, seconds in taken.items()}
