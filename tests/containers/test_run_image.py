"""The image alone: one command starts all processes, and one volume keeps all data."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.containers.composition import labelled, new_project, remove_leftovers
from tests.containers.images import aura_image
from tests.containers.visitor import Visitor
from tests.wordpress.container import free_port
from tests.wordpress.engine import EngineFailed, docker

pytestmark = pytest.mark.nightly

_STARTS_WITHIN_S = 90
# The default timeout of `docker stop`.
_STOPS_WITHIN_S = 10


class Machine:
    """A Docker host: a network and a volume, and one container of Aura at a time."""

    def __init__(self) -> None:
        self.name = new_project()
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        # The engine of the tests may have no default network.
        docker("network", "create", *labelled(self.name), self.name)
        docker("volume", "create", *labelled(self.name), self.name)

    def run(self) -> None:
        """Start a container, and wait until its health check passes."""
        docker(
            *("run", "--detach", "--name", self.name, *labelled(self.name)),
            *("--network", self.name, "--publish", f"127.0.0.1:{self.port}:8000"),
            *("--volume", f"{self.name}:/data", "--env", f"AURA_ORIGIN={self.address}"),
            *("--health-interval", "1s", aura_image()),
        )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < deadline and self.state("Health.Status") != "healthy":
            time.sleep(0.5)
        assert self.state("Health.Status") == "healthy", self.output

    def state(self, name: str) -> str:
        return docker("inspect", "--format", f"{{{{.State.{name}}}}}", self.name).strip()

    @property
    def output(self) -> str:
        done = subprocess.run(
            ["docker", "logs", self.name], capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr

    def inside(self, script: str) -> str:
        return docker("exec", self.name, "sh", "-euc", script).strip()

    def stop(self) -> float:
        """`docker stop`; return how many seconds it took."""
        began = time.monotonic()
        docker("stop", self.name)
        return time.monotonic() - began

    def remove(self) -> None:
        for words in (
            ("rm", "--force", self.name),
            ("volume", "rm", "--force", self.name),
            ("network", "rm", self.name),
        ):
            with suppress(EngineFailed):
                docker(*words)


@pytest.fixture
def machine() -> Iterator[Machine]:
    remove_leftovers()
    made = Machine()
    yield made
    made.remove()


def test_data_survive_a_new_container(machine: Machine) -> None:
    machine.run()
    visitor = Visitor(machine.address)
    visitor.become_owner(machine.output)
    assert "Ana Jansen" in visitor.get("/").text
    assert visitor.export().startswith(b"PK")

    assert machine.stop() < _STOPS_WITHIN_S
    assert machine.state("ExitCode") == "0", machine.output
    docker("rm", machine.name)

    machine.run()
    assert "/setup/" not in machine.output
    # The session is still valid, because the keys are in the volume as well.
    assert "Ana Jansen" in visitor.get("/").text
    again = Visitor(machine.address)
    again.sign_in()
    assert "Ana Jansen" in again.get("/").text


def test_a_container_user_can_change_only_the_data(machine: Machine) -> None:
    machine.run()
    assert machine.inside("id -un; id -u") == "aura\n10001"
    assert machine.inside("find / -xdev -writable -type f 2> /dev/null | grep -v ^/proc || :") == ""
    assert machine.inside("stat --format '%a %U' /data") == "700 aura"
    others = machine.inside("find /data -type f -perm /077")
    assert others == "", "Other users can read these."


def test_the_image_contains_the_program_and_nothing_else() -> None:
    script = "cd /srv/aura; ls -A; ls -A wordpress-plugin; ls -A /data"
    listed = docker("run", "--rm", "--network", "none", aura_image(), "sh", "-euc", script).split()
    assert sorted(listed) == sorted(
        ["LICENSE", "__pycache__", "app", "jobs", "wordpress-plugin", "wsgi.py", "siteagent"]
    )


def test_a_backup_of_postgresql_needs_no_more_than_the_image() -> None:
    script = "pg_dump --version; pg_restore --version"
    versions = docker("run", "--rm", "--network", "none", aura_image(), "sh", "-euc", script)
    assert versions.count("(PostgreSQL) 15.") == 2
