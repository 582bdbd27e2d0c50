"""Refuse foreign jobs in Redis: only listed jobs run, with ids, and nothing after them."""

from __future__ import annotations

import inspect
import json
import multiprocessing
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app import queue
from app.config import Config
from jobs import tasks, worker
from tests.support.hostile_callback import TRACE

CALLBACK = "tests.support.hostile_callback.leave_trace"
# A job of Aura's own, which finds nothing to do.
OWN = ["jobs.tasks.verify_audit_log", None, [4711], {}]


@pytest.fixture
def trace(
    config: Config,
    migrated_file: bytes,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The folder where hostile code would leave a trace; also sets up a worker's environment."""
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    monkeypatch.setenv("AURA_VAR", str(config.var_dir))
    monkeypatch.setenv("DATABASE_URL", config.database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv(TRACE, str(tmp_path / "callback"))
    (tmp_path / "traces").mkdir()
    return tmp_path / "traces"


def hostile_jobs(trace: Path, listener: str) -> dict[str, tuple[list[Any], dict[str, Any]]]:
    """Return by name what a job holds, and its other fields in Redis."""
    dirs = (str(trace / str(number)) for number in range(100))
    hook = {"url": f"{listener}/metadata", "job_status": "finished"}
    jobs: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "any function": (["os.mkdir", None, [next(dirs)], {}], {}),
        "a program": (["subprocess.check_output", None, [["touch", next(dirs)]], {}], {}),
        "through a module of ours": (["jobs.worker.os.mkdir", None, [next(dirs)], {}], {}),
        "our own function, not listed": (["jobs.periodic._run_task", None, [], {}], {}),
        "a method of an instance": (["format", "{0.__class__}", [next(dirs)], {}], {}),
        "a name that is a list": ([[OWN[0]], None, [1], {}], {}),
        "no name": ([None, None, [1], {}], {}),
        "text instead of an id": ([OWN[0], None, [next(dirs)], {}], {}),
        "a truth value instead of an id": ([OWN[0], None, [True], {}], {}),
        "named arguments": ([OWN[0], None, [], {"verification_id": 4711}], {}),
        "an instance beside a listed name": ([OWN[0], "an instance", [4711], {}], {}),
        "a webhook after success": (OWN, {"webhooks": json.dumps([hook])}),
        "a webhook after failure": (
            ["os.mkdir", None, [1, 2, 3], {}],
            {"webhooks": json.dumps([{**hook, "job_status": "failed"}])},
        ),
    }
    for when in ("success", "failure", "stopped"):
        jobs[f"{when} callback of our own job"] = (OWN, {f"{when}_callback_name": CALLBACK})
        failing = ["os.mkdir", None, [1, 2, 3], {}]
        jobs[f"{when} callback of a refused job"] = (failing, {f"{when}_callback_name": CALLBACK})
    return jobs


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and the paths that were requested from it."""
    calls: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    server = HTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", calls
    server.shutdown()
    server.server_close()


def write(redis: Redis, ident: str, data: list[Any], **fields: Any) -> None:
    """Put a job into Redis without rq, as an attacker with access to Redis would."""
    base = {
        "data": zlib.compress(json.dumps(data).encode()),
        "created_at": "2026-11-24T10:00:00.000000Z",
        "origin": queue.NAME,
        "status": "queued",
        "timeout": 60,
    }
    redis.hset(f"rq:job:{ident}", mapping={**base, **fields})
    redis.sadd("rq:queues", f"rq:queue:{queue.NAME}")
    redis.rpush(f"rq:queue:{queue.NAME}", ident)


def work(redis_url: str) -> None:
    """Run Aura's own workers until the queue is empty."""
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(redis_url,))
    process.start()
    process.join(120)
    assert process.exitcode == 0


def _work(redis_url: str) -> None:
    worker.make_worker(queue.connect(redis_url)).work(burst=True)


def status(redis: Redis, ident: str) -> str:
    return redis.hget(f"rq:job:{ident}", "status").decode()


def test_no_job_put_into_redis_runs_as_code(
    redis: Redis, redis_url: str, trace: Path, listener: tuple[str, list[str]]
) -> None:
    address, calls = listener
    hostile = hostile_jobs(trace, address)
    idents = {name: name.replace(" ", "-").replace(",", "") for name in hostile}
    for name, (data, fields) in hostile.items():
        write(redis, idents[name], data, **fields)
    write(redis, "own", OWN)
    work(redis_url)
    assert {name: status(redis, idents[name]) for name in hostile} == dict.fromkeys(
        hostile, "failed"
    )
    assert status(redis, "own") == "finished"
    assert list(trace.iterdir()) == []
    assert not (trace.parent / "callback").exists()
    assert calls == []


def test_a_callback_is_not_even_imported(redis: Redis) -> None:
    names = {f"{when}_callback_name": CALLBACK for when in ("success", "failure", "stopped")}
    write(redis, "hostile", OWN, **names)
    (job,) = queue.open_queue(redis).jobs
    assert (job.success_callback, job.failure_callback, job.stopped_callback) == (None, None, None)


# ---- the list of jobs ----


def test_the_list_contains_every_job() -> None:
    functions = {
        name
        for name, function in inspect.getmembers(tasks, inspect.isfunction)
        if function.__module__ == tasks.__name__ and not name.startswith("_")
    }
    assert functions == queue.JOBS


def test_a_job_that_no_worker_would_run_cannot_be_enqueued() -> None:
    with pytest.raises(ValueError, match="missing from JOBS"):
        queue.enqueue("os.system", 1)
