"""Put work into the queue, and lose none of it when the queue fails."""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import pairing
from app.domain.inventory import site_sync
from app.models.reports import Sync
from app.models.sites import Site
from jobs import periodic, schedule, tasks
from tests.support.fakes import Clock, RecordingQueue
from tests.support.running_redis import running_redis


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with running_redis(tmp_path_factory.mktemp("redis") / "s") as url:
        client = queue.connect(url)
        yield client
        client.close()


@pytest.fixture
def backend(redis: Redis) -> queue.RedisBackend:
    redis.flushall()
    path = redis.connection_pool.connection_kwargs["path"]
    return queue.RedisBackend(f"unix://{path}")


def test_a_job_is_a_name_and_ids_as_json(redis: Redis, backend: queue.RedisBackend) -> None:
    backend.put("sync_site", (7,), 0)
    (job,) = queue.open_queue(redis).jobs
    assert (job.func_name, job.args, job.kwargs) == ("jobs.tasks.sync_site", [7], {})
    (raw,) = [redis.hget(key, "data") for key in redis.scan_iter("rq:job:*")]
    assert zlib.decompress(raw) == b'["jobs.tasks.sync_site", null, [7], {}]'


def test_a_waiting_job_is_queued_once_and_a_running_one_may_be_again(
    redis: Redis, backend: queue.RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "sync_site", lambda sync_id: "gone")
    for _ in range(3):
        backend.put("sync_site", (7,), 0)
        backend.put("sync_site", (8,), 0)
    waiting = queue.open_queue(redis)
    assert sorted(job.args[0] for job in waiting.jobs) == [7, 8]
    # A worker starts one of the jobs; it finds no such sync.
    begun = next(job for job in waiting.jobs if job.args == [7])
    begun.perform()
    backend.put("sync_site", (7,), 0)
    assert sorted(job.args[0] for job in waiting.jobs) == [7, 7, 8]


def test_jobs_that_read_the_whole_audit_log_may_take_hours(
    redis: Redis, backend: queue.RedisBackend
) -> None:
    backend.put("export_audit_log", (1,), 0)
    backend.put("run_change", (1,), 0)
    limits = {job.func_name: job.timeout for job in queue.open_queue(redis).jobs}
    assert limits["jobs.tasks.export_audit_log"] > 3600 > limits["jobs.tasks.run_change"]


def test_a_delayed_job_waits_for_its_time(redis: Redis, backend: queue.RedisBackend) -> None:
    backend.put("pair_site", (7,), 30)
    waiting = queue.open_queue(redis)
    assert waiting.jobs == []
    assert waiting.scheduled_job_registry.count == 1


def test_a_queue_that_is_down_does_not_undo_a_decision(
    site: Site, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    jobs.down = RedisDown("away")
    token, _ = pairing.issue_token(site, by=ana, config=config, now=clock())
    assert site.waiting_token() == token
    jobs.down = None
    assert pairing.recover_pairings(clock.advance(minutes=2)) == 1
    assert jobs.jobs == [("pair_site", (token.id,), 0)]


def test_an_unreachable_redis_raises_nothing(
    paired: Site, ana: Actor, tmp_path: Path, clock: Clock
) -> None:
    queue.use(queue.RedisBackend(f"unix://{tmp_path}/nobody"))
    Sync.delete().execute()
    assert site_sync.request_sync(paired, by=ana, now=clock()).state == "queued"


def test_a_hanging_redis_does_not_delay_every_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue, "_REDIS_ANSWERS_S", 0.3)
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(tmp_path / "redis.sock"))
        hangs.listen()
        backend = queue.RedisBackend(f"unix://{tmp_path}/redis.sock")
        queue.use(backend)
        began = time.monotonic()
        assert queue.enqueue_rows("run_change", range(20)) == 20
        assert time.monotonic() - began < 20 * 0.3 / 2
    assert caplog.text.count("is left to the schedule") == 20
    backend._silent_until = time.monotonic()
    with pytest.raises(RedisDown):
        backend.put("run_change", (1,), 0)


# ---- the schedule ----


