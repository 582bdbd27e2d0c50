"""A real WordPress for each test here, the oldest supported and the newest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

# What a web request would have set; WordPress and its plugins read it.
_AROUND = """<?php
$_SERVER += array('REQUEST_METHOD' => 'GET', 'SERVER_PROTOCOL' => 'HTTP/1.1');
$_SERVER += array('REQUEST_URI' => %(path)s);
$_SERVER['HTTP_HOST'] = %(host)s;
$_SERVER['SERVER_SOFTWARE'] = 'Apache';
require %(load)s;
require_once ABSPATH . 'wp-admin/includes/plugin.php';
$value = (function () {
%(code)s
})();
echo "\\n=====", json_encode($value, JSON_THROW_ON_ERROR);
"""


class RealWordPress:
    """A running WordPress with SiteAgent active, and PHP to look inside it.

    `url` is the address of one site of it, where there are several.
    """

    def __init__(self, site: Any, url: str = "") -> None:
        self._site = site
        self.url: str = url or site.url
        self.container: str = site.container
        self.admin: str = site.admin_user
        self.password: str = site.admin_password

    def add_site(self, path: str) -> RealWordPress:
        """One more site of this network."""
        return RealWordPress(self._site, self._site.add_site(path))

    def evaluate(self, code: str) -> Any:
        """The value that PHP `code` returns inside WordPress, in a process of its own."""
        script = _AROUND % {
            "host": json.dumps(urlsplit(self.url).netloc),
            "path": json.dumps(f"{urlsplit(self.url).path}/"),
            "load": json.dumps(f"{self._site.root}/wp-load.php"),
            "code": code,
        }
        printed = self._site.run_php(script)
        assert "\n=====" in printed, printed
        return json.loads(printed.rsplit("\n=====", 1)[1])

    def run_php(self, script: str) -> str:
        """What this script printed, in a process without WordPress: it may be broken."""
        return self._site.run_php(script)

    def evaluate_at_once(self, codes: list[str]) -> list[Any]:
        with ThreadPoolExecutor(len(codes)) as pool:
            return list(pool.map(self.evaluate, codes))


@pytest.fixture(scope="session", params=["oldest", "newest"])
def wp(request: pytest.FixtureRequest) -> Iterator[RealWordPress]:
    from tests.wordpress.site import WordPress

    site = WordPress.start(request.param)
    try:
        yield RealWordPress(site)
    finally:
        site.stop()
