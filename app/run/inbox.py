"""Signals that a process receives between its steps, instead of in the middle of one."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class SignalInbox:
    """Collects these signals in the order of their arrival.

    Create it in the main thread. Other threads may call `wake`.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self.received: list[signal.Signals] = []
        self._read, self._write = os.pipe()
        self._before = {number: signal.signal(number, self._receive) for number in numbers}

    def wait(self, seconds: float | None = None) -> None:
        """Return when a signal has arrived or `wake` was called since the last time, or later."""
        if select.select([self._read], [], [], seconds)[0]:
            os.read(self._read, 4096)

    def wake(self) -> None:
        """Make `wait` return."""
        os.write(self._write, b"\0")

    def close(self) -> None:
        """Restore what these signals did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(signal.Signals(number))
        self.wake()
