"""Log which job failed, on which row and why."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from app import queue
from jobs import tasks, worker
from tests.support.json_log import JsonLog, recorded


@pytest.fixture
def log(tmp_path: Path) -> Iterator[JsonLog]:
    with recorded("worker", tmp_path / "log") as found:
        yield found


def perform(redis: Redis, name: str, *ids: int) -> None:
    """Run a job in this process."""
    queue.open_queue(redis).enqueue(f"jobs.tasks.{name}", *ids, **queue.OPTIONS).perform()


def test_a_finished_job_logs_its_result_and_its_row(
    redis: Redis, log: JsonLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "sync_site", lambda sync_id: "done")
    perform(redis, "sync_site", 4711)
    (line,) = log.lines
    assert (line["level"], line["message"]) == ("info", "The job ended: done")
    assert (line["process"], line["job"], line["job_ids"]) == ("worker", "sync_site", [4711])
    assert line["duration_ms"] >= 0


def test_a_failed_job_logs_the_reason(
    redis: Redis, log: JsonLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(change_id: int) -> str:
        raise ZeroDivisionError("the cause")

    monkeypatch.setattr(tasks, "run_change", fail)
    with pytest.raises(ZeroDivisionError):
        perform(redis, "run_change", 12)
    (line,) = log.lines
    assert (line["level"], line["job"], line["job_ids"]) == ("error", "run_change", [12])
    assert line["exception"].endswith("ZeroDivisionError: the cause")


def test_the_arguments_of_a_foreign_job_are_not_logged(redis: Redis, log: JsonLog) -> None:
    job = queue.open_queue(redis).enqueue("os.mkdir", "a-secret", {"more": 1}, **queue.OPTIONS)
    with pytest.raises(queue.JobRefused):
        job.perform()
    (line,) = log.lines
    assert (line["job"], line["job_ids"]) == ("os.mkdir", [])
    assert "a-secret" not in log.text


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), "its process was killed by signal 9"),
        (lambda _: os._exit(3), "its process exited with status 3"),
    ],
    ids=["raised", "killed", "exited"],
)
def test_a_worker_names_the_job_that_failed_once(
    redis: Redis,
    log: JsonLog,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[int], object],
    words: str,
) -> None:
    monkeypatch.setattr(tasks, "run_change", end)
    queue.open_queue(redis).enqueue("jobs.tasks.run_change", 12, **queue.OPTIONS)
    monkeypatch.setenv("REDIS_URL", f"unix://{redis.connection_pool.connection_kwargs['path']}")
    worker.work(is_burst=True)
    about = [line for line in log.lines if line.get("job") == "run_change"]
    assert [line["job_ids"] for line in about] == [[12]]
    assert words in about[0]["message"] + about[0].get("exception", "")
    assert log.text.count("Traceback") <= 1
