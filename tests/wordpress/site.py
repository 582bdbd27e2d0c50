"""One WordPress in a container: installed, with outdated plugins, and SiteAgent put on it.

A site belongs to the process that started it. It shares the host's network and listens
on 127.0.0.1, so that it, Aura and a browser know each other under the same addresses.
"""

from __future__ import annotations

import io
import json
import secrets
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tests.wordpress.engine import EngineFailed, docker
from tests.wordpress.images import image_of
from tests.wordpress.leftovers import LABEL, owner, remove_leftovers
from tests.wordpress.repository import active_plugins, installed_files, repository_files

_SITEAGENT = Path(__file__).parents[2] / "wordpress-plugin" / "siteagent"
_SITEAGENT_FILE = "siteagent/siteagent.php"
_PHP = Path(__file__).with_name("php")
_ROOT = "/var/www/wordpress"
_CONTENT = f"{_ROOT}/wp-content".lstrip("/")
_DEBUG_LOG = "/srv/debug.log"
_TITLE = "Harbour Bakery"
_ADMIN = "webmaster"
_WWW_DATA = 33  # the same number on every Debian, and in the official image
_START_SECONDS = 60


class PhpFailed(RuntimeError):
    """A PHP script ended with an error; the text holds what it and WordPress's log said last."""


@dataclass(frozen=True)
class WordPress:
    """A running site; `root` is WordPress's folder inside the container."""

    url: str
    version: str
    admin_password: str
    container: str
    admin_user: str = _ADMIN
    root: str = _ROOT

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
    ) -> Self:
        """A fresh site on the machine `which`; building its image first may take minutes.

        With `network` it is the main site of one whose further sites live below it; see
        `add_site`. `hostile` adds a plugin whose headers attack whoever shows them. `image`
        is the tag of an image made from a machine's, to run on that one. `small` gives
        folders below wp-content a disk of their own, with its size ("4m").
        """
        tag = image or image_of(which)
        remove_leftovers()
        port, password = _free_port(), secrets.token_urlsafe(12)
        url = f"http://127.0.0.1:{port}"
        container = _create(tag, port, small)
        try:
            files = _files(siteagent=siteagent != "absent", hostile=hostile)
            docker("cp", "--archive", "-", f"{container}:/", stdin=_tar(files))
            docker("start", container)
            _wait(container, port)
            _php(container, _script("install"), url, _TITLE, _ADMIN, password)
            plugins = active_plugins(hostile=hostile)
            if siteagent == "active":
                plugins.append(_SITEAGENT_FILE)
            wanted = {"address": url, "permalinks": permalinks, "plugins": plugins}
            version = _php(container, _script("finish"), json.dumps(wanted))
            if network:
                _php(container, _script("network"), url)
        except BaseException:
            _remove(container)
            raise
        return cls(url, version, password, container)

    def run_php(self, script: str) -> str:
        """What this script (with its `<?php`) printed, run as Apache's user; raises PhpFailed."""
        return _php(self.container, script)

    def run_shell(self, script: str) -> str:
        """What this Bash script printed, run as root; raises EngineFailed."""
        return docker("exec", "--interactive", self.container, "bash", "-euc", script)

    def add_site(self, path: str) -> str:
        """The address of one more site of this network, below the main one."""
        _php(self.container, _script("network-site"), self.url, path)
        return f"{self.url}/{path}"

    def debug_log(self) -> str:
        """What WordPress and its plugins complained about so far."""
        return docker("exec", self.container, "cat", _DEBUG_LOG)

    def go_down(self) -> None:
        """Nobody answers at this address any more, until `come_back`."""
        # The machine ends with its database, which then has written everything down; Apache
        # is cut off, and would not start again beside the number of its former process.
        self.run_shell("rm -f /run/apache2/apache2.pid")
        docker("exec", "--detach", self.container, "mariadb-admin", "shutdown")
        docker("wait", self.container)

    def come_back(self) -> None:
        docker("start", self.container)
        _wait(self.container, int(self.url.rpartition(":")[2]))

    def full_copy(self) -> Self:
        """Another machine with the same files, database and keys, at an address of its own.

        As a migration tool leaves it: WordPress there knows its new address.
        """
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        self.backup()
        image = docker("inspect", "--format", "{{.Image}}", self.container).strip()
        container = _create(image, port)
        copy = type(self)(url, self.version, self.admin_password, container)
        try:
            for path in ("/srv", f"/{_CONTENT}", f"{_ROOT}/wp-config.php", f"{_ROOT}/.htaccess"):
                _carry(path, self.container, container)
            docker("start", container)
            _wait(container, port)
            copy.restore()
            _php(container, _script("move"), url)
        except BaseException:
            _remove(container)
            raise
        return copy

    def backup(self) -> None:
        """Keep the database as it is now, for `restore`."""
        self.run_shell("mariadb-dump test_site > /srv/backup.sql")

    def restore(self) -> None:
        self.run_shell("mariadb test_site < /srv/backup.sql")

    def stop(self) -> None:
        """Remove the site and everything in it."""
        _remove(self.container)