@pytest.fixture
def own_queue(redis: Redis, database: Config, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """An empty queue that the periodic tasks find in their environment, like the database."""
    redis.flushall()
    monkeypatch.setenv("AURA_VAR", str(database.var_dir))
    monkeypatch.setenv("DATABASE_URL", database.database_url)
    monkeypatch.setenv("REDIS_URL", f"unix://{redis.connection_pool.connection_kwargs['path']}")
    return redis


def test_the_schedule_runs_the_periodic_tasks_once_a_minute(
    own_queue: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(periodic, "TASKS", {"only": lambda *_: len(ran.append("only") or ran)})
    stopwatch = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(schedule, "time", SimpleNamespace(monotonic=lambda: stopwatch.seconds))
    plan = schedule.Schedule(own_queue)
    assert [plan.step(), plan.step()] == [2.0, 2.0]
    assert ran == ["only"]
    assert own_queue.get(queue.SCHEDULE_SEEN) is not None
    for later, times in ((59.9, 1), (0.1, 2)):
        stopwatch.seconds += later
        plan.step()
        assert ran == ["only"] * times


def test_the_schedule_enqueues_delayed_jobs_when_they_are_due(
    own_queue: Redis, backend: queue.RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "TASKS", {})
    backend.put("pair_site", (7,), 30)
    backend.put("pair_site", (8,), 60)
    plan, waiting = schedule.Schedule(own_queue), queue.open_queue(own_queue)
    registry = waiting.scheduled_job_registry
    plan.step()
    assert waiting.jobs == []
    soon, later = registry.get_job_ids()
    times = [registry.get_scheduled_time(job).timestamp() - time.time() for job in (soon, later)]
    assert 20 < times[0] < 31 < 50 < times[1] < 61
    # Move the time of the first job forward instead of waiting for it.
    own_queue.zadd(registry.key, {soon: int(time.time()) - 1})
    plan.step()
    assert [job.args for job in waiting.jobs] == [[7]]
    assert registry.get_job_ids() == [later]


def test_one_of_two_schedulers_queues_delayed_jobs_until_the_other_must(
    own_queue: Redis, backend: queue.RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "TASKS", {})
    monkeypatch.setattr(schedule, "EVERY_S", 0)
    first, second, waiting = (
        schedule.Schedule(own_queue),
        schedule.Schedule(own_queue),
        queue.open_queue(own_queue),
    )
    first.step()
    backend.put("pair_site", (7,), 1)
    time.sleep(1.1)
    second.step()
    assert waiting.jobs == []
    # The lock of a killed scheduler expires within about a minute.
    (lock,) = own_queue.keys("rq:scheduler-lock:*")
    assert 0 < own_queue.ttl(lock) <= 61
    own_queue.delete(lock)
    second.step()
    assert [job.args for job in waiting.jobs] == [[7]]


def test_a_periodic_task_that_fails_is_logged_and_tried_again(
    own_queue: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(config: Config, now: datetime) -> int:
        raise RuntimeError("out of order")

    monkeypatch.setattr(periodic, "TASKS", {"broken": break_down})
    monkeypatch.setattr(schedule, "EVERY_S", 0)
    plan = schedule.Schedule(own_queue)
    plan.step()
    plan.step()
    assert caplog.text.count("RuntimeError: out of order") == 2


def test_a_periodic_task_that_hangs_is_killed_and_the_others_run(
    own_queue: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    hangs = {name: lambda *_: time.sleep(60) for name in ("first", "second")}
    monkeypatch.setattr(periodic, "TASKS", hangs | {"last": lambda *_: ran.append("last")})
    monkeypatch.setattr(queue, "JOB_TIMEOUT_S", 1)
    began = time.monotonic()
    schedule.Schedule(own_queue).step()
    assert ran == ["last"]
    assert 2 <= time.monotonic() - began < 30
    assert "JobTimeoutException" in caplog.text


def test_a_periodic_task_that_fails_does_not_stop_the_others(
    database: Config, job_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def break_down(config: Config, now: datetime) -> int:
        raise RuntimeError("out of order")

    tasks = {"first": lambda *_: ran.append("first"), "broken": break_down}
    monkeypatch.setattr(periodic, "TASKS", tasks | {"last": lambda *_: ran.append("last")})
    with pytest.raises(RuntimeError, match="out of order"):
        periodic.run()
    assert ran == ["first", "last"]


def test_the_schedule_waits_for_an_unreachable_redis_and_logs_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(periodic, "TASKS", {"only": lambda *_: ran.append("only")})
    plan = schedule.Schedule(queue.connect(f"unix://{tmp_path}/absent"))
    assert [plan.step() for _ in range(3)] == [2.0, 2.0, 2.0]
    assert caplog.text.count("Redis is unreachable") == 1
    assert ran == []
