"""Sites whose front page says nothing: closed to visitors, or broken before the update came."""

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
    """Another plugin ends the front page before the theme."""
    file = "WPMU_PLUGIN_DIR . '/closed.php'"
    hook = f"<?php add_action( 'template_redirect', function () {{ {code} }}, 0 );"
    wp.evaluate(f"return file_put_contents({file}, {php_text(hook)});")
    try:
        yield
    finally:
        wp.evaluate(f"return unlink({file});")


def look_again(wp, change: ApprovedChange) -> dict[str, Any]:
    wp.evaluate(
        "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
        " { $data['run']['look_at'] = time() - 1; return $data; });"
    )
    return change.status()


@pytest.mark.parametrize("code", CLOSED.values(), ids=list(CLOSED))
def test_a_broken_version_behind_a_closed_front_page_is_watched_and_undone(
    wp, paired, desk, code
) -> None:
    update(wp, "contact-desk", "2.5.1")
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1"))
    with closed(wp, code):
        told = change.send()
        assert told["outcome"] == "succeeded", told
        assert told["evidence"]["after"]["probe"] == "could_not_tell"
        assert told["evidence"]["watched_until"] > time.time()
    told = look_again(wp, change)
    assert (told["outcome"], told["reason"]) == ("rolled_back", "fatal_after"), told
    assert "contact_desk_count_visit" in told["evidence"]["during"]["error"]
    assert requests.get(wp.url, timeout=60).status_code == 200


def test_a_good_version_is_proved_as_soon_as_the_site_is_open(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    with closed(wp, CLOSED["coming soon, 503"]):
        assert change.send()["evidence"]["watched_until"] > time.time()
    told = look_again(wp, change)
    assert (told["outcome"], told["evidence"]["watched_until"]) == ("succeeded", None)
    assert told["evidence"]["after"]["probe"] == "ok"


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        ("login_init", "gone();"),
        ("rest_api_init", "gone();"),
        ("admin_init", "if ( wp_doing_ajax() ) { gone(); }"),
    ],
    ids=["login page", "REST", "admin-ajax"],
)
def test_more_than_the_front_page_is_looked_at(wp, paired, desk, hook, code) -> None:
    head = "<?php\n/**\n * Plugin Name: Contact Desk\n * Version: 2.9.2\n */\n"
    text = f"{head}add_action( '{hook}', function () {{ {code} }} );\n"
    publish(wp, "plugin/contact-desk.2.9.2.zip", {"contact-desk/contact-desk.php": text})
    update(wp, "contact-desk", "2.9.2")
    told = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.9.2")).send()
    assert (told["outcome"], told["reason"]) == ("rolled_back", "fatal_after"), told
    during = told["evidence"]["during"]
    assert (during["version"], during["active"], during["probe"]) == ("2.9.2", True, "fatal")
    assert "gone()" in during["error"]
    assert version(wp, DESK) == "2.3.1"
