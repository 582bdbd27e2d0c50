"""System page: the state of every part of Aura, also while a part does not answer."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from rq.registry import FailedJobRegistry

import app as aura
from app import queue, queue_status
from app.domain import system
from app.domain.mail import outbox
from app.domain.notifications import delivery
from app.domain.plugin_release import METADATA
from app.domain.system import BAD, CHECK, GOOD, UNKNOWN
from app.models import migrate
from app.models.audit import Verification
from app.models.base import db, utcnow
from app.smtp import SendingFailed
from jobs import periodic, schedule, worker
from tests.support.emails import turn_email_on
from tests.support.running_redis import running_redis

PAGE = "/settings/system"


def checks(config):
    return {check.name: check for check in system.run_checks(config, utcnow())}


@pytest.fixture
def redis(tmp_path, config):
    with running_redis(tmp_path / "r.sock") as url:
        yield replace(config, redis_url=url), queue.connect(url)


def test_without_redis_the_page_says_so(as_ana, config):
    page = as_ana.get(PAGE)
    assert page.status_code == 200
    assert "Redis does not answer" in page.text
    assert checks(config)["Queue"].state == BAD
    assert checks(config)["Worker"].state == checks(config)["Scheduler"].state == UNKNOWN


@pytest.mark.parametrize("person", ["as_ana", "as_ben", "as_cleo"])
def test_the_agency_sees_every_part(person, request, as_ana):
    text = request.getfixturevalue(person).get(PAGE).text
    found = re.findall(r"<h2>([^<]+)</h2>", text)
    assert found == [
        *("Version", "Database", "Schema", "Queue", "Worker", "Scheduler"),
        *("Backup", "Audit log", "E-mail", "Disk"),
    ]


def test_a_client_user_sees_neither_the_page_nor_a_link(as_dora):
    assert as_dora.get(PAGE).status_code == 403
    assert PAGE not in as_dora.get("/settings").text


def test_the_page_shows_no_secrets(as_ana, config, app):
    app.config["AURA"] = replace(config, redis_url="redis://user:hunter2@127.0.0.1:1/0")
    text = as_ana.get(PAGE).text
    assert "hunter2" not in text
    assert config.secret_key not in text
    assert str(config.var_dir) not in text


@pytest.mark.parametrize("page", ["agency", "privacy", "security", "system"])
def test_each_page_of_settings_takes_at_most_twelve_queries(as_ana, paired, monkeypatch, page):
    queries = []
    execute = db.obj.execute_sql

    def counted(sql, *values, **more):
        queries.append(sql)
        return execute(sql, *values, **more)

    monkeypatch.setattr(db.obj, "execute_sql", counted)
    assert as_ana.get(f"/settings/{page}").status_code == 200
    assert 3 < len([query for query in queries if query.startswith("SELECT")]) <= 12


# ---- program and database ----


def test_the_version_is_that_of_the_package(config, database):
    pyproject = (Path(aura.__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    assert f'version = "{aura.__version__}"' in pyproject
    assert f"Aura {aura.__version__}, offers no SiteAgent" in checks(config)["Version"].summary


def test_a_damaged_release_is_named(config, database):
    config.plugin_release.mkdir()
    (config.plugin_release / METADATA).write_text("{")
    found = checks(config)["Version"]
    assert (found.state, "make plugin-release" in found.next_step) == (BAD, True)


@pytest.mark.both_databases
def test_the_database_is_named_with_its_size(config, database):
    found = checks(config)
    assert re.match(r"(SQLite|PostgreSQL) \d+\.\d+.*, \d+\.\d MB\.", found["Database"].summary)
    assert float(found["Database"].summary.split(", ")[1].split()[0]) > 0
    assert found["Schema"].summary == f"Up to date: {migrate.read_status()[0][-1]}."


def test_a_missing_migration_is_named(config, database, monkeypatch):
    monkeypatch.setattr(migrate, "read_status", lambda: (["0001_a"], ["0002_b"]))
    found = checks(config)["Schema"]
    assert (found.state, found.summary) == (BAD, "Not applied yet: 0002_b.")
    assert "migrate" in found.next_step


def test_email_is_off_untested_failing_or_works(as_ana, ana, config):
    assert checks(config)["E-mail"].summary == "Turned off: Aura sends no messages."
    turn_email_on(ana, config, utcnow())
    assert checks(config)["E-mail"].state == UNKNOWN
    email = outbox.request_test(by=ana, now=utcnow())

    def refuse(*_):
        raise SendingFailed("login", "535 no")

    delivery.send_email(email.id, config=config, send=refuse)
    found = checks(config)["E-mail"]
    assert (found.state, "Settings → E-mail" in found.next_step) == (BAD, True)
    other = outbox.request_test(by=ana, now=utcnow())

    def refuse_recipient(*_):
        raise SendingFailed("recipient", "550 unknown", is_final=True)

    delivery.send_email(other.id, config=config, send=refuse_recipient)
    outbox.resend(email, by=ana, now=utcnow())
    delivery.send_email(email.id, config=config, send=lambda *_: "250 Ok")
    found = checks(config)["E-mail"]
    assert (found.state, found.summary) == (GOOD, "127.0.0.1 accepted the last message")


# ---- queue and processes ----


def test_an_idle_aura_is_good(redis, database, job_environment, monkeypatch):
    config, connection = redis
    monkeypatch.setattr(periodic, "TASKS", {})
    schedule.Schedule(connection).step()
    process = worker.make_worker(connection)
    process.register_birth()
    try:
        found = checks(config)
    finally:
        process.register_death()
    assert [found[name].state for name in ("Queue", "Failed jobs", "Worker", "Scheduler")] == [
        GOOD,
        GOOD,
        GOOD,
        GOOD,
    ]
    assert found["Queue"].summary == "0 jobs waiting, 0 planned for later."
    assert found["Worker"].summary.startswith("1 process,")
    assert utcnow() - found["Scheduler"].at < timedelta(minutes=1)


def test_without_processes_worker_and_scheduler_are_failing(redis, database):
    found = checks(redis[0])
    assert found["Worker"].state == found["Scheduler"].state == BAD
    assert "Restart Aura" in found["Worker"].next_step


def test_waiting_and_failed_jobs_are_counted(redis, database):
    config, connection = redis
    jobs = queue.open_queue(connection)
    first = jobs.enqueue("jobs.tasks.sync_site", 1)
    jobs.enqueue("jobs.tasks.sync_site", 2)
    jobs.enqueue_in(timedelta(hours=1), "jobs.tasks.sync_site", 3)
    broken = jobs.create_job("jobs.tasks.sync_site", (4,))
    broken.save()
    FailedJobRegistry(queue=jobs).add(broken, ttl=60)
    found = checks(config)
    assert found["Queue"].summary.startswith("2 jobs waiting, 1 planned for later.")
    assert (found["Queue"].state, found["Failed jobs"].state) == (GOOD, CHECK)
    assert found["Failed jobs"].summary.startswith("1 job failed")
    connection.hset(f"rq:job:{first.id}", "enqueued_at", "2026-01-01T00:00:00.000000Z")
    old = checks(config)["Queue"]
    assert (old.state, old.at.year) == (CHECK, 2026)


@pytest.mark.parametrize(("minutes", "state"), [(4, GOOD), (6, BAD)])
def test_a_silent_scheduler_is_failing(redis, database, minutes, state):
    config, connection = redis
    seen = utcnow() - timedelta(minutes=minutes)
    connection.set(queue.SCHEDULE_SEEN, seen.isoformat())
    assert checks(config)["Scheduler"].state == state


@pytest.mark.parametrize("written", ["", "yesterday", "9999999999", "\xff" * 30])
def test_foreign_data_in_redis_breaks_nothing(redis, written):
    config, connection = redis
    connection.set(queue.SCHEDULE_SEEN, written)
    connection.rpush("rq:queue:aura", "gone")
    connection.sadd("rq:workers:aura", "rq:worker:gone")
    found = queue_status.read_status(config.redis_url)
    assert (found.waiting, found.workers) == (1, 0)
    assert found.oldest_at is found.scheduler_seen_at is found.worker_seen_at is None


# ---- backup, audit log, disk ----


def test_an_absent_backup_is_unknown_not_good(config, database):
    found = checks(config)["Backup"]
    assert (found.state, "backup create" in found.next_step) == (UNKNOWN, True)


@pytest.mark.parametrize(("hours", "state"), [(47, GOOD), (49, BAD)])
@pytest.mark.parametrize("place", ["mark", "folder"])
def test_the_newest_backup_counts(config, database, tmp_path, hours, state, place):
    folder = tmp_path / "copies"
    folder.mkdir()
    config = replace(config, backups=folder)
    newest = config.var_dir / "last-backup" if place == "mark" else folder / "aura.db"
    for path, age in ((folder / "older.db", 300), (newest, hours)):
        path.touch()
        at = (utcnow() - timedelta(hours=age)).timestamp()
        os.utime(path, (at, at))
    assert checks(config)["Backup"].state == state


def test_a_missing_backup_folder_is_reported(config, database, tmp_path):
    found = checks(replace(config, backups=tmp_path / "none"))["Backup"]
    assert (found.state, "cannot be read" in found.summary) == (UNKNOWN, True)


def test_the_audit_log_has_the_state_of_its_last_verification(config, ana):
    assert checks(config)["Audit log"].state == UNKNOWN
    now = utcnow()
    Verification.create(
        requested_by="Ana", requested_at=now, ended_at=now, state="whole", entries=5
    )
    found = checks(config)["Audit log"]
    assert (found.state, "intact" in found.summary) == (GOOD, True)
    Verification.update(ended_at=utcnow() - timedelta(hours=49)).execute()
    assert checks(config)["Audit log"].state == CHECK
    Verification.update(state="broken", broken_at=2).execute()
    found = checks(config)["Audit log"]
    assert (found.state, "entry 2" in found.summary) == (BAD, True)


@pytest.mark.parametrize(("free", "state"), [(10, GOOD), (9, CHECK), (1, BAD)])
def test_a_full_disk_is_noticed(config, database, monkeypatch, free, state):
    usage = SimpleNamespace(free=free * 10**9, total=10**11)
    monkeypatch.setattr(system.shutil, "disk_usage", lambda _: usage)
    assert checks(config)["Disk"].state == state
