"""Update themes and translations, and roll them back if they break pages."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.changing import (
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
)
from tests.plugin.support.translations import CATALOGUE, FIRST, GERMAN, SECOND, translate
from tests.wordpress.engine import docker

COAST = {"kind": "theme", "id": "coastline", "from": "1.2.0", "to": "1.3.0"}

GRANTED = ("themes", "translations")


@pytest.fixture
def coast(wp, paired) -> Iterator[dict[str, Any]]:
    yield reset(wp, "coastline", "1.2.0", kind="theme", available="1.3.0")
    assert disk(wp, "coastline", kind="theme")["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


@pytest.fixture
def active_theme(wp, coast) -> Iterator[dict[str, Any]]:
    """Activate the theme for the duration of a test."""
    before = wp.evaluate("$before = get_stylesheet(); switch_theme('coastline'); return $before;")
    yield coast
    wp.evaluate(f"switch_theme('{before}');")


def test_an_inactive_theme_is_updated(wp, paired, coast) -> None:
    result = ApprovedChange.of(wp, paired, COAST).send()
    assert (result["outcome"], result["evidence"]["after"]["active"]) == ("succeeded", False)
    assert disk(wp, "coastline", kind="theme")["version"] == "1.3.0"


def test_the_active_theme_is_updated_and_stays_active(wp, paired, active_theme) -> None:
    result = ApprovedChange.of(wp, paired, COAST).send()
    assert result["outcome"] == "succeeded"
    assert result["evidence"]["after"] == {"version": "1.3.0", "active": True, "probe": "ok"}
    assert wp.evaluate("return get_stylesheet();") == "coastline"


def test_a_theme_that_breaks_pages_is_rolled_back(wp, paired, active_theme) -> None:
    update(wp, "coastline", "1.3.1", kind="theme")
    result = ApprovedChange.of(wp, paired, {**COAST, "to": "1.3.1"}).send()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after")
    assert same_files(active_theme, disk(wp, "coastline", kind="theme"))
    assert wp.evaluate("return get_stylesheet();") == "coastline"


def test_the_parent_of_the_active_theme_counts_as_active(wp, paired, coast) -> None:
    style = "/*\nTheme Name: Harbour\nTemplate: coastline\nVersion: 1.0\n*/\n"
    before = wp.evaluate(
        "$before = get_stylesheet(); mkdir(get_theme_root() . '/harbour');"
        f"file_put_contents(get_theme_root() . '/harbour/style.css', {php_text(style)});"
        "wp_clean_themes_cache(); switch_theme('harbour'); return $before;"
    )
    try:
        update(wp, "coastline", "1.3.1", kind="theme")
        result = ApprovedChange.of(wp, paired, {**COAST, "to": "1.3.1"}).send()
        assert result["evidence"]["before"]["active"] is True
        assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after")
    finally:
        wp.evaluate(
            f"switch_theme('{before}'); unlink(get_theme_root() . '/harbour/style.css');"
            "rmdir(get_theme_root() . '/harbour');"
        )


def test_a_theme_package_with_another_name_or_version_is_refused(wp, paired, coast) -> None:
    update(wp, "coastline", "1.4.0", kind="theme")
    style = "/*\nTheme Name: Coastline\nVersion: 1.4.0\n*/\n"
    for folder, version in (("coastline", "1.3.9"), ("twentytwentyfive", "1.4.0")):
        files = {f"{folder}/style.css": style.replace("1.4.0", version), f"{folder}/index.php": ""}
        publish(wp, "theme/coastline.1.4.0.zip", files)
        result = ApprovedChange.of(wp, paired, {**COAST, "to": "1.4.0"}).send()
        assert (result["outcome"], result["reason"]) == ("refused", "package_mismatch")
    assert disk(wp, "coastline", kind="theme") == coast


def test_a_plugin_needs_its_own_permission(wp, paired) -> None:
    item = {"kind": "plugin", "id": "tide-gallery/tide-gallery.php", "from": "1.0.0", "to": "1.1.0"}
    assert ApprovedChange.of(wp, paired, item).send()["reason"] == "permission_off"


# ---- translations ----


@pytest.fixture
def german(wp, paired) -> Iterator[None]:
    """Start without German texts of the plugin, and restore the catalog afterwards."""
    clear = "array_map('unlink', (array) glob(WP_LANG_DIR . '/plugins/contact-desk-*'));"
    before = wp.evaluate(f"{clear} return file_get_contents('{CATALOGUE}');")
    reset(wp, "contact-desk", "2.3.1")
    yield
    wp.evaluate(f"{clear} file_put_contents('{CATALOGUE}', {php_text(before)});")


def item(before: str, after: str) -> dict[str, str]:
    return {"kind": "translation", "id": GERMAN, "from": before, "to": after}


def revision(wp) -> str:
    return wp.evaluate(
        "Siteagent_Report::load_admin_includes();"
        f"return (new Siteagent_Component('translation', '{GERMAN}'))->version();"
    )


def test_a_translation_is_installed_and_updated(wp, paired, german) -> None:
    translate(wp, FIRST)
    assert ask(paired, "change.check", item=item("", FIRST))["eligible"] is True
    assert ApprovedChange.of(wp, paired, item("", FIRST)).send()["outcome"] == "succeeded"
    assert revision(wp) == FIRST
    translate(wp, SECOND)
    updates = paired.ask("report", have=None).document["report"]["updates"]["translations"]
    result = ApprovedChange.of(wp, paired, item(FIRST, SECOND)).send()
    assert result["outcome"] == "succeeded"
    assert result["evidence"]["before"]["version"] == FIRST
    assert result["evidence"]["after"] == {"version": SECOND, "active": True, "probe": "ok"}
    assert revision(wp) == SECOND
    assert all(update["updated"] and "installed" in update for update in updates)


def test_a_translation_package_with_another_revision_is_refused(wp, paired, german) -> None:
    translate(wp, FIRST)
    ApprovedChange.of(wp, paired, item("", FIRST)).send()
    translate(wp, SECOND, inside="2020-01-01 00:00:00")
    result = ApprovedChange.of(wp, paired, item(FIRST, SECOND)).send()
    assert (result["outcome"], result["reason"]) == ("refused", "package_mismatch")
    assert revision(wp) == FIRST


def test_a_refused_translation_names_its_reason(wp, paired, german) -> None:
    translate(wp, FIRST)
    with injected_faults(wp, filesystem="ftpext"):
        result = ApprovedChange.of(wp, paired, item("", FIRST)).send()
        assert (result["outcome"], result["reason"]) == ("refused", "filesystem")
    assert revision(wp) == ""
    assert (
        ApprovedChange.of(wp, paired, item("", SECOND)).send()["reason"]
        == "other_version_available"
    )
    assert ApprovedChange.of(wp, paired, item(SECOND, FIRST)).send()["reason"] == "not_installed"


def compile_mo(original: str, text: str) -> bytes:
    """Return a .mo file with the translation of one sentence."""
    head = b"Content-Type: text/plain; charset=UTF-8\n"
    pairs = [(b"", head), (original.encode(), text.encode())]
    tables, strings, start = [b"", b""], b"", 28 + 2 * 8 * len(pairs)
    for column in (0, 1):
        for pair in pairs:
            tables[column] += struct.pack("<2I", len(pair[column]), start + len(strings))
            strings += pair[column] + b"\0"
    size = 8 * len(pairs)
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + size, 0, 28 + 2 * size)
    return header + tables[0] + tables[1] + strings


# Send a translated text in a header of each page, as themes and plugins print theirs.
_GERMAN_PAGE = """<?php
add_action('template_redirect', function () {
    load_textdomain('says', WP_LANG_DIR . '/plugins/contact-desk-de_DE.mo');
    header('X-Says: ' . sprintf(__('Hello %s', 'says'), 'Cleo'));
});
"""


@contextmanager
def german_page(wp) -> Iterator[None]:
    file = "WPMU_PLUGIN_DIR . '/says.php'"
    wp.evaluate(f"file_put_contents({file}, {php_text(_GERMAN_PAGE)});")
    try:
        yield
    finally:
        wp.evaluate(f"unlink({file});")


def files(wp) -> dict[str, str]:
    """Return the hash of each German file of the plugin, by name."""
    return wp.evaluate(
        "$all = (array) glob(WP_LANG_DIR . '/plugins/contact-desk-*');"
        "return (object) array_combine(array_map('basename', $all), array_map('md5_file', $all));"
    )


# The text has more placeholders than the page has values, so sprintf() throws an error.
BROKEN_MO = compile_mo("Hello %s", "Hallo %1$s und %2$s")


@pytest.mark.parametrize("installed", ["", FIRST])
def test_a_translation_that_breaks_pages_is_rolled_back(wp, paired, german, installed) -> None:
    if installed:
        translate(wp, FIRST, mo=compile_mo("Hello %s", "Hallo %s"))
        assert ApprovedChange.of(wp, paired, item("", FIRST)).send()["outcome"] == "succeeded"
    before = files(wp)
    assert len(before) == (2 if installed else 0)
    translate(wp, SECOND, mo=BROKEN_MO)
    with german_page(wp):
        result = ApprovedChange.of(wp, paired, item(installed, SECOND)).send()
        assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
        assert result["evidence"]["kept_copy"] is True
        assert result["evidence"]["before"] == {"version": installed, "active": True, "probe": "ok"}
        assert result["evidence"]["after"] == result["evidence"]["before"]
        page = requests.get(wp.url, timeout=60)
        assert page.status_code == 200
        assert page.headers["X-Says"] == ("Hallo Cleo" if installed else "Hello Cleo")
    assert files(wp) == before
    assert disk(wp, "contact-desk/contact-desk.php")["left"] == []


def test_a_translation_is_rolled_back_when_its_process_is_killed(wp, paired, german) -> None:
    translate(wp, FIRST)
    ApprovedChange.of(wp, paired, item("", FIRST)).send()
    before = files(wp)
    translate(wp, SECOND, mo=BROKEN_MO)
    change = ApprovedChange.of(wp, paired, item(FIRST, SECOND))
    with injected_faults(wp, sleep={"done": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        assert isinstance(running.exception(30), CallError)
        assert files(wp) != before
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "interrupted")
    assert files(wp) == before
    assert disk(wp, "contact-desk/contact-desk.php")["left"] == []
