"""Aura with simulated sites, as `make demo-fleet` starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.fleet.agency import PASSWORD
from tests.wordpress.container import free_port

_ROOT = Path(__file__).parents[2]
_START_S = 300
_READY = "Ctrl-C stops everything"
# A line about a person in the output of the fleet: e-mail address, name, role.
_PERSON = re.compile(r"\s+(\S+@\S+)\s+.+, ((?:owner|manager|operator|viewer|client).*)$")


class RunningFleet:
    """A started fleet. `url` is the address of its Aura."""

    password = PASSWORD

    def __init__(self, sites: int) -> None:
        # The simulated sites listen on the next one.
        port = free_port(2)
        self.url = f"http://127.0.0.1:{port}"
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet", "--sites", str(sites), "--port", str(port)],
            cwd=_ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + _START_S
        while not any(_READY in line for line in list(self._lines)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("The fleet did not start:\n" + "".join(self._lines))
            time.sleep(0.2)

    def email_of(self, role: str) -> str:
        """Return the address with which the first person in this role signs in."""
        people = (_PERSON.match(line) for line in list(self._lines))
        return next(person[1] for person in people if person and person[2].startswith(role))

    def stop(self) -> None:
        """Press Ctrl-C and wait."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=60)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            self._lines.extend(stream)
