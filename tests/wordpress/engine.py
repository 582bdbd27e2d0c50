"""Docker's command line: the one way in which this package speaks to the engine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence

_QUIET_SECONDS = 2.0


class EngineFailed(RuntimeError):
    """A command failed; the text has the command and its output."""


def docker(*words: str, stdin: bytes = b"") -> str:
    """Run one docker command and return what it printed; raises EngineFailed."""
    try:
        done = subprocess.run(["docker", *words], input=stdin, capture_output=True, check=False)
    except FileNotFoundError as why:
        raise EngineFailed("Docker is not installed here; `make prepare` helps.") from why
    if done.returncode:
        raise EngineFailed(
            f"docker {' '.join(words)}\n{done.stdout.decode(errors='replace')}"
            f"{done.stderr.decode(errors='replace')}"
        )
    return done.stdout.decode()


def run_aloud(label: str, command: Sequence[str], *, stdin: int | None = None) -> None:
    """Run something long: a sign of life every two seconds, everything when it fails."""
    started = shown_at = time.monotonic()
    last: deque[str] = deque(maxlen=80)
    with subprocess.Popen(
        command,
        stdin=stdin if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line)
            if line.strip() and time.monotonic() - shown_at >= _QUIET_SECONDS:
                shown_at = time.monotonic()
                say(label, f"{shown_at - started:3.0f} s  {line.strip()[:90]}")
    if process.returncode:
        raise EngineFailed(f"{' '.join(command)}\n{''.join(last)}")


def say(label: str, words: str) -> None:
    print(f"[{label}] {words}", file=sys.stderr, flush=True)
