"""Report what WordPress updates automatically: the same as WordPress would decide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.support.changing import injected_faults, php_text
from tests.plugin.support.dashboard import Paired

CATALOGUE = "/srv/wordpress.org/catalogue.json"
NOTHING = {"core_minor": False, "core_major": False, "core_dev": False, "translations": False}
OFF = {"constants": {"AUTOMATIC_UPDATER_DISABLED": True}}


def site_report(paired: Paired) -> dict[str, Any]:
    return paired.ask("report", have=None).document["report"]


def auto_updates(paired: Paired) -> dict[str, bool]:
    return site_report(paired)["health"]["auto_updates"]


@pytest.mark.parametrize(
    ("fault_injection", "expected"),
    [
        ({}, {"core_minor": True, "core_major": True, "translations": True}),
        (OFF, {}),
        ({"filters": {"automatic_updater_disabled": True}}, {}),
        ({"file_mods_off": True}, {}),
        ({"filesystem": "ftpext"}, {}),
        ({"constants": {"WP_AUTO_UPDATE_CORE": False}}, {"translations": True}),
        (
            {"constants": {"WP_AUTO_UPDATE_CORE": "minor"}},
            {"core_minor": True, "translations": True},
        ),
        (
            {"filters": {"allow_minor_auto_core_updates": False}},
            {"core_major": True, "translations": True},
        ),
        (
            {"filters": {"allow_major_auto_core_updates": False}},
            {"core_minor": True, "translations": True},
        ),
        ({"filters": {"auto_update_core": False}}, {"translations": True}),
        (
            {"filters": {"auto_update_translation": False}},
            {"core_minor": True, "core_major": True},
        ),
    ],
    ids=str,
)
def test_the_report_says_what_wordpress_would_do(wp, paired, fault_injection, expected) -> None:
    if not fault_injection:
        assert auto_updates(paired) == NOTHING | expected
        return
    with injected_faults(wp, **fault_injection):
        assert auto_updates(paired) == NOTHING | expected


def test_the_administrators_choice_counts(wp, paired) -> None:
    wp.evaluate("update_site_option('auto_update_core_major', 'disabled');")
    try:
        assert auto_updates(paired)["core_major"] is False
        assert auto_updates(paired)["core_minor"] is True
    finally:
        wp.evaluate("update_site_option('auto_update_core_major', 'enabled');")


@pytest.mark.parametrize("autoupdate", [True, False])
def test_each_translation_has_its_own_setting(wp, paired, autoupdate) -> None:
    before = wp.evaluate(
        "array_map('unlink', (array) glob(WP_LANG_DIR . '/plugins/contact-desk-*'));"
        f"return file_get_contents('{CATALOGUE}');"
    )
    catalogue = json.loads(before)
    catalogue["translations"][0]["autoupdate"] = autoupdate
    wp.evaluate(
        f"file_put_contents('{CATALOGUE}', {php_text(json.dumps(catalogue))});"
        "delete_site_transient('update_plugins'); wp_update_plugins();"
    )
    try:
        available = site_report(paired)["updates"]["translations"]
        assert [item["auto_update"] for item in available] == [autoupdate]
        with injected_faults(wp, **OFF):
            assert site_report(paired)["updates"]["translations"][0]["auto_update"] is False
    finally:
        wp.evaluate(f"file_put_contents('{CATALOGUE}', {php_text(before)});")
