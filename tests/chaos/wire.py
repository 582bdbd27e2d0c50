"""FakeSites behind real sockets that lose, delay and duplicate messages."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app import protocol
from tests.support.fake_changes import ProcessKilled
from tests.support.fakes import FakeSite

Answer = tuple[int, dict[str, str], bytes]
_GATEWAY: Answer = (502, {"Content-Type": "text/html"}, b"<!doctype html><h1>Bad Gateway</h1>")


class Lost(Exception):
    """The reply is lost."""


@dataclass
class Wire:
    """The connection to each site, by the first part of its path.

    `late_s` outlasts the caller; `answers_after_s` is how long a site takes otherwise.
    """

    dice: random.Random
    late_s: float
    answers_after_s: float = 0.0
    sites: dict[str, FakeSite] = field(default_factory=dict)
    broken: Counter[str] = field(default_factory=Counter)
    is_calm: bool = True
    _earlier: dict[str, Answer] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _throwing: threading.Lock = field(default_factory=threading.Lock)

    def lay(self, name: str, fake: FakeSite) -> None:
        self.sites[name], self._locks[name] = fake, threading.Lock()

    def breaks(self, what: str, one_in: int) -> bool:
        """Return whether this kind of failure occurs now, and count it."""
        with self._throwing:
            if self.is_calm or self.dice.randrange(one_in):
                return False
            self.broken[what] += 1
            return True

    def carry(self, name: str, request: protocol.SentRequest) -> tuple[Answer, int]:
        """Return the reply, and how often it is delivered. Raises: Lost."""
        time.sleep(self.answers_after_s)
        if self.breaks("requests lost", 16):
            raise Lost
        if self.breaks("web pages instead of answers", 20):
            return _GATEWAY, 1
        answer = self._arrive(name, request)
        if self.breaks("requests delivered twice", 12):
            again = self._arrive(name, request)
            answer = again if self.dice.randrange(2) else answer
        earlier, self._earlier[name] = self._earlier.get(name, answer), answer
        if self.breaks("replies lost", 10):
            raise Lost
        if b'"op":"change.run"' in request.body and self.breaks("replies too late", 12):
            time.sleep(self.late_s)
        if self.breaks("earlier replies instead", 16):
            return earlier, 1
        return answer, 2 if self.breaks("replies delivered twice", 10) else 1

    def _arrive(self, name: str, request: protocol.SentRequest) -> Answer:
        fake = self.sites[name]
        with self._locks[name]:
            if b'"op":"change.run"' in request.body and self.breaks("sites killed midway", 14):
                op_id = protocol.parse_json(request.body)["op_id"]
                fake.changes.killed.add(str(op_id))
            try:
                return fake.receive(request)
            except ProcessKilled as why:
                raise Lost from why

    def visit(self, name: str) -> Answer:
        """Request the front page as a visitor."""
        if self.breaks("visitors sent away", 16):
            return _GATEWAY
        status, body = self.sites[name].front_page
        return status, {"Content-Type": "text/html; charset=UTF-8"}, body

    def reconcile(self) -> None:
        """Reconcile a site whose process was killed, as the next WordPress request does."""
        for name, fake in self.sites.items():
            with self._locks[name]:
                for op_id in list(fake.changes.running):
                    fake.changes.reconcile(op_id)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # As many connections at once as several workers open.
    request_queue_size = 1024


@contextmanager
def served(wire: Wire, host: str = "127.0.0.1") -> Iterator[str]:
    """Yield the address of a web server for all sites, on loopback unless `host` differs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            url = f"http://{self.headers['Host']}{self.path}"
            request = protocol.SentRequest(url, dict(self.headers.items()), body, "", "")
            try:
                answer, times = wire.carry(self._name, request)
            except Lost:
                self.close_connection = True
                return
            self._write(answer, times)

        def do_GET(self) -> None:
            self._write(wire.visit(self._name), 1)

        @property
        def _name(self) -> str:
            return self.path.split("/")[1]

        def _write(self, answer: Answer, times: int) -> None:
            status, headers, body = answer
            try:
                for _ in range(times):
                    self.send_response(status)
                    for one in {**headers, "Content-Length": str(len(body))}.items():
                        self.send_header(*one)
                    self.end_headers()
                    self.wfile.write(body)
            except OSError:
                # The caller was killed, or has given up.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = _Server((host, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
