"""Containers of test sites: create one, put files on it, run PHP in it, remove it."""

from __future__ import annotations

import io
import secrets
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.wordpress.engine import EngineFailed, docker
from tests.wordpress.leftovers import LABEL, owner

ROOT = "/var/www/wordpress"
DEBUG_LOG = "/srv/debug.log"
_WWW_DATA = 33  # the same number on every Debian, and in the official image
_START_SECONDS = 180
# All have as many digits: a site's address is exchanged inside serialized PHP values, which hold
# the length of a text. They are below those that Linux gives to connections, so that none of these
# takes a port before the server that it was chosen for has started.
_PORTS = range(20_000, 32_000)


class PhpFailed(RuntimeError):
    """A PHP script failed; the text has its output and the end of WordPress's log."""


def create(
    image: str, port: int, small: Mapping[str, str] | None = None, shared: Iterable[str] = ()
) -> str:
    """Create a container that is removed with this process; return its id.

    `small` gives folders below wp-content a file system of their own, with its size ("4m").
    `shared` are folders that another container may use as well.
    """
    labelled = ("--label", f"{LABEL}={owner()}", "--env", f"PORT={port}")
    disks = [word for one in (small or {}).items() for word in _disk(*one)]
    disks += [word for folder in shared for word in ("--volume", folder)]
    return docker("create", "--network", "host", *labelled, *disks, image).strip()


def create_beside(container: str, port: int, script: str) -> str:
    """Create another container with the same image and shared folders, that runs this script."""
    image = docker("inspect", "--format", "{{.Image}}", container).strip()
    labelled = ("--label", f"{LABEL}={owner()}", "--env", f"PORT={port}")
    shared = ("--volumes-from", container, "--entrypoint", "bash")
    return docker("create", "--network", "host", *labelled, *shared, image, "-c", script).strip()


def _disk(folder: str, size: str) -> tuple[str, str]:
    owned = f"uid={_WWW_DATA},gid={_WWW_DATA},mode=0755"
    return "--tmpfs", f"{ROOT}/wp-content/{folder}:rw,size={size},{owned}"


def put(container: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Write these files, whose paths have no leading slash, as Apache's user."""
    docker("cp", "--archive", "-", f"{container}:/", stdin=_tar(files))


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an archive in which everything belongs to Apache, the folders included."""
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


def carry(path: str, source: str, target: str) -> None:
    """Copy a file or folder from one container to another, with its owner."""
    packed = subprocess.run(
        ["docker", "cp", f"{source}:{path}", "-"], capture_output=True, check=True
    )
    parent = path.rpartition("/")[0] or "/"
    docker("cp", "--archive", "-", f"{target}:{parent}", stdin=packed.stdout)


def start(container: str, port: int) -> None:
    """Start it and wait until Apache accepts connections, which it does after the database."""
    docker("start", container)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if docker("inspect", "--format", "{{.State.Running}}", container).strip() != "true":
            break
        time.sleep(0.05)
    raise EngineFailed(f"The site did not start:\n{_logs(container)}")


def shut_down(container: str) -> None:
    """Stop it, with a database that has written everything down."""
    # The container ends with its database. Apache is cut off, and would not start again beside
    # the number of its former process.
    docker("exec", container, "rm", "-f", "/run/apache2/apache2.pid")
    docker("exec", "--detach", container, "mariadb-admin", "shutdown")
    docker("wait", container)


def run_php(container: str, script: str, *arguments: str) -> str:
    """Return what this script printed, run as Apache's user; raises PhpFailed."""
    done = subprocess.run(
        ["docker", "exec", "-i", "-u", "www-data", container, "php", "--", *arguments],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        output = f"{done.stderr}\n{done.stdout[-400:]}\n{log_tail(container)}"
        raise PhpFailed(f"PHP ended with {done.returncode}\n{output}")
    return done.stdout


def log_tail(container: str) -> str:
    """Return the end of WordPress's log: it keeps its errors off the screen."""
    return docker("exec", container, "tail", "-n", "8", DEBUG_LOG)


def _logs(container: str) -> str:
    command = ["docker", "logs", "--tail", "40", container]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def remove(container: str) -> None:
    docker("rm", "--force", "--volumes", container)


def free_port(count: int = 1) -> int:
    """Return a free port that is followed by other free ports."""
    while True:
        first = secrets.choice(_PORTS)
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
