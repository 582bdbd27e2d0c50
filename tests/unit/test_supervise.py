"""Processes are forked from one image, replaced or ended together, and stopped in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from app.run import supervisor
from app.run.supervisor import Part, Supervisor
from tests.support.config import make_config

_PATIENCE_S = 60
# Generous, for a busy machine. Tests that wait for a limit take longer.
_SOON_S = 25


# ---- the parts, which run in the working directory ----


def wait_forever() -> None:
    Path(f"waits-{os.getpid()}").touch()
    signal.pause()


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path(f"waits-{os.getpid()}").touch()
    while True:
        signal.pause()


def fail() -> None:
    raise ZeroDivisionError("the cause")


def end_the_first_time() -> None:
    if Path("again").exists():
        wait_forever()
    Path("again").touch()


# ---- ----

WAITS = Part("waits", f"{__name__}:wait_forever")
STUBBORN = Part("stubborn", f"{__name__}:ignore_sigterm")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "_REPLACED_AFTER_S", 0.1)
    monkeypatch.setattr(supervisor, "_CUT_OFF_S", 0.3)
    monkeypatch.setattr(supervisor, "_QUICK_STOP_S", 0.3)
    return tmp_path


class Running:
    """A supervisor in its own process."""

    def __init__(self, *parts: Part, stop_within_s: int = 30) -> None:
        self._reader, writer = multiprocessing.Pipe(duplex=False)
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(target=_supervise, args=(parts, stop_within_s, writer))
        self.process.start()
        writer.close()

    def stop(self, number: signal.Signals) -> float:
        """Send a signal and return how long the end took."""
        began = time.monotonic()
        os.kill(self.process.pid or 0, number)
        self.process.join(_PATIENCE_S)
        assert self.process.exitcode is not None
        return time.monotonic() - began

    def why(self) -> str:
        assert self._reader.poll(_PATIENCE_S)
        return self._reader.recv()


def _supervise(parts: tuple[Part, ...], stop_within_s: int, answer: Connection) -> None:
    one = Supervisor(make_config(Path.cwd(), stop_within_s=stop_within_s))
    one.run(parts)
    answer.send(one.why)


def waiting(folder: Path, count: int) -> list[int]:
    """Return the ids of the waiting processes, once there are this many."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        found = sorted(int(path.name.partition("-")[2]) for path in folder.glob("waits-*"))
        if len(found) == count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not {count} processes wait")


def are_gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.fixture(autouse=True)
def _nothing_left(folder: Path) -> Iterator[None]:
    yield
    left = [
        pid
        for pid in (int(path.name[6:]) for path in folder.glob("waits-*"))
        if not are_gone([pid])
    ]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_without_an_error(folder: Path, number: signal.Signals) -> None:
    running = Running(WAITS, WAITS)
    pids = waiting(folder, 2)
    assert running.stop(number) < _SOON_S
    assert (running.why(), running.process.exitcode) == ("", 0)
    assert are_gone(pids)


def test_a_part_stopped_at_the_same_time_is_no_failure(folder: Path) -> None:
    running = Running(WAITS)
    (pid,) = waiting(folder, 1)
    own = running.process.pid or 0
    # As a service manager does. The supervisor sees both signals at once.
    os.kill(own, signal.SIGSTOP)
    os.kill(own, signal.SIGTERM)
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.3)
    os.kill(own, signal.SIGCONT)
    assert running.why() == ""


def test_a_part_that_does_not_end_is_killed_after_the_limit(folder: Path) -> None:
    running = Running(STUBBORN, WAITS, stop_within_s=2)
    waiting(folder, 2)
    assert 2 <= running.stop(signal.SIGTERM) < _SOON_S


def test_ctrl_c_does_not_wait_for_the_limit(folder: Path) -> None:
    running = Running(STUBBORN, stop_within_s=60)
    waiting(folder, 1)
    assert 0.3 <= running.stop(signal.SIGINT) < _SOON_S


def test_all_parts_end_with_one_that_is_not_replaced(folder: Path) -> None:
    running = Running(WAITS, WAITS)
    pids = waiting(folder, 2)
    os.kill(pids[0], signal.SIGKILL)
    assert "The waits process was killed by signal 9, so Aura stops." in running.why()
    running.process.join(_PATIENCE_S)
    assert are_gone(pids)


def test_a_failing_part_reports_its_error(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    running = Running(WAITS, Part("broken", f"{__name__}:fail"))
    assert "The broken process exited with status 1" in running.why()
    running.process.join(_PATIENCE_S)
    assert "ZeroDivisionError: the cause" in capfd.readouterr().out


def test_a_replaced_part_ends_no_other(folder: Path) -> None:
    running = Running(WAITS, Part("again", f"{__name__}:end_the_first_time", is_replaced=True))
    waiting(folder, 2)
    assert running.process.is_alive()
    running.stop(signal.SIGTERM)
    assert running.why() == ""


def test_all_parts_end_when_the_supervisor_is_killed(folder: Path) -> None:
    running = Running(WAITS, WAITS)
    pids = waiting(folder, 2)
    running.stop(signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE_S
    while not are_gone(pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert are_gone(pids)
