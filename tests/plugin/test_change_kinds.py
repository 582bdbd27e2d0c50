"""Themes and translations: the same rules as for plugins, each with what is its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.plugin.changing import (
    Order,
    ask,
    disk,
    grant,
    meddled,
    offer,
    php_text,
    publish,
    reset,
)
from tests.plugin.dashboard import Paired
from tests.plugin.test_admin import forget
from tests.plugin.test_change_run import same_files
from tests.plugin.test_gate import connect
from tests.wordpress.repository import EMPTY_MO

COAST = {"kind": "theme", "id": "coastline", "from": "1.2.0", "to": "1.3.0"}
GERMAN = "plugin:contact-desk:de_DE"
FIRST, SECOND = "2026-09-14 08:30:00", "2026-10-20 09:00:00"
CATALOGUE = "/srv/wordpress.org/catalogue.json"


@pytest.fixture(scope="module")
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    connected = connect(wp)
    grant(wp, "themes", "translations")
    yield connected
    forget(wp)


@pytest.fixture
def coast(wp, paired) -> Iterator[dict[str, Any]]:
    yield reset(wp, "coastline", "1.2.0", kind="theme", offered="1.3.0")
    assert disk(wp, "coastline", kind="theme")["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


@pytest.fixture
def worn(wp, coast) -> Iterator[dict[str, Any]]:
    """The theme is the one visitors see."""
    before = wp.evaluate("$was = get_stylesheet(); switch_theme('coastline'); return $was;")
    yield coast
    wp.evaluate(f"switch_theme('{before}');")


def test_a_theme_nobody_wears_is_updated(wp, paired, coast) -> None:
    told = Order.of(wp, paired, COAST).send()
    assert (told["outcome"], told["evidence"]["after"]["active"]) == ("succeeded", False)
    assert disk(wp, "coastline", kind="theme")["version"] == "1.3.0"


def test_the_theme_visitors_see_is_updated_and_still_worn(wp, paired, worn) -> None:
    told = Order.of(wp, paired, COAST).send()
    assert told["outcome"] == "succeeded"
    assert told["evidence"]["after"] == {"version": "1.3.0", "active": True, "probe": "ok"}
    assert wp.evaluate("return get_stylesheet();") == "coastline"


def test_a_theme_that_breaks_pages_is_taken_back(wp, paired, worn) -> None:
    offer(wp, "coastline", "1.3.1", kind="theme")
    told = Order.of(wp, paired, {**COAST, "to": "1.3.1"}).send()
    assert (told["outcome"], told["reason"]) == ("rolled_back", "fatal_after")
    assert same_files(worn, disk(wp, "coastline", kind="theme"))
    assert wp.evaluate("return get_stylesheet();") == "coastline"


def test_the_parent_of_the_theme_visitors_see_counts_as_active(wp, paired, coast) -> None:
    style = "/*\nTheme Name: Harbour\nTemplate: coastline\nVersion: 1.0\n*/\n"
    was = wp.evaluate(
        "$was = get_stylesheet(); mkdir(get_theme_root() . '/harbour');"
        f"file_put_contents(get_theme_root() . '/harbour/style.css', {php_text(style)});"
        "wp_clean_themes_cache(); switch_theme('harbour'); return $was;"
    )
    try:
        offer(wp, "coastline", "1.3.1", kind="theme")
        told = Order.of(wp, paired, {**COAST, "to": "1.3.1"}).send()
        assert told["evidence"]["before"]["active"] is True
        assert (told["outcome"], told["reason"]) == ("rolled_back", "fatal_after")
    finally:
        wp.evaluate(
            f"switch_theme('{was}'); unlink(get_theme_root() . '/harbour/style.css');"
            "rmdir(get_theme_root() . '/harbour');"
        )


def test_a_theme_package_that_lies_touches_nothing(wp, paired, coast) -> None:
    offer(wp, "coastline", "1.4.0", kind="theme")
    style = "/*\nTheme Name: Coastline\nVersion: 1.4.0\n*/\n"
    for folder, version in (("coastline", "1.3.9"), ("twentytwentyfive", "1.4.0")):
        lie = {f"{folder}/style.css": style.replace("1.4.0", version), f"{folder}/index.php": ""}
        publish(wp, "theme/coastline.1.4.0.zip", lie)
        told = Order.of(wp, paired, {**COAST, "to": "1.4.0"}).send()
        assert (told["outcome"], told["reason"]) == ("refused", "package_lies")
    assert disk(wp, "coastline", kind="theme") == coast


def test_a_plugin_is_another_scope(wp, paired) -> None:
    step = {"kind": "plugin", "id": "tide-gallery/tide-gallery.php", "from": "1.0.0", "to": "1.1.0"}
    assert Order.of(wp, paired, step).send()["reason"] == "scope_off"


# ---- translations ----


@pytest.fixture
def german(wp, paired) -> Iterator[None]:
    """The catalogue as it was, and no German texts of the plugin."""
    clear = "array_map('unlink', (array) glob(WP_LANG_DIR . '/plugins/contact-desk-*'));"
    before = wp.evaluate(f"{clear} return file_get_contents('{CATALOGUE}');")
    reset(wp, "contact-desk", "2.3.1")
    yield
    wp.evaluate(f"{clear} file_put_contents('{CATALOGUE}', {php_text(before)});")


def translate(wp, updated: str, *, inside: str = "") -> None:
    """WordPress.org has a German translation revised then; `inside` is what its file says."""
    one = {
        "type": "plugin",
        "slug": "contact-desk",
        "language": "de_DE",
        "version": "2.3.1",
        "updated": updated,
    }
    wp.evaluate(
        f"$all = json_decode(file_get_contents('{CATALOGUE}'), true);"
        f"$all['translations'] = json_decode({php_text(json.dumps([one]))}, true);"
        f"file_put_contents('{CATALOGUE}', json_encode($all));"
    )
    stamp = inside or updated
    po = f'msgid ""\nmsgstr ""\n"PO-Revision-Date: {stamp}+0000\\n"\n'
    files = {"contact-desk-de_DE.po": po, "contact-desk-de_DE.mo": EMPTY_MO}
    publish(wp, "translation/plugin/contact-desk/2.3.1/de_DE.zip", files)


def step(before: str, after: str) -> dict[str, str]:
    return {"kind": "translation", "id": GERMAN, "from": before, "to": after}


def stamp(wp) -> str:
    return wp.evaluate(
        "Siteagent_Inventory::load_admin_includes();"
        f"return (new Siteagent_Component('translation', '{GERMAN}'))->version();"
    )


def test_a_translation_arrives_and_is_revised(wp, paired, german) -> None:
    translate(wp, FIRST)
    assert ask(paired, "change.check", step=step("", FIRST))["may"] is True
    assert Order.of(wp, paired, step("", FIRST)).send()["outcome"] == "succeeded"
    assert stamp(wp) == FIRST
    translate(wp, SECOND)
    report = paired.ask("report", have=None).document["report"]["updates"]["translations"]
    told = Order.of(wp, paired, step(FIRST, SECOND)).send()
    assert told["outcome"] == "succeeded"
    assert told["evidence"]["before"]["version"] == FIRST
    assert told["evidence"]["after"] == {"version": SECOND, "active": True, "probe": "ok"}
    assert stamp(wp) == SECOND
    assert all(one["updated"] and "installed" in one for one in report)


def test_a_translation_whose_file_is_another_one_touches_nothing(wp, paired, german) -> None:
    translate(wp, FIRST)
    Order.of(wp, paired, step("", FIRST)).send()
    translate(wp, SECOND, inside="2020-01-01 00:00:00")
    told = Order.of(wp, paired, step(FIRST, SECOND)).send()
    assert (told["outcome"], told["reason"]) == ("refused", "package_lies")
    assert stamp(wp) == FIRST


def test_a_translation_that_was_not_installed_after_all(wp, paired, german) -> None:
    translate(wp, FIRST)
    with meddled(wp, filesystem="ftpext"):
        told = Order.of(wp, paired, step("", FIRST)).send()
        assert (told["outcome"], told["reason"]) == ("refused", "filesystem")
    assert stamp(wp) == ""
    assert Order.of(wp, paired, step("", SECOND)).send()["reason"] == "version_moved"
    assert Order.of(wp, paired, step(SECOND, FIRST)).send()["reason"] == "not_installed"
