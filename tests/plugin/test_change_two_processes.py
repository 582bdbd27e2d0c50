"""Runs whose files another process restores, on one web server and on two with one disk."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    disk,
    grant,
    injected_faults,
    reached,
    reset,
    same_files,
    update,
    version,
    wake,
)
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.servers import shell
from tests.plugin.support.signed_requests import connect
from tests.wordpress.engine import docker
from tests.wordpress.site import WordPress

ITEM = {"kind": "plugin", "id": DESK, "from": "2.3.1", "to": "2.4.0"}
CONTENT = "/var/www/wordpress/wp-content"
PLACE = f"{CONTENT}/siteagent-probation"

# Load the watchdog without WordPress, which may be in maintenance mode.
_LOAD_WATCHDOG = """<?php
define('ABSPATH', '/var/www/wordpress/');
foreach (array('filesystem', 'rollback-watchdog') as $name) {
    require ABSPATH . "wp-content/plugins/siteagent/includes/rollback/class-siteagent-$name.php";
}
$folder = dirname(glob(ABSPATH . 'wp-content/siteagent-probation/*/run.lock')[0]);
"""
_RESTORE = (
    _LOAD_WATCHDOG
    + """
$run = array('op_id' => substr(basename($folder), 0, 36), 'folder' => $folder,
    'target' => ABSPATH . 'wp-content/plugins/contact-desk', 'needs_confirmation' => false);
echo json_encode((new Siteagent_Rollback_Watchdog('/nowhere', $run))->restore('interrupted'));
"""
)
_LOCK_STATE = (
    _LOAD_WATCHDOG
    + """
