"""A site whose database is read-only: the dashboard gets a signed 503 response."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import (
    connect,
    document_of,
    forget,
    is_turned_away,
    ping,
    send,
)
from tests.wordpress.engine import docker


@contextmanager
def read_only(wp: Any) -> Iterator[None]:
    def switch(value: int) -> None:
        docker("exec", wp.container, "mariadb", "-e", f"SET GLOBAL read_only = {value}")

    switch(1)
    try:
        yield
    finally:
        switch(0)


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


def test_only_the_holder_of_the_key_gets_a_signed_503(wp, paired) -> None:
    with read_only(wp):
        sent = ping(paired)
        answer = send(sent)
        assert answer.status_code == 503
        assert document_of(paired, sent, answer)["error"]["code"] == "nonce_store_unavailable"
        assert is_turned_away(send(ping(paired, key=b"x" * 32)))
    assert paired.ask("ping").document["ok"] is True
