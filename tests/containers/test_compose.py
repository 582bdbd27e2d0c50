"""compose.yaml as it is: a proxy for TLS in front, three workers and PostgreSQL behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.containers.composition import Composition, composed, kill_everything, restarts_of
from tests.containers.visitor import Visitor
from tests.wordpress.engine import EngineFailed, docker

pytestmark = pytest.mark.nightly

_PATIENCE_S = 60
_HTTP_S = 30


@pytest.fixture(scope="module")
def aura(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    with composed(tmp_path_factory.mktemp("compose")) as running:
        yield running


def newcomer(aura: Composition) -> Visitor:
    """A visitor who trusts the proxy's authority, once it has signed a certificate."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            visitor = Visitor(aura.address, aura.authorities())
            visitor.get("/healthz").raise_for_status()
            return visitor
        except (EngineFailed, requests.RequestException):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


@pytest.fixture(scope="module")
def owner(aura: Composition) -> Visitor:
    """The first owner, who followed the link in the output of the web process."""
    visitor = newcomer(aura)
    visitor.become_owner(aura.output("web"))
    return visitor


def test_pages_are_served_through_the_proxy_over_tls(aura: Composition, owner: Visitor) -> None:
    answer = owner.get("/")
    assert "Ana Jansen" in answer.text
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    assert "Caddy" in answer.headers["Server"]
    plain = requests.get(
        f"http://localhost:{aura.settings['AURA_HTTP_PORT']}/",
        allow_redirects=False,
        timeout=_HTTP_S,
    )
    assert plain.status_code in (301, 308)
    assert plain.headers["Location"].startswith("https://localhost")


def test_sessions_show_the_address_of_the_person_and_not_of_the_proxy(
    aura: Composition, owner: Visitor
) -> None:
    assert aura.ip_of("proxy", "edge") not in owner.get("/account").text


def test_a_worker_exports_and_the_web_process_serves_the_file(owner: Visitor) -> None:
    assert owner.export().startswith(b"PK")


def test_workers_that_were_killed_are_replaced_and_go_on(aura: Composition, owner: Visitor) -> None:
    workers = aura.containers("worker")
    assert len(workers) == 3
    before = [restarts_of(worker) for worker in workers]
    for worker in workers:
        kill_everything(worker)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if all(restarts_of(worker) > times for worker, times in zip(workers, before, strict=True)):
            break
        time.sleep(0.2)
    assert sorted(aura.containers("worker")) == sorted(workers)
    assert owner.export().startswith(b"PK")


def test_database_and_queue_are_reachable_only_inside(aura: Composition) -> None:
    for service in ("postgres", "redis", "web"):
        (container,) = aura.containers(service)
        assert docker("port", container).strip() == ""
    for secret in ("POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert aura.settings[secret] not in aura.output("web")


def test_compose_names_missing_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("")
    nothing_set = Composition("aura-test-nothing", tmp_path, {})
    with pytest.raises(EngineFailed, match=r"required variable .* in the file \.env"):
        nothing_set.compose("config", "--quiet")


def test_all_services_stop_in_time_and_keep_their_data(aura: Composition, owner: Visitor) -> None:
    containers = aura.compose("ps", "--quiet").split()
    aura.compose("stop")
    shown = "{{.Name}} {{.State.ExitCode}}"
    ended = docker("inspect", "--format", shown, *containers).splitlines()
    assert [one for one in ended if not one.endswith(" 0")] == []
    aura.compose("up", "--detach", "--no-build")
    assert "Ana Jansen" in owner.get("/").text


def test_a_backup_is_restored_on_a_machine_without_data(
    aura: Composition, owner: Visitor, tmp_path: Path
) -> None:
    words = "echo a long passphrase for this > /tmp/words && flask backup"
    made = aura.compose(
        *("exec", "--no-TTY", "web", "sh", "-c"),
        f"{words} create /data/aura.backup --passphrase-file /tmp/words",
    )
    assert "the audit log up to entry" in made
    file = tmp_path / "aura.backup"
    docker("cp", f"{aura.containers('web')[0]}:/data/aura.backup", str(file))
    file.chmod(0o644)

    aura.compose("down", "--volumes")
    aura.compose("up", "--detach", "--wait", "--no-build", "postgres")
    restored = aura.compose(
        *("run", "--rm", "--no-deps", "--no-TTY", "--volume", f"{file}:/aura.backup"),
        *("migrate", "sh", "-c", f"{words} restore /aura.backup --passphrase-file /tmp/words"),
    )
    assert "Restored: the backup from" in restored
    aura.compose("up", "--detach", "--no-build")
    # Another machine, so another authority for localhost.
    visitor = newcomer(aura)
    visitor.sign_in()
    assert "Ana Jansen" in visitor.get("/").text
