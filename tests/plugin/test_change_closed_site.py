"""Updates of sites whose front page is closed to visitors or was broken before the update."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    disk,
    item_of,
    php_text,
    publish,
    reset,
    update,
    version,
)

CLOSED = {
    "coming soon, 503": "status_header( 503 ); exit( 'Coming soon' );",
    "coming soon, 200": "exit( 'Coming soon' );",
    "broken by another plugin": "another_plugin_is_broken();",
}

GRANTED = ("plugins",)


@pytest.fixture
def desk(wp, paired) -> Iterator[dict[str, Any]]:
    yield reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    assert disk(wp, DESK)["left"] == []


@contextmanager
def closed(wp, code: str) -> Iterator[None]:
    """Let a must-use plugin end the front page before the theme loads."""
    file = "WPMU_PLUGIN_DIR . '/closed.php'"
    hook = f"<?php add_action( 'template_redirect', function () {{ {code} }}, 0 );"
    wp.evaluate(f"return file_put_contents({file}, {php_text(hook)});")
    try:
        yield
    finally:
        wp.evaluate(f"return unlink({file});")


def check_again(wp, change: ApprovedChange) -> dict[str, Any]:
    """Make the next check of the watched version due, and return its status."""
    wp.evaluate(
        "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
        " { $data['run']['look_at'] = time() - 1; return $data; });"
    )
    return change.status()


@pytest.mark.parametrize("code", CLOSED.values(), ids=list(CLOSED))
def test_a_broken_version_behind_a_closed_front_page_is_rolled_back(wp, paired, desk, code) -> None:
    update(wp, "contact-desk", "2.5.1")
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1"))
    with closed(wp, code):
        result = change.send()
        assert result["outcome"] == "succeeded", result
        assert result["evidence"]["after"]["probe"] == "could_not_tell"
        assert result["evidence"]["watched_until"] > time.time()
    result = check_again(wp, change)
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
    assert "contact_desk_count_visit" in result["evidence"]["during"]["error"]
    assert requests.get(wp.url, timeout=60).status_code == 200


def test_a_good_version_is_confirmed_once_the_site_opens(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    with closed(wp, CLOSED["coming soon, 503"]):
        assert change.send()["evidence"]["watched_until"] > time.time()
    result = check_again(wp, change)
    assert (result["outcome"], result["evidence"]["watched_until"]) == ("succeeded", None)
    assert result["evidence"]["after"]["probe"] == "ok"


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        ("login_init", "gone();"),
        ("rest_api_init", "gone();"),
        ("admin_init", "if ( wp_doing_ajax() ) { gone(); }"),
    ],
    ids=["login page", "REST", "admin-ajax"],
)
def test_login_rest_and_ajax_are_checked_too(wp, paired, desk, hook, code) -> None:
    head = "<?php\n/**\n * Plugin Name: Contact Desk\n * Version: 2.9.2\n */\n"
    text = f"{head}add_action( '{hook}', function () {{ {code} }} );\n"
    publish(wp, "plugin/contact-desk.2.9.2.zip", {"contact-desk/contact-desk.php": text})
    update(wp, "contact-desk", "2.9.2")
    result = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.9.2")).send()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
    during = result["evidence"]["during"]
    assert (during["version"], during["active"], during["probe"]) == ("2.9.2", True, "fatal")
    assert "gone()" in during["error"]
    assert version(wp, DESK) == "2.3.1"
