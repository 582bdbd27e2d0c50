"""The health check of a container sends the public host name to the web process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app.run import health


@contextmanager
def web_process(status: int) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yield the port of a server with this answer, and the path and host of each request."""
    requests: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append((self.path, self.headers["Host"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Return the environment of a container."""
    monkeypatch.setenv("AURA_VAR", str(tmp_path))
    monkeypatch.setenv("AURA_BIND", "0.0.0.0")
    monkeypatch.setenv("AURA_ORIGIN", "https://aura.example.com")
    return monkeypatch


@pytest.mark.parametrize(("status", "ends_with"), [(200, 0), (400, 1), (500, 1)])
def test_a_container_is_healthy_only_where_the_answer_is_200(
    status: int, ends_with: int, settings: pytest.MonkeyPatch
) -> None:
    with web_process(status) as (port, requests):
        settings.setenv("PORT", str(port))
        assert health.main() == ends_with
    assert requests == [("/healthz", "aura.example.com")]


def test_a_web_process_that_does_not_answer_is_not_healthy(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.setenv("PORT", str(taken.getsockname()[1]))
        assert health.main() == 1
    assert "does not answer" in capsys.readouterr().out
