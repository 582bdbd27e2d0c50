"""Files during and after an update: none can be run over HTTP, and none stay behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    ask,
    disk,
    injected_faults,
    php_text,
    publish,
    reached,
    reset,
    same_files,
    update,
    version,
    wake,
)
from tests.plugin.support.servers import php_settings, shell
from tests.wordpress.engine import docker

ITEM = {"kind": "plugin", "id": DESK, "from": "2.3.1", "to": "2.4.0"}
CONTENT = "/var/www/wordpress/wp-content"
PLACE = f"{CONTENT}/siteagent-probation"
FOLDER = f"{CONTENT}/plugins/contact-desk"

GRANTED = ("plugins",)


@pytest.fixture
def desk(wp, paired) -> Iterator[dict[str, Any]]:
    yield reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    assert disk(wp, DESK)["left"] == []
    assert package_files(wp) == []


def package_files(wp) -> list[str]:
    """List the files where WordPress downloads and unpacks packages."""
    listed = f"ls -A {CONTENT}/upgrade/ 2>&- || :; ls /tmp/*.zip /tmp/*.tmp 2>&- || :"
    return shell(wp, listed).split()


def kill_while(wp, change: ApprovedChange, when: str) -> None:
    with injected_faults(wp, sleep={when: 60}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        assert isinstance(running.exception(60), CallError)


# ---- V7: the maintenance page and the kept copy ----


def test_the_maintenance_page_has_no_path_and_the_copy_no_php_files(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, ITEM)
    with injected_faults(wp, sleep={"before": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        reached(wp)
        page = shell(wp, "cat /var/www/wordpress/.maintenance")
        run = shell(wp, f"basename {PLACE}/*/").strip()
        kept = shell(wp, f"cd {PLACE}/*/ && find . -type f").split()
        wake(wp)
        assert running.result()["outcome"] == "succeeded"
    assert change.op_id in page
    assert "/var/www" not in page
    assert run not in page
    assert "./kept/contact-desk%2Ephp" in kept
    assert [name for name in kept if name.endswith((".php", ".phtml", ".phar"))] == []


def test_names_modes_and_links_come_back_exactly(wp, paired, desk) -> None:
    odd = ["a.b.php", "50%25.php", "50%2E.php", ".hidden", "no-dot", "Ü.txt"]
    shell(
        wp,
        f"cd {FOLDER}; for name in {' '.join(odd)}; do echo $name > $name; done; mkdir sub.dir;"
        " echo x > sub.dir/x.inc; ln -s ../contact-desk.php sub.dir/link.php;"
        " chown -R www-data .; chmod 0600 a.b.php; chmod 0755 no-dot; chmod 0775 sub.dir",
    )
    listed = f"cd {FOLDER} && find . -printf '%p %m %l\\n' | sort"
    before = shell(wp, listed)
    update(wp, "contact-desk", "2.5.1")
    result = ApprovedChange.of(wp, paired, {**ITEM, "to": "2.5.1"}).send()
    assert result["outcome"] == "rolled_back", result
    assert shell(wp, listed) == before


def test_a_stale_maintenance_file_stays_and_visitors_see_maintenance(wp, paired, desk) -> None:
    page = "/var/www/wordpress/.maintenance"
    shell(wp, f"echo '<?php $upgrading = 1000000000;' > {page}; chown www-data {page}")
    try:
        with injected_faults(wp, sleep={"half_way": 30}), ThreadPoolExecutor(1) as pool:
            running = pool.submit(ApprovedChange.of(wp, paired, ITEM).send)
            reached(wp)
            assert requests.get(wp.url, timeout=60).status_code == 503
            wake(wp)
            assert running.result()["outcome"] == "succeeded"
        assert "1000000000" in shell(wp, f"cat {page}")
    finally:
        shell(wp, f"rm -f {page} {page}.siteagent")


# ---- K9: packages ----


def test_a_refused_package_is_removed_at_once(wp, paired, desk) -> None:
    update(wp, "contact-desk", "2.6.0")
    files = {"another/another.php": "<?php\n/* Plugin Name: Another */ echo 'EXECUTED';"}
    publish(wp, "plugin/contact-desk.2.6.0.zip", files)
    result = ApprovedChange.of(wp, paired, {**ITEM, "to": "2.6.0"}).send()
    assert (result["outcome"], result["reason"]) == ("refused", "package_mismatch")
    assert package_files(wp) == []


@pytest.mark.parametrize("when", ["before", "download"])
def test_a_package_of_a_killed_run_is_removed_when_it_is_settled(wp, paired, desk, when) -> None:
    change = ApprovedChange.of(wp, paired, ITEM)
    kill_while(wp, change, when)
    change.status()
    assert package_files(wp) == []
    assert version(wp, DESK) == "2.3.1"


# ---- V8: where packages come from ----


@contextmanager
def host_answers(wp, code: str) -> Iterator[None]:
    """Answer requests for the package with this PHP code; `$url` is the requested address."""
    file = "WPMU_PLUGIN_DIR . '/host.php'"
    hook = (
        "<?php add_filter( 'pre_http_request', function ( $a, $b, $url ) {"
        " if ( false === strpos( $url, 'contact-desk.2.4.0.zip' ) ) { return $a; }"
        f" {code} }}, 1, 3 );"
    )
    wp.evaluate(f"return file_put_contents({file}, {php_text(hook)});")
    try:
        yield
    finally:
        wp.evaluate(f"return unlink({file});")


def redirect(to: str) -> str:
    return (
        "return array( 'headers' => array( 'location' => '" + to + "' ), 'body' => '',"
        " 'response' => array( 'code' => 302, 'message' => 'Found' ), 'cookies' => array() );"
    )


@pytest.mark.parametrize(
    "to",
    [
        "https://elsewhere.example/contact-desk.2.4.0.zip",
        "http://downloads.wordpress.org/plugin/contact-desk.2.4.0.zip",
    ],
)
def test_a_package_from_another_host_or_without_encryption_is_refused(wp, paired, desk, to) -> None:
    with host_answers(wp, redirect(to)):
        result = ApprovedChange.of(wp, paired, ITEM).send()
    assert (result["outcome"], result["reason"]) == ("refused", "package_host"), result
    assert {**disk(wp, DESK), "left": []} == desk


def test_a_redirect_within_the_host_is_followed_and_the_host_recorded(wp, paired, desk) -> None:
    target = "https://downloads.wordpress.org/plugin/contact-desk.2.4.0.zip?moved=1"
    code = f"if ( false === strpos( $url, 'moved' ) ) {{ {redirect(target)} }} return $a;"
    with host_answers(wp, code):
        result = ApprovedChange.of(wp, paired, ITEM).send()
    assert result["outcome"] == "succeeded", result
    assert result["evidence"]["package_host"] == "downloads.wordpress.org"


# ---- W5, W18, K12: files of earlier runs, and functions that hosts disable ----


def test_folders_of_unknown_runs_are_removed(wp, paired, desk) -> None:
    lost = f"{PLACE}/11111111-2222-3333-4444-555555555555-a1b2c3d4e5f60718"
    shell(
        wp,
        f"mkdir -p {lost}/kept; echo old > {lost}/kept/x%2Ephp; chown -R www-data {PLACE};"
        f" touch -d '2 hours ago' {lost}",
    )
    assert ApprovedChange.of(wp, paired, ITEM).status()["state"] == "never"
    assert shell(wp, f"ls -d {PLACE} 2>&- || :") == ""


def test_deactivation_settles_a_run_that_died(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, ITEM)
    kill_while(wp, change, "before")
    wp.evaluate("deactivate_plugins('siteagent/siteagent.php');")
    try:
        assert shell(wp, f"ls -d {PLACE} {CONTENT}/mu-plugins/siteagent* 2>&- || :") == ""
    finally:
        wp.evaluate("activate_plugin('siteagent/siteagent.php');")
    assert same_files(desk, disk(wp, DESK))
    assert change.status()["outcome"] == "rolled_back"


def test_a_lock_that_wordpress_holds_is_not_released(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, ITEM)
    kill_while(wp, change, "download")
    wp.evaluate("update_option('auto_updater.lock', time() + 5, false);")
    try:
        assert change.status()["state"] == "done"
        assert wp.evaluate("return (int) get_option('auto_updater.lock') > time();") is True
    finally:
        wp.evaluate("delete_option('auto_updater.lock');")


@pytest.mark.parametrize("name", ["flock", "rename", "copy", "touch"])
def test_a_disabled_php_function_fails_the_pre_check(wp, paired, desk, name) -> None:
    with php_settings(wp, f"disable_functions={name}"):
        checked = ask(paired, "change.check", item=ITEM)
        assert (checked["eligible"], checked["facts"]["rollback"]) == (False, False)
        assert "filesystem" in checked["reasons"]
        result = ApprovedChange.of(wp, paired, ITEM).send()
    assert (result["outcome"], result["reason"]) == ("refused", "filesystem")
    assert ask(paired, "change.check", item=ITEM)["facts"]["busy"] is False


def test_a_plan_for_months_is_refused(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, ITEM)
    change.plan["not_after"] = change.plan["not_before"] + 32 * 86400
    with pytest.raises(CallError) as caught:
        change.send()
    assert caught.value.evidence["argument"] == "not_after"


def test_a_marker_that_names_another_folder_deletes_nothing(wp, paired, desk) -> None:
    """An attacker who can write an option must not be able to delete a folder."""
    change = ApprovedChange.of(wp, paired, ITEM)
    with injected_faults(wp, loopback="blocked"):
        assert change.send()["outcome"] == "succeeded"
    run = shell(wp, f"basename {PLACE}/*/").strip()
    shell(wp, f"mkdir -p {CONTENT}/uploads/{run}/kept; echo mine > {CONTENT}/uploads/{run}/mine")
    shell(wp, f"chown -R www-data {CONTENT}/uploads")
    folder = json.dumps(f"{CONTENT}/uploads/{run}")
    wp.evaluate(
        "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
        f" {{ $data['run']['folder'] = {folder}; $data['run']['deadline'] = 0; return $data; }});"
    )
    assert change.status()["outcome"] == "succeeded"
    assert shell(wp, f"cat {CONTENT}/uploads/{run}/mine") == "mine\n"
    shell(wp, f"rm -r {CONTENT}/uploads/{run}")


def test_objects_in_the_option_stay_data(wp, paired) -> None:
    class_name = wp.evaluate(
        "global $wpdb;"
        "$read = new ReflectionMethod('Siteagent_Option_Store', 'decode'); "
        "$read->setAccessible(true);"
        "$kept = serialize(array('run' => new ArrayObject(array(1))));"
        "$data = $read->invoke(new Siteagent_Option_Store($wpdb, false), $kept);"
        "return get_class($data['run']);"
    )
    assert class_name == "__PHP_Incomplete_Class"
