"""Liveness and readiness probes for a load balancer, without an account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from peewee import OperationalError

from app.config import Config
from app.models import migrate
from tests.support.browsers import Person
from tests.support.queries import counted_queries
from tests.support.running_redis import running_redis


@pytest.fixture
def redis(app: Flask, config: Config, tmp_path: Path) -> Iterator[None]:
    with running_redis(tmp_path / "r.sock") as url:
        app.config["AURA"] = replace(config, redis_url=url)
        yield


def probe(person: Person, path: str) -> tuple[int, str]:
    answer = person.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    return answer.status_code, answer.text


def test_the_liveness_probe_sends_no_query(anonymous: Person) -> None:
    with counted_queries() as statements:
        assert probe(anonymous, "/healthz") == (200, "ok\n")
    assert statements == []


def test_aura_is_ready_when_database_and_queue_respond(anonymous: Person, redis: None) -> None:
    assert probe(anonymous, "/readyz") == (200, "ok\n")


def test_aura_is_not_ready_without_the_queue(anonymous: Person) -> None:
    assert probe(anonymous, "/readyz") == (503, "queue\n")


def test_aura_is_not_ready_without_the_database(
    anonymous: Person, redis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("unable to open database file")

    monkeypatch.setattr(migrate, "read_status", fail)
    assert probe(anonymous, "/readyz") == (503, "database\n")


def test_aura_is_not_ready_with_an_older_schema(
    anonymous: Person, redis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "read_status", lambda: ([], ["0002_call_log"]))
    assert probe(anonymous, "/readyz") == (503, "schema\n")
