"""Compare a site's files with their releases once a day and name those that differ."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from app.package_tree import tree_digest
from tests.plugin.support.changing import (
    DESK,
    DOWNLOADS,
    ApprovedChange,
    php_text,
    publish_package,
    reset,
)
from tests.support.packages import packed
from tests.wordpress.repository import FIXTURES, files_below

LIST = "plugin-checksums/contact-desk/2.3.1.json"
ADDRESS = f"https://{DOWNLOADS}/{LIST}"
# Answer with a list of core's files like WordPress.org's, made from the files themselves.
_CORE = """
add_filter('pre_http_request', static function ($answer, $arguments, $url) {
    $list = 'https://api.wordpress.org/core/checksums/1.0/?version=';
    if (0 !== strpos($url, $list)) { return $answer; }
    $files = array('wp-content/index.php' => str_repeat('0', 32));
    foreach (array('wp-admin', 'wp-includes') as $part) {
        $below = new RecursiveDirectoryIterator(ABSPATH . $part, FilesystemIterator::SKIP_DOTS);
        foreach (new RecursiveIteratorIterator($below) as $file) {
            $files[substr($file->getPathname(), strlen(ABSPATH))] = md5_file($file->getPathname());
        }
    }
    foreach (glob(ABSPATH . '*.php') as $file) {
        if ('wp-config.php' !== basename($file)) { $files[basename($file)] = md5_file($file); }
    }
    %s
    $body = json_encode(array('checksums' => $files));
    return array('headers' => array(), 'cookies' => array(), 'body' => $body,
        'response' => array('code' => 200, 'message' => 'OK'));
}, 1, 3);
"""
# Run every slice of one check, as WP-Cron would.
_CHECK = """
wp_cache_flush(); delete_option('siteagent_files');
Siteagent_Report::load_admin_includes(); wp_update_plugins();
do { do_action('siteagent_check_files'); $state = get_option('siteagent_files'); }
while (array() !== $state['waiting']);
return Siteagent_File_Check::results();
"""

GRANTED = ("plugins", "themes")


@pytest.fixture
def desk(wp, paired) -> Iterator[Any]:
    """Install Contact Desk as released and publish its list at WordPress.org."""
    reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    publish(wp, file_list())
    yield wp
    wp.evaluate(f"@unlink('/srv/wordpress.org/downloads.wordpress.org/{LIST}'); return 1;")


def released(version: str = "2.3.1") -> dict[str, bytes]:
    return dict(files_below(FIXTURES / "plugins" / "contact-desk" / version))


def file_list(**more: Any) -> dict[str, Any]:
    """Return a list of files in the format that WordPress.org documents."""
    files = {
        name: {"md5": "0" * 32, "sha256": sha256(text).hexdigest()}
        for name, text in released().items()
    }
    archive = f"https://{DOWNLOADS}/plugins/contact-desk.2.3.1.zip"
    return {
        "plugin": "contact-desk",
        "version": "2.3.1",
        "source": "https://plugins.svn.wordpress.org/contact-desk/tags/2.3.1/",
        "zip": archive,
        "files": files,
    } | more


def publish(wp: Any, document: dict[str, Any]) -> None:
    publish_package(wp, LIST, json.dumps(document).encode())


def write(wp: Any, name: str, text: str) -> None:
    path = f"WP_PLUGIN_DIR . '/contact-desk/{name}'"
    wp.evaluate(
        f"is_dir(dirname({path})) || mkdir(dirname({path}), 0755, true);"
        f"return file_put_contents({path}, {php_text(text)});"
    )


def check(wp: Any, kind: str = "plugin", ident: str = DESK, *, before: str = "") -> dict[str, Any]:
    """Run a whole check and return its result for one component."""
    results = wp.evaluate(before + _CHECK)
    return next(result for result in results if (result["kind"], result["id"]) == (kind, ident))


def counts(found: dict[str, Any]) -> tuple[int, int, int, int]:
    return found["changed"], found["missing"], found["unknown"], found["soft"]


def test_a_plugin_as_it_was_released_has_no_differences(desk) -> None:
    found = check(desk)
    assert counts(found) == (0, 0, 0, 0)
    assert found["compared_with"] == "wordpress_org"
    assert (found["version"], found["reason"], found["fingerprint"]) == ("2.3.1", None, None)


def test_changed_missing_and_unknown_files_are_named(desk) -> None:
    write(desk, "contact-desk.php", released()["contact-desk.php"].decode() + "\n// ours\n")
    write(desk, "inc/class-wp-cache.php", "<?php\n")
    found = check(desk)
    assert found["changed_files"] == ["contact-desk.php"]
    assert found["unknown_files"] == ["inc/class-wp-cache.php"]
    publish(desk, file_list(files=file_list()["files"] | {"inc/gone.php": {"sha256": "a" * 64}}))
    assert check(desk)["missing_files"] == ["inc/gone.php"]


def test_a_changed_readme_is_counted_and_not_named(desk) -> None:
    files = file_list()["files"] | {"readme.txt": {"sha256": "a" * 64}}
    publish(desk, file_list(files=files))
    write(desk, "readme.txt", "our words")
    assert counts(check(desk)) == (0, 0, 0, 1)


def test_a_version_that_was_built_twice_has_a_set_of_allowed_files(desk) -> None:
    files = {
        name: {"sha256": ["b" * 64, row["sha256"]]} for name, row in file_list()["files"].items()
    }
    files["of-the-first-build.php"] = {"sha256": ["c" * 64]}
    archives = [file_list()["zip"], file_list()["zip"] + "?2"]
    publish(desk, file_list(files=files, zip=archives))
    assert counts(check(desk)) == (0, 0, 0, 0)
    write(desk, "contact-desk.php", released()["contact-desk.php"].decode() + "// ours")
    write(desk, "of-the-first-build.php", "<?php // not that one")
    found = check(desk)
    assert found["changed_files"] == ["contact-desk.php", "of-the-first-build.php"]


def test_the_fingerprint_changes_with_a_program_and_not_with_a_cache(desk) -> None:
    write(desk, "extra.php", "<?php // 1")
    write(desk, "cache.json", "1")
    first = check(desk)["fingerprint"]
    write(desk, "cache.json", "2")
    assert check(desk)["fingerprint"] == first
    write(desk, "extra.php", "<?php // 2")
    assert check(desk)["fingerprint"] not in (first, None)


def test_no_more_than_fifty_names_are_kept_and_programs_come_first(desk) -> None:
    desk.evaluate(
        "foreach (range(100, 199) as $n) {"
        "file_put_contents(WP_PLUGIN_DIR . \"/contact-desk/a$n.txt\", ''); }"
        "return file_put_contents(WP_PLUGIN_DIR . '/contact-desk/zz.php', '');"
    )
    found = check(desk)
    assert found["unknown"] == 101
    assert len(found["unknown_files"]) == 50
    assert found["unknown_files"][0] == "zz.php"


def intercept_list_request(php: str) -> str:
    """Return PHP that answers the request for the list in place of WordPress.org."""
    return (
        "add_filter('pre_http_request', static function ($answer, $arguments, $url) {"
        f"if ({php_text(ADDRESS)} !== $url) {{ return $answer; }} {php}"
        "}, 1, 3);"
    )


def response(code: int, body: str, headers: str = "array()") -> str:
    return (
        f"return array('headers' => {headers}, 'cookies' => array(), 'body' => {body},"
        f"'response' => array('code' => {code}, 'message' => ''));"
    )


HASH = "'" + "a" * 64 + "'"
LIST_PROBLEMS = {
    "absent": (response(404, "''"), "no_list"),
    "another host": (
        response(302, "''", "array('location' => 'https://mirror.example/list.json')"),
        "list_redirected",
    ),
    "http": (
        response(301, "''", f"array('location' => 'http://{DOWNLOADS}/{LIST}')"),
        "list_redirected",
    ),
    "slow": (
        "return new WP_Error('http_request_failed', 'cURL error 28: Operation timed out');",
        "list_slow",
    ),
    "away": ("return new WP_Error('http_request_failed', 'cURL error 7');", "list_unreachable"),
    "broken": (response(503, "''"), "list_unreachable"),
    "too large": (
        response(200, "str_repeat(' ', Siteagent_Released_Files::MAX_BYTES + 1)"),
        "list_too_large",
    ),
    "too long": (
        response(
            200,
            "json_encode(array('files' => array_fill_keys(range(1, 30001),"
            f" array('sha256' => {HASH}))))",
        ),
        "list_too_large",
    ),
    "no JSON": (response(200, "'<html>'"), "list_unreadable"),
    "another version": (
        response(200, '\'{"version":"9","files":{"a.php":{}}}\''),
        "list_unreadable",
    ),
    "no hash": (response(200, '\'{"files":{"a.php":{"sha256":["x"]}}}\''), "list_unreadable"),
    "a path out of the folder": (
        response(200, f"json_encode(array('files' => array('../a' => array('sha256' => {HASH}))))"),
        "list_unreadable",
    ),
}


@pytest.mark.parametrize(("php", "reason"), LIST_PROBLEMS.values(), ids=list(LIST_PROBLEMS))
def test_without_a_list_no_file_is_reported_as_unchanged(desk, php: str, reason: str) -> None:
    found = check(desk, before=intercept_list_request(php))
    assert (found["compared_with"], found["reason"]) == ("nothing", reason)
    assert counts(found) == (0, 0, 0, 0)


def test_the_list_is_requested_over_https_without_redirects(desk) -> None:
    requested = desk.evaluate(
        "$GLOBALS['calls'] = array();"
        "add_filter('pre_http_request', static function ($answer, $arguments, $url) {"
        "if (strpos($url, 'checksums') && ! strpos($url, '//127.0.0.1:')) {"
        " $GLOBALS['calls'][] = array($url, "
        "$arguments['redirection'], $arguments['timeout'], $arguments['sslverify']); }"
        "return $answer; }, 0, 3);" + _CHECK.replace("return Site", "return $GLOBALS['calls']; //")
    )
    assert [ADDRESS, 0, 10, True] in requested
    assert all(request[0].startswith("https://") and request[1] == 0 for request in requested)


def test_no_list_is_requested_for_a_plugin_from_elsewhere(desk) -> None:
    found = check(desk, ident="table-booking-pro/table-booking-pro.php")
    assert (found["compared_with"], found["reason"]) == ("nothing", "not_published")


def test_wordpress_is_compared_with_its_own_list(desk) -> None:
    found = check(desk, "core", "wordpress", before=_CORE % "")
    assert counts(found) == (0, 0, 0, 0)
    assert found["compared_with"] == "wordpress_org"


def test_changed_and_unknown_files_of_wordpress_are_named(desk) -> None:
    desk.evaluate("return file_put_contents(ABSPATH . 'wp-l0gin.php', '<?php');")
    try:
        change = (
            "$files['wp-includes/load.php'] = str_repeat('1', 32); unset($files['wp-l0gin.php']);"
        )
        found = check(desk, "core", "wordpress", before=_CORE % change)
    finally:
        desk.evaluate("return unlink(ABSPATH . 'wp-l0gin.php');")
    assert found["changed_files"] == ["wp-includes/load.php"]
    assert found["unknown_files"] == ["wp-l0gin.php"]


def test_must_use_plugins_have_a_fingerprint(desk) -> None:
    found = check(desk, "mu_plugin", "wordpress-org.php")
    assert (found["compared_with"], found["reason"]) == ("nothing", "no_release")
    assert len(found["fingerprint"]) == 64


def test_without_a_list_files_are_compared_with_the_installed_update(desk, paired) -> None:
    """No list is published for the new version, as for a theme or a paid plugin."""
    package = {f"contact-desk/{name}": text for name, text in released("2.4.0").items()}
    archive = packed(package)
    publish_package(desk, "plugin/contact-desk.2.4.0.zip", archive)
    item = {
        "kind": "plugin",
        "id": DESK,
        "from": "2.3.1",
        "to": "2.4.0",
        "package_sha256": sha256(archive).hexdigest(),
        "tree_sha256": tree(released("2.4.0")),
    }
    assert ApprovedChange.of(desk, paired, item).send()["outcome"] == "succeeded"
    assert desk.evaluate("return false !== wp_next_scheduled('siteagent_check_files');")
    found = check(desk)
    assert found["compared_with"] == "installation"
    assert counts(found) == (0, 0, 0, 0)
    write(desk, "contact-desk.php", released("2.4.0")["contact-desk.php"].decode() + "\n// ours\n")
    assert check(desk)["changed_files"] == ["contact-desk.php"]


def tree(files: dict[str, bytes]) -> str:
    return tree_digest((name.encode(), sha256(text).digest()) for name, text in files.items())


def test_a_check_with_the_same_result_leaves_the_report_unchanged(desk, paired) -> None:
    write(desk, "inc/extra.php", "<?php")
    check(desk)
    first = paired.ask("report", have=None).document
    results = [item for item in first["report"]["integrity"]["components"] if item["id"] == DESK]
    assert results[0]["unknown_files"] == ["inc/extra.php"]
    check(desk)
    second = paired.ask("report", have=None).document
    assert second["report"]["integrity"] == first["report"]["integrity"]
    assert second["files_checked_at"] >= first["files_checked_at"] > 0
    # A check is identified by its second, so the next one must run in another second.
    time.sleep(1.1)
    # A change this deep in the folder does not make the site rebuild the report on its own.
    write(desk, "inc/extra.php", "<?php // another")
    check(desk)
    changed = paired.ask("report", have=second["digest"]).document
    assert changed["report"]["integrity"] != second["report"]["integrity"]


def test_the_dashboards_request_schedules_a_check_once_a_day(desk, paired) -> None:
    clear = "wp_unschedule_hook('siteagent_check_files'); wp_cache_flush();"
    is_scheduled = "return false !== wp_next_scheduled('siteagent_check_files');"
    desk.evaluate(clear + "return delete_option('siteagent_files');")
    paired.ask("report", have=None)
    assert desk.evaluate(is_scheduled)
    check(desk)
    desk.evaluate(clear + "return 1;")
    paired.ask("report", have=None)
    assert not desk.evaluate(is_scheduled)


# Run a due check while the updates folder holds a run of this name with this file.
_DUE = """
wp_cache_flush(); delete_option('siteagent_files'); wp_unschedule_hook('siteagent_check_files');
$run = Siteagent_Rollback::base_folder() . '/%s'; wp_mkdir_p($run); touch("$run/%s");
do_action('siteagent_check_files');
Siteagent_Filesystem::remove(Siteagent_Rollback::base_folder());
return array(get_option('siteagent_files'), wp_next_scheduled('siteagent_check_files'));
"""
_RUN = "1b4e28ba-2fa1-11d2-883f-0016d3cca427-0123456789abcdef"


def test_a_check_waits_for_an_update_that_is_running_or_watched(desk) -> None:
    state, next_at = desk.evaluate(_DUE % (_RUN, "settled"))
    assert state is False
    assert next_at > 0


@pytest.mark.parametrize(
    ("folder", "file"),
    [(_RUN, "needed"), ("", ".htaccess")],
    ids=["a backup that a person may need", "a disk of the owner"],
)
def test_a_check_does_not_wait_for_leftover_files(desk, folder: str, file: str) -> None:
    state, _ = desk.evaluate(_DUE % (folder, file))
    assert state["began_at"] > 0


# Run slices until the check is complete; each process ends while it compares Contact Desk.
_ENDED = """
wp_cache_flush(); delete_option('siteagent_files');
Siteagent_Report::load_admin_includes(); wp_update_plugins();
for ($slice = 0; $slice < 40; $slice++) {
    try { do_action('siteagent_check_files'); } catch (Error $end) { $ended = true; }
    $state = get_option('siteagent_files');
    if (array() === $state['waiting'] && array() === $state['done']) { break; }
}
return $ended ? Siteagent_File_Check::results() : array();
"""


def test_a_component_that_ends_the_process_counts_as_not_compared(desk) -> None:
    """If the report omitted the component, its differences would seem to be gone."""
    write(desk, "inc/extra.php", "<?php")
    results = desk.evaluate(intercept_list_request("throw new Error('out of memory');") + _ENDED)
    [found] = [component for component in results if component["id"] == DESK]
    assert (found["compared_with"], found["reason"]) == ("nothing", "too_slow")
    assert found["version"] == "2.3.1"


def test_a_check_ends_even_if_its_last_component_ends_the_process(desk) -> None:
    results = desk.evaluate(
        "update_option('siteagent_files', array('at' => 0, 'results' => array(), 'began_at' => 1,"
        f" 'waiting' => array(array('plugin', '{DESK}')), 'done' => array()), false);"
        + intercept_list_request("throw new Error('out of memory');")
        + _ENDED.replace("delete_option('siteagent_files');", "")
    )
    assert [(component["id"], component["reason"]) for component in results] == [(DESK, "too_slow")]
