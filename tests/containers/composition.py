"""Start compose.yaml as its documentation says, under its own project name."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.containers import images
from tests.containers.images import ROOT
from tests.wordpress.container import free_port
from tests.wordpress.engine import EngineFailed, docker

_PREFIX = "aura-test"
_SOCKET = "/var/run/docker.sock"
# What Docker Compose labels containers, networks and volumes with.
_PROJECT_LABEL = "com.docker.compose.project"
# compose.yaml needs 2.23.1.
_OLDEST = (2, 24)


@dataclass(frozen=True)
class Composition:
    """A running compose.yaml; `settings` are those of its file .env."""

    project: str
    folder: Path
    settings: Mapping[str, str]

    @property
    def address(self) -> str:
        return f"https://localhost:{self.settings['AURA_HTTPS_PORT']}"

    def compose(self, *words: str) -> str:
        """Run one command of Docker Compose and return what it printed; raises EngineFailed."""
        options = ("--project-name", self.project, "--env-file", str(self.folder / ".env"))
        command = [*_compose_command(self.folder), "--ansi", "never", *options, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EngineFailed(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def containers(self, service: str) -> list[str]:
        """Return the ids of the running containers of a service."""
        return self.compose("ps", "--quiet", service).split()

    def output(self, service: str) -> str:
        return self.compose("logs", "--no-log-prefix", service)

    def ip_of(self, service: str, network: str) -> str:
        """Return the address of a service's container, which this machine reaches directly."""
        field = f'{{{{(index .NetworkSettings.Networks "{self.project}_{network}").IPAddress}}}}'
        return docker("inspect", "--format", field, self.containers(service)[0]).strip()

    def gateway_of(self, network: str) -> str:
        """Return the address of this machine in one of the networks."""
        field = "{{(index .IPAM.Config 0).Gateway}}"
        found = docker("network", "inspect", "--format", field, f"{self.project}_{network}")
        return found.strip().partition("/")[0]

    def authorities(self) -> str:
        """Return a file with the CA certificate that Caddy made for localhost."""
        path = self.folder / "authorities.pem"
        inside = "/data/caddy/pki/authorities/local/root.crt"
        path.write_text(docker("exec", self.containers("proxy")[0], "cat", inside))
        return str(path)


@contextmanager
def composed(folder: Path, **settings: str) -> Iterator[Composition]:
    """Start everything with the settings of .env.example and these, and remove it afterwards."""
    remove_leftovers()
    stand_ins = {name: images.service_image(stage) for name, stage in images.STAND_INS.items()}
    port = free_port(2)
    options = {
        "AURA_HOST": "localhost",
        "POSTGRES_PASSWORD": secrets.token_hex(32),
        "REDIS_PASSWORD": secrets.token_hex(32),
        "AURA_HTTP_PORT": str(port),
        "AURA_HTTPS_PORT": str(port + 1),
        "AURA_IMAGE": images.aura_image(),
        **stand_ins,
        **settings,
    }
    (folder / ".env").write_text(_filled_in((ROOT / ".env.example").read_text("utf-8"), options))
    running = Composition(new_project(), folder, options)
    try:
        running.compose("up", "--detach", "--no-build", "--quiet-pull")
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout", "10")


def new_project() -> str:
    """Return a name for containers, networks and volumes that end with this process."""
    return f"{_PREFIX}-{os.getpid()}-{secrets.token_hex(2)}"


def labelled(project: str) -> tuple[str, str]:
    """Return the Docker options for objects that `remove_leftovers` finds."""
    return "--label", f"{_PROJECT_LABEL}={project}"


def kill_everything(container: str) -> None:
    """Kill every process of a container with signal 9, but for its first one, which then ends.

    Docker would not restart the container after `docker kill`.
    """
    # The shell may be killed too, so its exit status is ignored.
    with suppress(EngineFailed):
        docker("exec", container, "sh", "-c", "kill -9 -1")


def restarts_of(container: str) -> int:
    """Return how often Docker has restarted a container."""
    return int(docker("inspect", "--format", "{{.RestartCount}}", container))


def remove_leftovers() -> None:
    """Remove what test runs that were killed have left behind, which would run for ever."""
    for kind, name in (("container", "{{.ID}}"), ("network", "{{.Name}}"), ("volume", "{{.Name}}")):
        everything = ("--all",) if kind == "container" else ()
        shown = f'{name} {{{{.Label "{_PROJECT_LABEL}"}}}}'
        ours = ("--filter", f"label={_PROJECT_LABEL}", "--format", shown)
        listed = docker(kind, "ls", *everything, *ours)
        for line in listed.splitlines():
            one, _, project = line.partition(" ")
            found = re.fullmatch(rf"{_PREFIX}-(\d+)-\w+", project)
            if found and not _is_alive(int(found[1])):
                docker(kind, "rm", "--force", one)


def _is_alive(pid: int) -> bool:
    """Return whether a process of any user has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _compose_command(folder: Path) -> list[str]:
    """Return the Docker Compose of this machine if new enough, or else that of a container."""
    with suppress(EngineFailed):
        version = re.match(r"v?(\d+)\.(\d+)", docker("compose", "version", "--short"))
        if version and (int(version[1]), int(version[2])) >= _OLDEST:
            return ["docker", "compose"]
    # What it reads has the same paths inside.
    mounted = [f"{_SOCKET}:{_SOCKET}", f"{ROOT}:{ROOT}:ro", f"{folder}:{folder}:ro"]
    volumes = [word for one in mounted for word in ("--volume", one)]
    image = images.service_image("compose")
    return ["docker", "run", "--rm", "--network", "none", *volumes, "--workdir", str(ROOT), image]


def _filled_in(example: str, values: Mapping[str, str]) -> str:
    """Return the example with these values; values that it does not name are added."""
    text = example
    for name, value in values.items():
        text, times = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        if not times:
            text += f"{name}={value}\n"
    return text