$state = Siteagent_Rollback_Watchdog::lock_state($folder);
echo json_encode(array($state, Siteagent_Rollback_Watchdog::is_alive($folder)));
"""
)

GRANTED = ("plugins",)


@pytest.fixture
def desk(wp, paired) -> Iterator[dict[str, Any]]:
    yield reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    assert disk(wp, DESK)["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


@pytest.mark.parametrize("when", ["before", "half_way", "behind", "done"])
def test_a_run_whose_files_were_restored_stops(wp, paired, desk, when) -> None:
    change = ApprovedChange.of(wp, paired, ITEM)
    with injected_faults(wp, sleep={when: 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        reached(wp)
        assert json.loads(wp.run_php(_RESTORE)) is True
        wake(wp)
        result = running.result()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "interrupted"), result
    assert result["evidence"]["after"] == {"version": "2.3.1", "active": True, "probe": "ok"}
    assert same_files(desk, disk(wp, DESK))
    assert change.status()["outcome"] == "rolled_back"


def test_a_run_whose_lock_cannot_be_opened_counts_as_alive(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, ITEM)
    with injected_faults(wp, sleep={"before": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        reached(wp)
        assert json.loads(wp.run_php(_LOCK_STATE)) == ["held", True]
        shell(wp, f"chown root {PLACE}/*/run.lock; chmod 0600 {PLACE}/*/run.lock")
        assert json.loads(wp.run_php(_LOCK_STATE)) == ["unknown", True]
        assert requests.get(wp.url, timeout=60).status_code == 503
        wake(wp)
        assert running.result()["outcome"] == "succeeded"


def test_a_symlink_to_another_disk_stays(wp, paired, desk) -> None:
    shell(wp, f"install -d -o www-data /tmp/larger; ln -s /tmp/larger {PLACE}")
    try:
        assert ApprovedChange.of(wp, paired, ITEM).send()["outcome"] == "succeeded"
        assert shell(wp, f"readlink {PLACE}").strip() == "/tmp/larger"
        update(wp, "contact-desk", "2.5.1")
        broken = {**ITEM, "from": "2.4.0", "to": "2.5.1"}
        result = ApprovedChange.of(wp, paired, broken).send()
        assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
        assert version(wp, DESK) == "2.4.0"
        assert shell(wp, f"readlink {PLACE}").strip() == "/tmp/larger"
        assert set(shell(wp, f"ls -A {PLACE}/").split()) == {".htaccess", "index.php"}
    finally:
        shell(wp, f"rm -rf {PLACE} /tmp/larger")


def test_a_symlink_to_shared_must_use_plugins_stays(wp, paired, desk) -> None:
    folder = f"{CONTENT}/mu-plugins"
    shell(wp, f"mv {folder} /tmp/shared-mu; ln -s /tmp/shared-mu {folder}")
    try:
        assert ApprovedChange.of(wp, paired, ITEM).send()["outcome"] == "succeeded"
        assert shell(wp, f"readlink {folder}").strip() == "/tmp/shared-mu"
    finally:
        shell(wp, f"rm {folder}; mv /tmp/shared-mu {folder}")


# ---- two web servers on one disk that do not see the locks of each other ----


@pytest.fixture(scope="module")
def lock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile a flock() that always succeeds, as on NFS mounted with `nolock`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed: apt-get install gcc"
    folder = tmp_path_factory.mktemp("locks")
    source = folder / "locks.c"
    source.write_text("int flock(int fd, int operation) { (void)fd; (void)operation; return 0; }\n")
    built = folder / "locks.so"
    flags = ("-shared", "-fPIC", "-nostdlib", "-O1")
    subprocess.run([compiler, *flags, "-o", str(built), str(source)], check=True)
    built.chmod(0o755)
    return built


@pytest.fixture(scope="module")
def servers(lock_library: Path) -> Iterator[tuple[RealWordPress, RealWordPress]]:
    first = WordPress.start("newest", shared=True)
    try:
        with first.second_server(lock_library) as second:
            yield RealWordPress(first), RealWordPress(second)
    finally:
        first.stop()


@pytest.fixture(scope="module")
def shared_pairing(servers) -> Paired:
    connected = connect(servers[0])
    grant(servers[0], "plugins")
    return connected


def front_page_status(first: RealWordPress, server: RealWordPress) -> int:
    """Request the front page of the shared site from this server; return the HTTP status."""
    host = first.url.removeprefix("http://")
    return requests.get(server.url, headers={"Host": host}, timeout=60).status_code


def lock_state_at(server: RealWordPress) -> list[object]:
    with_library = ("env", "LD_PRELOAD=/preload.so", "php")
    done = subprocess.run(
        ["docker", "exec", "-i", "-u", "www-data", server.container, *with_library],
        input=_LOCK_STATE,
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_a_server_that_cannot_see_the_lock_does_not_restore_a_live_run(
    servers, shared_pairing
) -> None:
    first, second = servers
    reset(first, "contact-desk", "2.3.1", available="2.4.0")
    change = ApprovedChange.of(first, shared_pairing, ITEM)
    with injected_faults(first, sleep={"before": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        reached(first)
        assert json.loads(first.run_php(_LOCK_STATE)) == ["held", True]
        assert lock_state_at(second) == ["unknown", True]
        assert {front_page_status(first, server) for server in (first, second)} == {503}
        wake(first)
        result = running.result()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert {front_page_status(first, server) for server in (first, second)} == {200}
    assert disk(first, DESK)["version"] == "2.4.0"


def test_a_run_that_died_on_one_server_is_restored_by_the_other(servers, shared_pairing) -> None:
    first, second = servers
    reset(first, "contact-desk", "2.3.1", available="2.4.0")
    change = ApprovedChange.of(first, shared_pairing, ITEM)
    with injected_faults(first, sleep={"half_way": 60}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        docker("exec", first.container, "kill", "-9", str(reached(first)))
        assert isinstance(running.exception(60), CallError)
        # The other server cannot see the lock, so it waits until the heartbeat is too old.
        assert front_page_status(first, second) == 503
        shell(first, f"touch -d '10 minutes ago' {PLACE}/*/beat")
        assert front_page_status(first, second) == 200
    assert disk(first, DESK)["version"] == "2.3.1"
    result = change.status()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "interrupted")
