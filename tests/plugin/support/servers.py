"""Run commands on the machine of a real WordPress, and change its PHP settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.wordpress.engine import docker

_FILE = "for one in /etc/php/*/apache2/conf.d; do %s; done"
# Waits until all processes with the former settings have ended. A zombie process answers no
# request, so it counts as ended.
_RESTART = """
set +u; . /etc/apache2/envvars
former=$(pgrep --parent "$(cat "$APACHE_PID_FILE")")
apache2 -k graceful
for process in $former; do
    for _ in {1..600}; do
        grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$process/status" || continue 2
        sleep 0.05
    done
    echo "Apache's process $process did not end." >&2; exit 1
done
"""


def shell(wp: Any, script: str) -> str:
    """Run a script as root on the machine of the site; return its output."""
    return docker("exec", "-i", wp.container, "bash", "-euc", script)


@contextmanager
def php_settings(wp: Any, settings: str) -> Iterator[None]:
    """Add settings to the web server's php.ini for a while; this restarts PHP twice."""
    write = f"printf '%s\\n' '{settings}' > $one/zz-setting.ini"
    shell(wp, f"{_FILE % write}; {_RESTART}")
    try:
        yield
    finally:
        shell(wp, f"{_FILE % 'rm $one/zz-setting.ini'}; {_RESTART}")
