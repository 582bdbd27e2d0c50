"""Requests that visitors make to fail do not undo an update that SiteAgent watches."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    disk,
    injected_faults,
    item_of,
    publish,
    reset,
    update,
    version,
)
from tests.plugin.support.dashboard import Paired

GRANTED = ("plugins",)

# A thousand requests take minutes on a small machine, so only the nightly run sends them.
HOSTILE_REQUESTS = (40, pytest.param(1000, marks=pytest.mark.nightly))


def desk_files(number: str, code: str) -> dict[str, str]:
    """Return the files of Contact Desk in this version, with this code."""
    head = f"<?php\n/**\n * Plugin Name: Contact Desk\n * Version: {number}\n */\n"
    text = f"{head}defined( 'ABSPATH' ) || exit;\n{textwrap.dedent(code)}"
    return {"contact-desk/contact-desk.php": text}


# PHP 8 raises a TypeError if a visitor sends a list where the plugin expects a text.
SEARCH = """
add_action( 'init', static function (): void {
    if ( isset( $_GET['q'] ) ) {
        trim( $_GET['q'] );
    }
} );
"""
AT_LOAD = "if ( isset( $_GET['q'] ) ) {\n    trim( $_GET['q'] );\n}\n"
EXHAUSTED = """
if ( isset( $_GET['much'] ) ) {
    ini_set( 'memory_limit', '48M' );
    str_repeat( 'x', 500000000 );
}
if ( isset( $_GET['long'] ) ) {
    set_time_limit( 1 );
    for ( ; ; ) { }
}
"""


@pytest.fixture
def desk(wp, paired) -> Iterator[dict[str, Any]]:
    yield reset(wp, "contact-desk", "2.3.1")
    wp.evaluate(
        "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
        " { if (isset($data['run'])) { $data['run']['deadline'] = 0; } return $data; });"
        "Siteagent_Report::load_admin_includes();"
        "siteagent()->run_recovery()->reconcile(time());"
    )
    assert disk(wp, DESK)["left"] == []


def install(wp, paired: Paired, number: str, code: str) -> ApprovedChange:
    """Update to this version; SiteAgent then watches it, as the loopback is blocked."""
    publish(wp, f"plugin/contact-desk.{number}.zip", desk_files(number, code))
    update(wp, "contact-desk", number)
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, number))
    result = change.send()
    assert result["outcome"] == "succeeded", result
    assert result["evidence"]["watched_until"] > 0
    return change


def get(wp, query: str) -> int:
    return requests.get(f"{wp.url}/{query}", timeout=120).status_code


@pytest.mark.parametrize("loopback", ["open again", "blocked"])
@pytest.mark.parametrize("code", [SEARCH, AT_LOAD], ids=["on init", "at load"])
def test_a_list_for_a_text_parameter_does_not_undo_an_update(
    wp, paired, desk, code, loopback
) -> None:
    with injected_faults(wp, loopback="blocked"):
        change = install(wp, paired, "2.9.0", code)
        if loopback == "blocked":
            assert [get(wp, query) for query in ("?q=shoes", "?q[]=shoes")] == [200, 500]
    assert [get(wp, query) for query in ("?q=shoes", "?q[]=shoes", "")] == [200, 500, 200]
    assert version(wp, DESK) == "2.9.0"
    assert change.status()["outcome"] == "succeeded"


@pytest.mark.parametrize("requests_sent", HOSTILE_REQUESTS)
def test_hostile_requests_however_many_undo_nothing(wp, paired, desk, requests_sent) -> None:
    with injected_faults(wp, loopback="blocked"):
        install(wp, paired, "2.9.0", SEARCH)
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: get(wp, "?q[]=shoes"), range(requests_sent)))
    assert statuses.count(500) == requests_sent
    assert get(wp, "") == 200
    assert version(wp, DESK) == "2.9.0"


def test_memory_and_time_that_run_out_undo_nothing(wp, paired, desk) -> None:
    with injected_faults(wp, loopback="blocked"):
        install(wp, paired, "2.9.0", EXHAUSTED)
        assert [get(wp, "?much=1"), get(wp, "?long=1")] == [500, 500]
    assert [get(wp, "?much=1"), get(wp, "?long=1")] == [500, 500]
    assert version(wp, DESK) == "2.9.0"


def test_a_front_page_that_fails_for_every_visitor_is_rolled_back(wp, paired, desk) -> None:
    broken = "add_action( 'template_redirect', static function (): void { nobody_wrote_this(); } );"
    with injected_faults(wp, loopback="blocked"):
        change = install(wp, paired, "2.9.1", broken)
    # The first visitor with an error makes the site request its own front page.
    assert get(wp, "?anything=1") == 500
    assert get(wp, "") == 200
    result = change.status()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after")
    assert result["evidence"]["during"]["version"] == "2.9.1"
    assert "nobody_wrote_this" in result["evidence"]["during"]["error"]


def test_without_a_loopback_ordinary_page_views_decide(wp, paired, desk) -> None:
    broken = "add_action( 'template_redirect', static function (): void { nobody_wrote_this(); } );"
    with injected_faults(wp, loopback="blocked"):
        install(wp, paired, "2.9.1", broken)
        assert [get(wp, "?q=1") for _ in range(4)] == [500] * 4
        assert version(wp, DESK) == "2.9.1"
        assert [get(wp, "") for _ in range(4)] == [500, 500, 500, 200]
    assert version(wp, DESK) == "2.3.1"


# Ask the watchdog about one error after the other while the loopback is blocked.
_JUDGE_ERRORS = """
add_filter('pre_http_request', function () { return new WP_Error('blocked', 'blocked'); });
$folder = get_temp_dir() . 'judged-' . bin2hex(random_bytes(4));
mkdir($folder);
$error = function ($line, $message) use ($folder) {
    $file = '/plugins/contact-desk/search.php';
    $error = array('type' => E_ERROR, 'file' => $file, 'line' => $line,
        'message' => "Uncaught $message in $file:$line\\nStack trace:\\n#0 {main}");
    return new Siteagent_Fatal_Error($error, $folder, '/plugins/contact-desk');
};
$error(7, 'TypeError: trim()')->record_known_error();
$judge = function ($line, $message) use ($error) {
    return array_map(function () use ($error, $line, $message) {
        return $error($line, $message)->proves_failure(); }, range(1, 4));
};
$results = array($judge(9, 'TypeError: trim()'), $judge(9, 'Error: gone()'));
Siteagent_Filesystem::remove($folder);
return $results;
"""


def test_an_error_of_the_old_version_does_not_count(wp, paired) -> None:
    """The line may differ. A new error counts from its third occurrence."""
    old, new = wp.evaluate(_JUDGE_ERRORS)
    assert old == [False] * 4
    assert new == [False, False, True, True]