def _create(image: str, port: int, small: Mapping[str, str] | None = None) -> str:
    """A machine that is not running yet, and is removed with this process if not before."""
    labelled = ("--label", f"{LABEL}={owner()}", "--env", f"PORT={port}")
    disks = [word for one in (small or {}).items() for word in _disk(*one)]
    return docker("create", "--network", "host", *labelled, *disks, image).strip()


def _carry(path: str, source: str, target: str) -> None:
    """Copy a file or folder from one machine to another, with its owner."""
    packed = subprocess.run(
        ["docker", "cp", f"{source}:{path}", "-"], capture_output=True, check=True
    )
    parent = path.rpartition("/")[0] or "/"
    docker("cp", "--archive", "-", f"{target}:{parent}", stdin=packed.stdout)


def _files(*, siteagent: bool, hostile: bool) -> Iterator[tuple[str, bytes]]:
    yield f"{_ROOT[1:]}/wp-config.php", _wp_config()
    yield _DEBUG_LOG[1:], b""
    stand_in = (_PHP / "wordpress-org.php").read_bytes()
    yield f"{_CONTENT}/mu-plugins/wordpress-org.php", stand_in
    yield from repository_files()
    yield from installed_files(_CONTENT, hostile=hostile)
    if siteagent:
        for path in sorted(_SITEAGENT.rglob("*")):
            if path.is_file():
                name = path.relative_to(_SITEAGENT).as_posix()
                yield f"{_CONTENT}/plugins/siteagent/{name}", path.read_bytes()


def _disk(folder: str, size: str) -> tuple[str, str]:
    owned = f"uid={_WWW_DATA},gid={_WWW_DATA},mode=0755"
    return "--tmpfs", f"/{_CONTENT}/{folder}:rw,size={size},{owned}"


def _wp_config() -> bytes:
    before, *after = (
        (_PHP / "wp-config.php").read_text("utf-8").split("put your unique phrase here")
    )
    return (before + "".join(secrets.token_urlsafe(48) + rest for rest in after)).encode()


def _script(name: str) -> str:
    return (_PHP / f"{name}.php").read_text("utf-8")


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive in which everything belongs to Apache, the folders included."""
    buffer, made = io.BytesIO(), set()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files:
            # Folders of the image keep their owner: only those of the site are named here.
            for folder in [one for one in reversed(Path(name).parents) if len(one.parts) > 1]:
                if folder not in made:
                    made.add(folder)
                    archive.addfile(_entry(folder.as_posix(), tarfile.DIRTYPE, 0o755))
            entry = _entry(name, tarfile.REGTYPE, 0o644)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, int(time.time())
    entry.uid = entry.gid = _WWW_DATA
    return entry


def _wait(container: str, port: int) -> None:
    """Until Apache accepts connections, which it does after the database."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if docker("inspect", "--format", "{{.State.Running}}", container).strip() != "true":
            break
        time.sleep(0.1)
    raise EngineFailed(f"The site did not start:\n{_logs(container)}")


def _logs(container: str) -> str:
    command = ["docker", "logs", "--tail", "40", container]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def _php(container: str, script: str, *arguments: str) -> str:
    done = subprocess.run(
        ["docker", "exec", "-i", "-u", "www-data", container, "php", "--", *arguments],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # WordPress keeps its errors off the screen and writes them to its log.
        log = docker("exec", container, "tail", "-n", "8", _DEBUG_LOG)
        said = f"{done.stderr}\n{done.stdout[-400:]}\n{log}"
        raise PhpFailed(f"PHP ended with {done.returncode}\n{said}")
    return done.stdout


def _remove(container: str) -> None:
    docker("rm", "--force", "--volumes", container)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
