"""Metrics for a monitoring system, protected by a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import TestResponse

from app import queue
from app.config import Config, ConfigError
from app.domain.actor import Actor
from app.models.base import utcnow
from app.models.call_log import OK, SiteCall
from app.models.reports import Sync
from app.models.sites import Site
from tests.support.browsers import Person
from tests.support.factories import make_site
from tests.support.running_redis import running_redis

TOKEN = "metrics-" + "0" * 32


@pytest.fixture
def monitored(app: Flask, config: Config) -> Config:
    app.config["AURA"] = replace(config, metrics_token=TOKEN)
    return app.config["AURA"]


@pytest.fixture
def redis(app: Flask, monitored: Config, tmp_path: Path) -> Iterator[str]:
    with running_redis(tmp_path / "r.sock") as url:
        app.config["AURA"] = replace(monitored, redis_url=url)
        yield url


def request_metrics(person: Person, authorization: str = f"Bearer {TOKEN}") -> TestResponse:
    return person.get("/metrics", headers={"Authorization": authorization})


def read_metrics(person: Person) -> dict[tuple[str, ...], float]:
    """Return each value by the name of its metric and its labels."""
    answer = request_metrics(person)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.both_databases
def test_sites_calls_and_syncs_are_counted(
    anonymous: Person, monitored: Config, ana: Actor, paired: Site
) -> None:
    now = utcnow()
    make_site(ana, now=now, url="https://other.example", name="Other")
    SiteCall.delete().execute()
    for number, (op, outcome, ago) in enumerate(
        [("report", OK, 5), ("report", OK, 50), ("log", "too_slow", 9), ("ping", OK, 90)][::-1]
    ):
        SiteCall.note(f"n{number}", paired.id, op, now - timedelta(minutes=ago))
        SiteCall.finish([f"n{number}"], outcome, 5, 1)
    paired.note(when=(paired.state,), last_success_at=now - timedelta(minutes=7))
    found = read_metrics(anonymous)
    assert found["aura_sites", "new"] == 1
    assert sum(count for key, count in found.items() if key[0] == "aura_sites") == 2
    calls = {key[1:]: value for key, value in found.items() if key[0] == "aura_calls_last_hour"}
    assert calls == {("report", OK): 2, ("log", "too_slow"): 1}
    assert found["aura_syncs_open",] == Sync.select().where(Sync.state == "queued").count() == 1
    assert 420 <= found["aura_sync_lag_seconds",] < 480


def test_jobs_and_processes_are_counted(anonymous: Person, redis: str) -> None:
    jobs = queue.open_queue(queue.connect(redis))
    jobs.enqueue("jobs.tasks.sync_site", 1)
    jobs.enqueue_in(timedelta(hours=1), "jobs.tasks.sync_site", 2)
    queue.connect(redis).set(queue.SCHEDULE_SEEN, (utcnow() - timedelta(seconds=30)).isoformat())
    found = read_metrics(anonymous)
    states = {key[1]: value for key, value in found.items() if key[0] == "aura_jobs"}
    assert states == {"waiting": 1, "delayed": 1, "failed": 0}
    assert (found["aura_queue_up",], found["aura_workers",]) == (1, 0)
    assert 0 <= found["aura_job_waits_seconds",] < 30
    assert 30 <= found["aura_scheduler_silent_seconds",] < 60


def test_without_the_queue_other_metrics_remain(anonymous: Person, monitored: Config) -> None:
    found = read_metrics(anonymous)
    assert found["aura_queue_up",] == 0
    assert not {"aura_jobs", "aura_workers"} & {key[0] for key in found}
    # No site answers either, so there is no lag.
    assert ("aura_sync_lag_seconds",) not in found


@pytest.mark.parametrize("sent", ["", "Bearer ", f"Bearer {TOKEN}0", f"Basic {TOKEN}", "Bearer ü"])
def test_a_wrong_token_does_not_reveal_that_there_are_metrics(
    anonymous: Person, monitored: Config, sent: str
) -> None:
    assert request_metrics(anonymous, sent).status_code == 404


def test_without_a_configured_token_there_are_no_metrics(anonymous: Person) -> None:
    assert request_metrics(anonymous).status_code == 404
    assert request_metrics(anonymous, "Bearer ").status_code == 404


def test_a_short_token_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AURA_METRICS_TOKEN"):
        Config.from_env({"AURA_VAR": str(tmp_path), "AURA_METRICS_TOKEN": "short"})
    env = {"AURA_VAR": str(tmp_path), "AURA_METRICS_TOKEN": TOKEN}
    assert Config.from_env(env).metrics_token == TOKEN
