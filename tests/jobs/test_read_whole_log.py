"""Collect the log of all processes of a running Aura."""

from __future__ import annotations

import json
import os
import signal
import socket
import time

import pytest

from tests.chaos.real import children_of
from tests.e2e.running_aura import RunningAura

_TIMEOUT_S = 30


@pytest.mark.nightly
def test_the_log_of_all_processes_is_json_and_contains_no_link() -> None:
    aura = RunningAura(AURA_LOG="json")
    try:
        token = aura.flask("setup-link").strip().rpartition("/")[2]
        with socket.create_connection(("127.0.0.1", aura.port), timeout=_TIMEOUT_S) as browser:
            head = f"GET /setup/{token} HTTP/1.1\r\nHost: 127.0.0.1:{aura.port}\r\n"
            browser.sendall(f"{head}Connection: close\r\n\r\n".encode())
            assert browser.recv(65536).startswith(b"HTTP/1.1 200 ")
        os.kill(children_of(aura.pid)[-1], signal.SIGKILL)
        time.sleep(3)
        assert aura.stop(signal.SIGTERM) == 0
        lines = [json.loads(line) for line in aura.output.splitlines()]
    finally:
        aura.remove()
    assert {line["process"] for line in lines} == {"supervisor", "web"}
    assert [line["route"] for line in lines if "route" in line] == ["/setup/<token>"]
    assert [line["level"] for line in lines].count("warning") >= 1
    assert token not in aura.output
    assert "/setup/" not in "".join(line["message"] for line in lines if "route" not in line)
