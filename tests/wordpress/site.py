"""One WordPress in a container: installed, with outdated plugins, and SiteAgent put on it.

A site belongs to the process that started it. It shares the host's network and listens
on 127.0.0.1, so that it, Aura and a browser know each other under the same addresses.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import requests

from tests.wordpress import container as containers
from tests.wordpress.baked import ADMIN, CONTENT, INSIDE, baked_image
from tests.wordpress.container import DEBUG_LOG, ROOT, PhpFailed
from tests.wordpress.engine import docker
from tests.wordpress.images import image_of
from tests.wordpress.leftovers import remove_leftovers
from tests.wordpress.repository import hostile_files, hostile_plugins

_SITEAGENT = Path(__file__).parents[2] / "wordpress-plugin" / "siteagent"
_SITEAGENT_FILE = "siteagent/siteagent.php"
_PHP = Path(__file__).with_name("php")
_REQUEST_SECONDS = 300
# Files, database and the stand-in for WordPress.org.
_SHARED = (ROOT, "/run/mysqld", "/srv")
_SECOND_SERVER = """
set -e
source /etc/apache2/envvars
install -d "$APACHE_RUN_DIR" "$APACHE_LOCK_DIR"
if [ -f /preload.so ]; then export LD_PRELOAD=/preload.so; fi
exec apache2 -DFOREGROUND
"""


@dataclass(frozen=True)
class WordPress:
    """A running site; `root` is WordPress's folder inside the container."""

    url: str
    version: str
    admin_password: str
    container: str
    secret: str = field(repr=False)
    admin_user: str = ADMIN
    root: str = ROOT

    @classmethod
    def start(
        cls,
        which: str = "newest",
        *,
        siteagent: Literal["active", "installed", "absent"] = "active",
        permalinks: Literal["pretty", "plain"] = "pretty",
        network: Literal["paths", ""] = "",
        hostile: bool = False,
        image: str = "",
        small: Mapping[str, str] | None = None,
        shared: bool = False,
    ) -> Self:
        """Start a fresh site on the machine `which`; building its image first may take minutes.

        With `network` it is the main site of one whose further sites live below it; see
        `add_site`. `hostile` adds a plugin whose headers attack pages that show them. `image`
        is the tag of an image made from a machine's, to run on that one. `small` gives
        folders below wp-content a disk of their own, with its size ("4m"). `shared` puts files
        and database where another web server reaches them; see `second_server`.
        """
        tag = baked_image(image or image_of(which))
        remove_leftovers()
        port, password = containers.free_port(), secrets.token_urlsafe(12)
        url, secret = f"http://127.0.0.1:{port}", secrets.token_urlsafe(24)
        container = containers.create(tag, port, small, _SHARED if shared else ())
        plugins = hostile_plugins() if hostile else []
        if siteagent == "active":
            plugins.append(_SITEAGENT_FILE)
        wanted = {
            "address": url,
            "user": ADMIN,
            "password": password,
            "permalinks": permalinks,
            "plugins": plugins,
        }
        try:
            files = _own_files(secret, siteagent=siteagent != "absent", hostile=hostile)
            containers.put(container, files)
            containers.start(container, port)
            version = docker(
                *("exec", "--user", "www-data", container),
                *("php", f"/{INSIDE}/start.php", json.dumps(wanted)),
            )
            if network:
                containers.run_php(container, _script("network"), url)
        except BaseException:
            containers.remove(container)
            raise
        return cls(url, version, password, container, secret)

    def evaluate(self, code: str, url: str = "") -> Any:
        """Return the value that PHP `code` returns inside WordPress; raises PhpFailed.

        It runs in its own request. `url` is the address of the request for WordPress.
        """
        address = urlsplit(url or self.url)
        answer = self._inside("evaluate", host=address.netloc, path=f"{address.path}/", code=code)
        _, returned, value = answer.text.rpartition("\n=====")
        if not returned:
            log = containers.log_tail(self.container)
            raise PhpFailed(f"{answer.status_code} {answer.text}\n{log}")
        return json.loads(value)

    def run_scheduled_work(self) -> None:
        """Do what WordPress would begin with the next visit, and wait for its end."""
        requests.get(f"{self.url}/wp-cron.php", timeout=_REQUEST_SECONDS).raise_for_status()

    def keep(self) -> None:
        """Keep the database and the files as they are now, for `reset`."""
        self._snapshot("keep")

    def reset(self) -> dict[str, list[str]]:
        """Put back what was kept; return the tables and the files that had changed."""
        return self._snapshot("reset")

    def _snapshot(self, action: str) -> dict[str, list[str]]:
        answer = self._inside("snapshot", do=action)
        if answer.headers.get("Content-Type") != "application/json":
            log = containers.log_tail(self.container)
            raise PhpFailed(f"{answer.status_code} {answer.text}\n{log}")
        return dict(answer.json())

    def _inside(self, what: str, **question: str) -> requests.Response:
        return requests.post(
            f"{self.url}/.inside/{what}",
            json=question,
            headers={"X-Inside-Secret": self.secret},
            timeout=_REQUEST_SECONDS,
        )

    def run_php(self, script: str) -> str:
        """Return what this script (with its `<?php`) printed, run by PHP's command line as
        Apache's user; raises PhpFailed."""
        return containers.run_php(self.container, script)

    def run_shell(self, script: str) -> str:
        """Return what this Bash script printed, run as root; raises EngineFailed."""
        return docker("exec", "--interactive", self.container, "bash", "-euc", script)

    @contextmanager
    def second_server(self, preload: Path | None = None) -> Iterator[Self]:
        """Serve the same files and database from another web server, while the block lasts.

        As behind a load balancer, but each has an address of its own. `preload` is a library
        that its processes load first.
        """
        port = containers.free_port()
        container = containers.create_beside(self.container, port, _SECOND_SERVER)
        try:
            if preload is not None:
                docker("cp", str(preload), f"{container}:/preload.so")
            containers.start(container, port)
            yield replace(self, url=f"http://127.0.0.1:{port}", container=container)
        finally:
            docker("rm", "--force", container)

    def add_site(self, path: str) -> str:
        """Add one more site to this network, below the main one; return its address."""
        containers.run_php(self.container, _script("network-site"), self.url, path)
        return f"{self.url}/{path}"

    def debug_log(self) -> str:
        """Return what WordPress and its plugins complained about so far."""
        return docker("exec", self.container, "cat", DEBUG_LOG)

    def go_down(self) -> None:
        """Accept no connection at this address, until `come_back`."""
        containers.shut_down(self.container)

    def come_back(self) -> None:
        containers.start(self.container, int(self.url.rpartition(":")[2]))

    def full_copy(self) -> Self:
        """Start another container with the same files, database and keys, at its own address.

        As a migration tool leaves it: WordPress there knows its new address.
        """
        port = containers.free_port()
        url = f"http://127.0.0.1:{port}"
        self.backup()
        image = docker("inspect", "--format", "{{.Image}}", self.container).strip()
        container = containers.create(image, port)
        copy = type(self)(url, self.version, self.admin_password, container, self.secret)
        try:
            for path in ("/srv", f"/{CONTENT}", f"{ROOT}/wp-config.php", f"{ROOT}/.htaccess"):
                containers.carry(path, self.container, container)
            containers.start(container, port)
            copy.restore()
            containers.run_php(container, _script("move"), url)
        except BaseException:
            containers.remove(container)
            raise
        return copy

    def backup(self) -> None:
        """Keep the database as it is now, for `restore`."""
        self.run_shell("mariadb-dump test_site > /srv/backup.sql")

    def restore(self) -> None:
        self.run_shell("mariadb test_site < /srv/backup.sql")

    def stop(self) -> None:
        """Remove the site and everything in it."""
        containers.remove(self.container)


def _own_files(secret: str, *, siteagent: bool, hostile: bool) -> Iterator[tuple[str, bytes]]:
    """Return the files that are specific to this site, and SiteAgent."""
    yield f"{ROOT[1:]}/wp-config.php", _wp_config()
    yield f"{INSIDE}/secret", secret.encode()
    if hostile:
        yield from hostile_files(CONTENT)
    if siteagent:
        for path in sorted(_SITEAGENT.rglob("*")):
            if path.is_file():
                name = path.relative_to(_SITEAGENT).as_posix()
                yield f"{CONTENT}/plugins/siteagent/{name}", path.read_bytes()


def _wp_config() -> bytes:
    before, *after = (
        (_PHP / "wp-config.php").read_text("utf-8").split("put your unique phrase here")
    )
    return (before + "".join(secrets.token_urlsafe(48) + rest for rest in after)).encode()


def _script(name: str) -> str:
    return (_PHP / f"{name}.php").read_text("utf-8")
