"""A running WordPress with SiteAgent, and PHP code run inside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.wordpress.site import WordPress


class RealWordPress:
    """A WordPress site; `url` is the address of one site of a network."""

    def __init__(self, site: WordPress, url: str = "") -> None:
        self._site = site
        self.url: str = url or site.url
        self.container: str = site.container
        self.admin: str = site.admin_user
        self.password: str = site.admin_password

    def add_site(self, path: str) -> RealWordPress:
        """Add one more site to this network."""
        return RealWordPress(self._site, self._site.add_site(path))

    def evaluate(self, code: str) -> Any:
        """Return the value that PHP `code` returns inside WordPress, in a request of its own."""
        return self._site.evaluate(code, self.url)

    def run_php(self, script: str) -> str:
        """Return what this script printed, in a process without WordPress: it may be broken."""
        return self._site.run_php(script)

    def evaluate_at_once(self, codes: list[str]) -> list[Any]:
        """Return the values of several codes, which run side by side."""
        with ThreadPoolExecutor(len(codes)) as pool:
            return list(pool.map(self.evaluate, codes))
