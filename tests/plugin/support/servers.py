"""Settings of the web server under a real WordPress, and other web servers beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.wordpress.engine import docker

_FILE = "for one in /etc/php/*/apache2/conf.d; do %s; done"
_RESTART = "set +u; . /etc/apache2/envvars; apache2 -k graceful"
_PATIENCE_S = 30


def shell(wp: Any, script: str) -> str:
    """What this script printed, run as root on the machine of the site."""
    return docker("exec", "-i", wp.container, "bash", "-euc", script)


@contextmanager
def php_settings(wp: Any, settings: str) -> Iterator[None]:
    """While it lasts, php.ini of the web server says this too; PHP is restarted twice."""
    write = f"printf '%s\\n' '{settings}' > $one/zz-setting.ini"
    shell(wp, f"{_FILE % write}; {_RESTART}")
    _wait(wp)
    try:
        yield
    finally:
        shell(wp, f"{_FILE % 'rm $one/zz-setting.ini'}; {_RESTART}")
        _wait(wp)


def _wait(wp: Any) -> None:
    """Until processes of the new generation answer."""
    time.sleep(1.5)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            requests.get(f"{wp.url}/wp-includes/images/blank.gif", timeout=5)
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the web server did not come back")
