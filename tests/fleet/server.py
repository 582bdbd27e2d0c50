"""Serve every site of the fleet by HTTP on the loopback interface, each at a path of its own."""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import requests

from app.keys import NotAToken, Token
from app.protocol import SentRequest
from tests.fleet.fleet import Fleet
from tests.fleet.site import Answer, FleetSite
from tests.support.fake_changes import ProcessKilled

HOST = "127.0.0.1"
_MOST_BYTES = 1 << 20
_KEYID = re.compile(r'keyid="([^"]+)"')
# How long an update takes, in seconds, so that pages show it in progress.
_WORKS_S = (2.0, 6.0)


class SiteServer(ThreadingHTTPServer):
    """The web server of all sites. Raises OSError if the port is taken."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.sites: dict[str, FleetSite] = {}

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def address(self, slug: str) -> str:
        """Return the home address of a site."""
        return f"{self.origin}/{slug}"

    def start(self, fleet: Fleet) -> None:
        """Serve the sites of `fleet` in the background."""
        self.sites = {site.home.rpartition("/")[2]: site for site in fleet.sites.values()}
        for site in self.sites.values():
            site.works = lambda: time.sleep(random.uniform(*_WORKS_S))
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    """Find the site by the first part of the path, and reply as that site."""

    server: SiteServer
    server_version, sys_version = "nginx", ""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isdigit() else 0
        self._serve(self.rfile.read(min(size, _MOST_BYTES)))

    def log_message(self, *args: object) -> None:
        """Write nothing, because Aura uses the terminal."""

    def _serve(self, body: bytes) -> None:
        site = self.server.sites.get(self.path.partition("?")[0].split("/")[1])
        if site is None:
            self.send_error(404)
            return
        with site.lock:
            try:
                answer = self._answer(site, body)
            except ProcessKilled:
                answer = None
        self.close_connection = True
        if answer is None:
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, site: FleetSite, body: bytes) -> Answer | None:
        headers = dict(self.headers.items())
        url = f"{self.server.origin}{self.path}"
        if site.trouble or not body:
            return site.visit(url, headers, body)
        if self.path.endswith("/paste"):
            return _paste(site, parse_qs(body.decode()).get("token", [""])[0])
        named = _KEYID.search(headers.get("Signature-Input", ""))
        keyid = named[1] if named else ""
        # The connection test signs with keys that no site has.
        if keyid and not site.knows_key(keyid):
            return site.visit(url, headers, body)
        if not keyid and b'"revoke"' not in body:
            return site.visit(url, headers, body)
        return site.receive(SentRequest(url, headers, body, "", keyid))


def _paste(site: FleetSite, token: str) -> Answer:
    """Accept a pairing token, and notify Aura as SiteAgent does."""
    plain = {"Content-Type": "text/plain; charset=UTF-8"}
    try:
        origin = Token.read(token).origin
        site.paste(token)
    except NotAToken:
        return 400, plain, b"This is not a pairing token."
    notice = site.ready_notice(origin, token)
    threading.Thread(target=_send, args=(notice,), daemon=True).start()
    return 200, plain, b"Pairing token saved. Aura connects within seconds."


def _send(notice: SentRequest) -> None:
    """Send a notice after the page was sent. If it fails, Aura syncs later."""
    with contextlib.suppress(requests.RequestException):
        requests.post(notice.url, data=notice.body, headers=notice.headers, timeout=10)
