"""Settings of the web server under a real WordPress, and other web servers beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.wordpress.engine import docker

_FILE = "for one in /etc/php/*/apache2/conf.d; do %s; done"
# Ends when the last process that knows the former settings has ended. One that its parent has not
# waited for yet answers no request.
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
    """What this script printed, run as root on the machine of the site."""
    return docker("exec", "-i", wp.container, "bash", "-euc", script)


@contextmanager
def php_settings(wp: Any, settings: str) -> Iterator[None]:
    """While it lasts, php.ini of the web server says this too; PHP is restarted twice."""
    write = f"printf '%s\\n' '{settings}' > $one/zz-setting.ini"
    shell(wp, f"{_FILE % write}; {_RESTART}")
    try:
        yield
    finally:
        shell(wp, f"{_FILE % 'rm $one/zz-setting.ini'}; {_RESTART}")
