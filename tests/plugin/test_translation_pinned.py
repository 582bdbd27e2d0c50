"""Pin the package of a translation: only the files that were approved are installed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from app.package_layout import layout_of
from tests.plugin.support.changing import ApprovedChange, php_text, publish_package, reset
from tests.plugin.support.pins import FORGET_ANSWERS, must_use_code, pinned, precheck, tree_of
from tests.plugin.support.translations import CATALOGUE, FIRST, GERMAN, SECOND, translate
from tests.support.packages import hostile, packed
from tests.wordpress.repository import EMPTY_MO

ZIP = "translation/plugin/contact-desk/2.3.1/de_DE.zip"
NAME = "contact-desk-de_DE"
SCRIPT = f"{NAME}-0123456789abcdef0123456789abcdef.json"
ITEM = {"kind": "translation", "id": GERMAN, "from": FIRST, "to": SECOND}
CLEAR = "array_map('unlink', (array) glob(WP_LANG_DIR . '/plugins/contact-desk-*'));"

GRANTED = ("translations",)


def files(updated: str = SECOND, **more: bytes) -> dict[str, bytes]:
    po = f'msgid ""\nmsgstr ""\n"PO-Revision-Date: {updated}+0000\\n"\n'
    return {f"{NAME}.po": po.encode(), f"{NAME}.mo": EMPTY_MO, SCRIPT: b"{}", **more}


@pytest.fixture
def german(wp, paired) -> Iterator[dict[str, str]]:
    """Install the first revision, publish the second; return the installed files."""
    before = wp.evaluate(f"{CLEAR} {FORGET_ANSWERS} return file_get_contents('{CATALOGUE}');")
    reset(wp, "contact-desk", "2.3.1")
    translate(wp, FIRST)
    first = ApprovedChange.of(wp, paired, {**ITEM, "from": "", "to": FIRST}).send()
    assert first["outcome"] == "succeeded", first
    translate(wp, SECOND)
    publish_package(wp, ZIP, packed(files()))
    yield on_disk(wp)
    wp.evaluate(f"{CLEAR} file_put_contents('{CATALOGUE}', {php_text(before)});")


def on_disk(wp: Any) -> dict[str, str]:
    """Return the hashes of all files in the folder of translations."""
    return wp.evaluate(
        "$all = array_filter((array) glob(WP_LANG_DIR . '/plugins/*'), 'is_file');"
        "return (object) array_combine(array_map('basename', $all), array_map('md5_file', $all));"
    )


def test_the_pre_check_names_the_package(wp, paired, german, tmp_path) -> None:
    checked, archive = precheck(paired, ITEM), packed(files())
    assert checked["reasons"] == []
    assert checked["facts"]["package_path"] == f"/{ZIP}"
    assert checked["facts"]["package_sha256"] == sha256(archive).hexdigest()
    tree = tree_of(archive, tmp_path, layout_of("translation", GERMAN))
    assert checked["facts"]["tree_sha256"] == tree
    assert on_disk(wp) == german


def test_a_successful_update_installs_the_files_of_the_package(wp, paired, german) -> None:
    item = pinned(precheck(paired, ITEM)["facts"], ITEM)
    result = ApprovedChange.of(wp, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert result["evidence"]["tree_sha256"] == item["tree_sha256"]
    assert set(on_disk(wp)) - set(german) == {SCRIPT}
    assert set(on_disk(wp)) >= set(files())


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("one byte changed", files(**{SCRIPT: b"[]"})),
        ("an extra file", files(**{f"{NAME}.l10n.php": b"<?php return [];"})),
        ("a file missing", dict(list(files().items())[:-1])),
    ],
)
def test_a_changed_package_is_refused(wp, paired, german, kind, changed) -> None:
    item = pinned(precheck(paired, ITEM)["facts"], ITEM)
    publish_package(wp, ZIP, packed(changed))
    result = ApprovedChange.of(wp, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("refused", "package_changed"), result
    assert on_disk(wp) == german


def packed_with(name: str) -> bytes:
    return packed(files(**{name: b"<?php // runs in each request"}))


FOREIGN_FILES = {
    "dots": (packed_with("../../plugins/evil.php"), "package_unsafe_path"),
    "PHP": (packed_with("index.php"), "package_not_translation"),
    "language": (packed_with("contact-desk-fr_FR.l10n.php"), "package_not_translation"),
    "folder": (packed_with("folder/contact-desk-de_DE.mo"), "package_not_translation"),
    "link": (hostile()["a link"][0], "package_has_link"),
    "bomb": (hostile()["a bomb by its own account"][0], "package_too_large"),
    "plugin": (hostile()["two folders"][0], "package_not_translation"),
    "nothing": (packed({}), "package_not_translation"),
}


def test_a_package_with_foreign_files_is_never_unpacked(wp, paired, german) -> None:
    for name, (archive, code) in FOREIGN_FILES.items():
        publish_package(wp, ZIP, archive)
        wp.evaluate(FORGET_ANSWERS)
        checked = precheck(paired, ITEM)
        assert (checked["eligible"], checked["reasons"]) == (False, [code]), name
        result = ApprovedChange.of(wp, paired, ITEM).send()
        assert (result["outcome"], result["reason"]) == ("refused", code), (name, result)
        assert on_disk(wp) == german, name


def test_files_that_are_not_in_the_package_cause_a_rollback(wp, paired, german) -> None:
    """Another plugin adds a file while WordPress installs the translation."""
    item = pinned(precheck(paired, ITEM)["facts"], ITEM)
    code = (
        "add_filter('upgrader_install_package_result', function ($result) {"
        f" file_put_contents(WP_LANG_DIR . '/plugins/{NAME}.l10n.php', '<?php return array();');"
        " return $result; });"
    )
    with must_use_code(wp, code):
        outcome = ApprovedChange.of(wp, paired, item).send()
    assert (outcome["outcome"], outcome["reason"]) == ("rolled_back", "tree_mismatch"), outcome
    assert on_disk(wp) == german


def test_a_zip_bomb_with_a_false_size_is_refused(wp, paired, german) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files(**{SCRIPT: b"\0" * 3_000_000}).items():
            archive.writestr(name, content)
    raw = bytearray(buffer.getvalue())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (10).to_bytes(4, "little")
    publish_package(wp, ZIP, bytes(raw))
    assert precheck(paired, ITEM)["reasons"] == ["package_too_large"]
    assert on_disk(wp) == german
