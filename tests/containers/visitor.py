"""A visitor of Aura in a container, without a browser."""

from __future__ import annotations

import re
import time

import requests

_PASSWORD = "correct horse battery staple"
_LINK = re.compile(r"https?://[^/\s]+(/setup/\S+)")
_TOKEN = re.compile(r'name="csrf_token"[^>]* value="([^"]+)"')
_FILE = re.compile(r'action="(/activity/exports/\d+)"')
_REQUEST_S = 30
_EXPORT_S = 120


class Visitor:
    """A visitor of `address`; `authorities` is the file with the CA certificates."""

    def __init__(self, address: str, authorities: str = "") -> None:
        self.address = address
        self._session = requests.Session()
        # Proxies and certificates of this machine have nothing to do with containers.
        self._session.trust_env = False
        self._session.verify = authorities or True

    def get(self, path: str) -> requests.Response:
        return self._session.get(f"{self.address}{path}", timeout=_REQUEST_S)

    def submit(self, page: str, path: str, **typed: str) -> requests.Response:
        """Open a page and send one of its forms to `path`."""
        shown = self.get(page)
        shown.raise_for_status()
        token = _TOKEN.search(shown.text)
        assert token, f"{page} has no form:\n{shown.text[:2000]}"
        answer = self._session.post(
            f"{self.address}{path}", data={"csrf_token": token[1], **typed}, timeout=_REQUEST_S
        )
        answer.raise_for_status()
        return answer

    def become_owner(self, output: str) -> None:
        """Follow the newest set-up link in what Aura printed, and choose a password."""
        path = _LINK.findall(output)[-1]
        typed = {"name": "Ana Jansen", "email": "ana@agency.example"}
        self.submit(path, path, **typed, password=_PASSWORD, again=_PASSWORD)

    def sign_in(self) -> None:
        typed = {"email": "ana@agency.example", "password": _PASSWORD}
        self.submit("/sign-in", "/sign-in", **typed)

    def export(self) -> bytes:
        """Have a worker export the audit log, and download the file."""
        page = "/activity/exports"
        old_files = set(_FILE.findall(self.get(page).text))
        self.submit(page, page, form="zip")
        deadline = time.monotonic() + _EXPORT_S
        while time.monotonic() < deadline:
            if found := set(_FILE.findall(self.get(page).text)) - old_files:
                return self.submit(page, found.pop()).content
            time.sleep(0.5)
        raise AssertionError(f"no export within {_EXPORT_S} s:\n{self.get(page).text}")
