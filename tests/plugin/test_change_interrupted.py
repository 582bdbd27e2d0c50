"""Updates that are killed, delayed or cut off: SiteAgent rolls back and reports the outcome."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.changing import (
    DESK,
    GALLERY,
    ApprovedChange,
    disk,
    injected_faults,
    php_text,
    reached,
    reset,
    same_files,
    version,
    wake,
)
from tests.plugin.support.dashboard import Paired
from tests.wordpress.engine import docker

GRANTED = ("plugins",)


@pytest.fixture
def desk(wp, paired) -> Iterator[dict]:
    yield reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    after = disk(wp, DESK)
    assert after["left"] == []
    assert after["active"] is True


def approved_change(wp, paired: Paired, component: str = DESK) -> ApprovedChange:
    versions = {DESK: ("2.3.1", "2.4.0"), GALLERY: ("1.0.0", "1.1.0")}[component]
    item = {"kind": "plugin", "id": component, "from": versions[0], "to": versions[1]}
    return ApprovedChange.of(wp, paired, item)


def kill_while(wp, change: ApprovedChange, when: str) -> None:
    """Send the change and kill its process with SIGKILL at this step."""
    with injected_faults(wp, sleep={when: 30}):
        results: list[object] = []

        def send() -> None:
            try:
                results.append(change.send())
            except CallError as error:
                results.append(error.error_code)

        sender = threading.Thread(target=send)
        sender.start()
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        sender.join(30)
        assert isinstance(results[0], str), results
        # This request recovers the run. The injected faults still apply to it.
        assert requests.get(wp.url, timeout=60).status_code == 200


@pytest.mark.parametrize("when", ["before", "half_way", "behind"])
def test_a_killed_run_is_rolled_back_by_the_next_request(wp, paired, desk, when) -> None:
    change = approved_change(wp, paired)
    kill_while(wp, change, when)
    assert version(wp, DESK) == "2.3.1"
    status = change.status()
    assert status["state"] == "done"
    assert (status["outcome"], status["reason"]) == ("rolled_back", "interrupted")
    assert status["evidence"]["after"] == {"version": "2.3.1", "active": True, "probe": "ok"}
    assert same_files(desk, disk(wp, DESK))
    again = change.send()
    assert (again["outcome"], again["reason"]) == ("rolled_back", "interrupted")
    assert approved_change(wp, paired).send()["outcome"] == "succeeded"


def test_a_run_killed_before_it_changes_files_is_reported_as_failed(wp, paired, desk) -> None:
    change = approved_change(wp, paired)
    kill_while(wp, change, "download")
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("failed", "interrupted")
    assert status["evidence"]["after"]["version"] == "2.3.1"
    assert {**disk(wp, DESK), "left": []} == desk
    assert approved_change(wp, paired).send()["outcome"] == "succeeded"


def test_a_run_with_an_exception_of_another_plugin_is_rolled_back(wp, paired, desk) -> None:
    change = approved_change(wp, paired)
    with injected_faults(wp, throws=True):
        with pytest.raises(CallError) as caught:
            change.send()
        assert caught.value.evidence["code"] == "internal_error"
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "interrupted")
    assert same_files(desk, disk(wp, DESK))
    assert change.send()["outcome"] == "rolled_back"


def test_a_run_goes_on_when_the_dashboard_hangs_up(wp, paired, desk) -> None:
    change = approved_change(wp, paired)
    with injected_faults(wp, sleep={"download": 30}):
        with pytest.raises(CallError) as caught:
            change.send(deadline_s=1.5)
        assert caught.value.error_code == "too_slow"
        assert change.status()["state"] == "running"
        reached(wp)
        wake(wp)
        assert wait_until_done(change)["outcome"] == "succeeded"
    assert version(wp, DESK) == "2.4.0"


def test_a_run_of_more_than_15_minutes_is_still_running(wp, paired, desk) -> None:
    """A download may be slow or a database large: the run is open while its process lives."""
    change = approved_change(wp, paired)
    with injected_faults(wp, sleep={"download": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        reached(wp)
        wp.evaluate(
            "global $wpdb; return $wpdb->query("
            '"UPDATE {$wpdb->prefix}siteagent_operation SET at = at - 1000");'
        )
        assert change.status()["state"] == "running"
        wake(wp)
        assert running.result()["outcome"] == "succeeded"
    assert change.status()["outcome"] == "succeeded"


# A run writes .htaccess before it holds its lock. A named pipe of that name blocks the write until
# the test reads from it, so it pauses the run exactly there.
_PLACE = "/var/www/wordpress/wp-content/siteagent-probation"
_PAUSE = f"""
install -d -o www-data {_PLACE}
mkfifo {_PLACE}/.htaccess
chown www-data {_PLACE}/.htaccess
"""
_WAIT_FOR_RUN = f"""
until ls -d {_PLACE}/{{}}* 2>&-; do sleep 0.05; done
"""


def shell(wp, script: str) -> str:
    return docker("exec", wp.container, "sh", "-c", f"timeout 30 sh -euc {shlex.quote(script)}")


@contextmanager
def paused_before_its_lock(wp) -> Iterator[ThreadPoolExecutor]:
    """Pause each run between creating its folder and holding its lock, until this ends."""
    shell(wp, _PAUSE)
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool
        finally:
            shell(wp, f"if test -p {_PLACE}/.htaccess; then cat {_PLACE}/.htaccess; fi")


def test_a_run_that_has_no_lock_yet_counts_as_alive(wp, paired, desk) -> None:
    change = approved_change(wp, paired)
    with paused_before_its_lock(wp) as pool:
        running = pool.submit(change.send)
        shell(wp, _WAIT_FOR_RUN.format(change.op_id))
        # Each request checks whether the run is alive, and would settle a dead one.
        for _ in range(3):
            assert change.status()["state"] == "running"
        assert approved_change(wp, paired).send()["reason"] == "busy"
    result = running.result()
    assert (result["outcome"], result["reason"]) == ("succeeded", None)
    assert change.status()["outcome"] == "succeeded"
    assert version(wp, DESK) == "2.4.0"


def test_a_run_that_dies_before_its_lock_ends_at_its_deadline(wp, paired, desk) -> None:
    change = approved_change(wp, paired)
    with injected_faults(wp, begins=True), ThreadPoolExecutor(1) as pool:
        shell(wp, _PAUSE)
        running = pool.submit(change.send)
        shell(wp, _WAIT_FOR_RUN.format(change.op_id))
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        assert isinstance(running.exception(30), CallError)
    assert change.status()["state"] == "running"
    wp.evaluate(
        "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
        " { $data['run']['deadline'] = time() - 1; return $data; });"
    )
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("failed", "interrupted")
    assert {**disk(wp, DESK), "left": []} == desk
    assert approved_change(wp, paired).send()["outcome"] == "succeeded"


# Run a change that the site has accepted, this many seconds after it was signed.
_RUN_LATE = """
$document = json_decode(%s);
try {
    return siteagent()->update_controller()->run('change.run', $document, time() - %d,
        time())['outcome'];
} catch (Siteagent_Exception $refusal) {
    return $refusal->code();
}
"""


def test_a_change_delayed_inside_the_site_expires(wp, paired, desk) -> None:
    """By then the dashboard has recorded that the site changed nothing."""
    change = approved_change(wp, paired)
    document = php_text(json.dumps(change.signed()))
    assert wp.evaluate(_RUN_LATE % (document, 361)) == "expired"
    assert change.status()["state"] == "never"
    assert {**disk(wp, DESK), "left": []} == desk
    assert wp.evaluate(_RUN_LATE % (document, 355)) == "succeeded"


def wait_until_done(change: ApprovedChange) -> dict:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            status = change.status()
        except CallError:
            status = {"state": "running"}  # The site is in maintenance mode.
        if status["state"] == "done":
            return status
        time.sleep(0.3)
    raise AssertionError("the run did not end within 30 seconds")


def test_visitors_see_maintenance_only_while_files_are_replaced(wp, paired, desk) -> None:
    change = approved_change(wp, paired)
    with injected_faults(wp, sleep={"half_way": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        reached(wp)
        assert requests.get(wp.url, timeout=60).status_code == 503
        wake(wp)
        assert running.result()["outcome"] == "succeeded"
        assert requests.get(wp.url, timeout=60).status_code == 200


def test_a_fatal_error_of_another_plugin_rolls_nothing_back(wp, paired, desk) -> None:
    broken = "WPMU_PLUGIN_DIR . '/zz-broken.php'"
    change = approved_change(wp, paired)
    with injected_faults(wp, loopback="blocked"):
        assert change.send()["evidence"]["watched_until"] > 0
        code = "<?php if (isset($_GET['broken'])) nobody_wrote_this();"
        wp.evaluate(f"file_put_contents({broken}, {php_text(code)});")
        assert requests.get(f"{wp.url}/?broken=1", timeout=60).status_code == 500
        wp.evaluate(f"unlink({broken});")
        assert version(wp, DESK) == "2.4.0"
        assert change.status()["outcome"] == "succeeded"
    wp.evaluate(
        "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
        " { $data['run']['deadline'] = 0; return $data; });"
    )
    assert change.status()["outcome"] == "succeeded"
