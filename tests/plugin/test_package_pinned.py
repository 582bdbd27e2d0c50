"""A site names the package of an update before anyone approves it, and installs only its files."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.plugin.support import sellers
from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    ask,
    disk,
    publish_package,
    reset,
    same_files,
)
from tests.plugin.support.pins import (
    FORGET_ANSWERS,
    must_use_code,
    pinned,
    precheck,
    tree_of,
)
from tests.support.packages import hostile, packed
from tests.wordpress.repository import FIXTURES, files_below

ZIP = "plugin/contact-desk.2.4.0.zip"
ITEM = {"kind": "plugin", "id": DESK, "from": "2.3.1", "to": "2.4.0"}
_TREE = f"return Siteagent_Package_Tree::of_folder(dirname(WP_PLUGIN_DIR . '/{DESK}'));"

GRANTED = ("plugins",)


@pytest.fixture
def desk(wp, paired) -> dict[str, Any]:
    """Install the old version of Contact Desk and publish the package of the new one."""
    wp.evaluate(FORGET_ANSWERS)
    publish_package(wp, ZIP, packed(files()))
    return reset(wp, "contact-desk", "2.3.1", available="2.4.0")


def files(**more: bytes) -> dict[str, bytes]:
    folder = FIXTURES / "plugins" / "contact-desk" / "2.4.0"
    return {f"contact-desk/{name}": text for name, text in files_below(folder)} | {
        f"contact-desk/{name}": text for name, text in more.items()
    }


def assert_refused(result: dict[str, Any], reason: str, wp: Any, before: dict[str, Any]) -> None:
    assert (result["outcome"], result["reason"]) == ("refused", reason), result
    assert {**disk(wp, DESK), "left": []} == before


def test_the_pre_check_names_the_package_on_request(wp, paired, desk, tmp_path) -> None:
    plain = ask(paired, "change.check", item=ITEM)["facts"]
    assert plain["package_path"] == f"/{ZIP}"
    assert (plain["package_sha256"], plain["tree_sha256"]) == (None, None)
    facts, archive = precheck(paired, ITEM)["facts"], packed(files())
    assert facts["package_sha256"] == sha256(archive).hexdigest()
    assert facts["tree_sha256"] == tree_of(archive, tmp_path)
    assert {**disk(wp, DESK), "left": []} == desk


def test_the_site_skips_a_package_that_the_dashboard_has(wp, paired, desk) -> None:
    other = "/plugin/contact-desk.2.4.1.zip"
    skipped = precheck(paired, {**ITEM, "package_paths": [other, f"/{ZIP}"]})
    assert skipped["reasons"] == []
    assert (skipped["facts"]["package_sha256"], skipped["facts"]["tree_sha256"]) == (None, None)
    downloaded = precheck(paired, {**ITEM, "package_paths": [other]})
    assert len(downloaded["facts"]["package_sha256"]) == 64


def test_after_a_success_every_file_on_disk_is_of_the_approved_package(
    wp, paired, desk, tmp_path
) -> None:
    facts = precheck(paired, ITEM)["facts"]
    result = ApprovedChange.of(wp, paired, pinned(facts, ITEM)).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert result["evidence"]["tree_sha256"] == facts["tree_sha256"]
    assert result["evidence"]["package_sha256"] == facts["package_sha256"]
    assert wp.evaluate(_TREE) == tree_of(packed(files()), tmp_path)


@pytest.mark.parametrize(
    ("kind", "archive"),
    [
        ("one byte changed", packed(files(**{"readme.txt": b"Changed."}))),
        ("an extra file", packed(files(**{"wp-cron.php": b"<?php // not core's"}))),
        ("a file missing", packed(dict(list(files().items())[:-1]))),
    ],
)
def test_other_bytes_under_the_same_version_are_refused(wp, paired, desk, kind, archive) -> None:
    item = pinned(precheck(paired, ITEM)["facts"], ITEM)
    publish_package(wp, ZIP, archive)
    result = ApprovedChange.of(wp, paired, item).send()
    assert_refused(result, "package_changed", wp, desk)
    assert result["evidence"]["package_sha256"] == sha256(archive).hexdigest()


def test_a_hostile_package_is_never_unpacked(wp, paired, desk) -> None:
    for name, (archive, code) in hostile().items():
        if name == "nothing":
            continue
        publish_package(wp, ZIP, archive)
        wp.evaluate(FORGET_ANSWERS)
        checked = precheck(paired, ITEM)
        assert (checked["eligible"], checked["reasons"]) == (False, [code]), name
        assert checked["facts"]["package_sha256"] is None, name
        # The site inspects the package at installation too, for plans without a pre-check.
        assert_refused(ApprovedChange.of(wp, paired, ITEM).send(), code, wp, desk)


def test_an_update_with_an_extra_file_is_rolled_back(wp, paired, desk) -> None:
    """Another plugin adds a file while WordPress installs the update."""
    item = pinned(precheck(paired, ITEM)["facts"], ITEM)
    code = (
        "add_filter('upgrader_post_install', function ($passed, $extra, $result) {"
        " file_put_contents($result['destination'] . '/extra.php', '<?php'); return $passed;"
        " }, 10, 3);"
    )
    with must_use_code(wp, code):
        result = ApprovedChange.of(wp, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "tree_mismatch"), result
    assert result["evidence"]["tree_sha256"] not in (None, item["tree_sha256"])
    assert same_files(desk, disk(wp, DESK))


def test_a_plan_with_another_tree_hash_is_rolled_back(wp, paired, desk) -> None:
    item = {**pinned(precheck(paired, ITEM)["facts"], ITEM), "tree_sha256": "0" * 64}
    result = ApprovedChange.of(wp, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "tree_mismatch"), result
    assert same_files(desk, disk(wp, DESK))


def test_a_plan_that_names_no_package_still_runs(wp, paired, desk) -> None:
    result = ApprovedChange.of(wp, paired, ITEM).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert len(result["evidence"]["tree_sha256"]) == 64


@pytest.mark.parametrize("package", ["http://shop.example/paid.2.0.zip", "https://shop.example/x"])
def test_a_pre_check_reports_http_and_failed_downloads(wp, paired, desk, package) -> None:
    item = {"kind": "plugin", "id": sellers.file_of("paid"), "from": "1.0", "to": "2.0"}
    with must_use_code(wp, sellers.SHOP.read_text("utf-8").removeprefix("<?php")):
        sellers.install(wp, "paid", "a seller", "when_stored();", f"'{package}'")
        wp.evaluate("(new Siteagent_Update_Transient('plugins'))->mark_stale();")
        reasons = precheck(paired, item)["reasons"]
    assert reasons == ["package_host" if package.startswith("http:") else "download_failed"]


# Record the URL and arguments of every request that WordPress makes.
_RECORDED = "/tmp/requests-of-a-paid-package"
_RECORD = (
    "add_filter('http_request_args', function ($args, $url) {"
    " $line = wp_json_encode(array($url, $args)) . PHP_EOL;"
    f" file_put_contents('{_RECORDED}', $line, FILE_APPEND); return $args; }}, 10, 2);"
)


def test_the_address_of_a_paid_package_stays_on_the_site(wp, paired, desk) -> None:
    secret = "license=0123456789abcdef"
    package = f"'https://shop.example/licensed.2.0.zip?{secret}'"
    item = {"kind": "plugin", "id": sellers.file_of("licensed"), "from": "1.0", "to": "2.0"}
    with must_use_code(wp, sellers.SHOP.read_text("utf-8").removeprefix("<?php") + _RECORD):
        sellers.install(wp, "licensed", "a seller", "when_stored();", package)
        wp.evaluate("(new Siteagent_Update_Transient('plugins'))->mark_stale();")
        checked = precheck(paired, item)
        assert (checked["reasons"], checked["facts"]["package_host"]) == ([], "shop.example")
        assert checked["facts"]["package_path"] is None
        change = ApprovedChange.of(wp, paired, pinned(checked["facts"], item))
        result = change.send()
        documents = [checked, result, change.status(), paired.ask("report", have=None).document]
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert result["evidence"]["tree_sha256"] == checked["facts"]["tree_sha256"]
    assert secret not in json.dumps(documents)
    sent = wp.evaluate(f"return file('{_RECORDED}');")
    with_secret = [json.loads(line)[0] for line in sent if secret in line]
    # The pre-check and the update each send the license once, and only to the seller.
    assert [urlsplit(url).hostname for url in with_secret] == ["shop.example"] * 2
    assert len(sent) > len(with_secret)
