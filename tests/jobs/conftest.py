"""Provide a Redis server for the tests of how jobs run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from app import queue
from tests.support.running_redis import running_redis


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis") / "s") as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    client = queue.connect(redis_url)
    client.flushall()
    yield client
    client.close()
