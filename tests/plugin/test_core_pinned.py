"""A site names the package of a WordPress release before approval, and checks its files.

Each test may leave a newer WordPress behind, so the module starts its own sites.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.package_layout import layout_of
from tests.plugin.support.changing import ApprovedChange, about, ask, grant, publish_package
from tests.plugin.support.core_release import core, release
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.pins import FORGET_ANSWERS, must_use_code, pinned, precheck, tree_of
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.signed_requests import connect
from tests.support.packages import hostile, hostile_core
from tests.support.selection import WORDPRESSES
from tests.wordpress.engine import docker
from tests.wordpress.site import WordPress

LANGUAGE = "wp-content/languages/xx_XX.mo"
BUNDLED = "wp-content/plugins/bundled.php"
# Hash each file of WordPress and of its translations.
_FILES = """
$found = array();
foreach (array('wp-admin', 'wp-includes', 'wp-content/languages', 'wp-content/plugins') as $top) {
    $files = new RecursiveDirectoryIterator(ABSPATH . $top, FilesystemIterator::SKIP_DOTS);
    foreach (is_dir(ABSPATH . $top) ? new RecursiveIteratorIterator($files) : array() as $file) {
        $path = $file->getPathname();
        $found[substr($path, strlen(ABSPATH))] = hash_file('%(hash)s', $path);
    }
}
foreach (array_filter(glob(ABSPATH . '*'), 'is_file') as $file) {
    $found[basename($file)] = hash_file('%(hash)s', $file);
}
return $found;
"""
OLD_FILE = "reset($GLOBALS['_old_files'])"
CHANGES = {
    "one byte changed": "$zip->addFromString('wordpress/license.txt', 'GPl')",
    "an extra file": "$zip->addFromString('wordpress/wp-includes/class-wp-cache.php', '<?php')",
    "a file missing": "$zip->deleteName('wordpress/license.txt')",
}


@pytest.fixture(scope="module", params=WORDPRESSES)
def site(request: pytest.FixtureRequest) -> Iterator[RealWordPress]:
    started = WordPress.start(request.param)
    try:
        yield RealWordPress(started)
    finally:
        started.stop()


@pytest.fixture(scope="module")
def paired(site: RealWordPress) -> Paired:
    connected = connect(site)
    grant(site, "core_minor")
    return connected


@pytest.fixture
def available(site: RealWordPress, paired: Paired) -> dict[str, Any]:
    """Make the next minor release available, without a package yet."""
    site.evaluate(f"{FORGET_ANSWERS} wp_version_check(array(), true);")
    about.cache_clear()
    return core(site)


@pytest.fixture
def item(site: RealWordPress, available: dict[str, Any]) -> dict[str, Any]:
    """Make the next minor release available, with its real package."""
    release(site, available["to"], available["to"])
    return available


def zip_of(item: dict[str, Any]) -> str:
    return f"release/wordpress-{item['to']}-no-content.zip"


def file_of(item: dict[str, Any]) -> str:
    return f"/srv/wordpress.org/downloads.wordpress.org/{zip_of(item)}"


def change_package(site: RealWordPress, item: dict[str, Any], change: str) -> None:
    """Change the package on WordPress.org."""
    opened = f"$zip = new ZipArchive(); $zip->open('{file_of(item)}');"
    assert site.evaluate(f"{opened} {change}; return $zip->close();") is True


def downloaded(site: RealWordPress, item: dict[str, Any], folder: Path) -> bytes:
    docker("cp", f"{site.container}:{file_of(item)}", str(folder / "core.zip"))
    return (folder / "core.zip").read_bytes()


def files(site: RealWordPress, hashed_by: str = "xxh128") -> dict[str, str]:
    """Return the hash of each file of WordPress by path."""
    return site.evaluate(_FILES % {"hash": hashed_by})


def test_both_sides_name_the_same_package(site, paired, item, tmp_path) -> None:
    before = files(site)
    plain = ask(paired, "change.check", item=item)["facts"]
    assert (plain["package_path"], plain["package_sha256"]) == (f"/{zip_of(item)}", None)
    checked = precheck(paired, item)
    archive = downloaded(site, item, tmp_path)
    assert checked["reasons"] == []
    assert checked["facts"]["package_sha256"] == sha256(archive).hexdigest()
    assert checked["facts"]["tree_sha256"] == tree_of(archive, tmp_path, layout_of("core", "core"))
    skipped = ask(
        paired,
        "change.check",
        item={**item, "package": True, "package_paths": [f"/{zip_of(item)}"]},
    )
    assert (skipped["reasons"], skipped["facts"]["package_sha256"]) == ([], None)
    assert files(site) == before


@pytest.mark.parametrize("kind", CHANGES)
def test_other_bytes_of_the_same_release_are_refused(site, paired, item, kind) -> None:
    before, planned = files(site), pinned(precheck(paired, item)["facts"], item)
    change_package(site, item, CHANGES[kind])
    result = ApprovedChange.of(site, paired, planned).send()
    assert (result["outcome"], result["reason"]) == ("refused", "package_changed"), result
    assert result["evidence"]["package_sha256"] != planned["package_sha256"]
    assert files(site) == before


HOSTILE = {
    **hostile_core(),
    **{name: case for name, case in hostile().items() if name not in ("nothing", "one path twice")},
}


def test_a_hostile_release_is_never_unpacked(site, paired, available) -> None:
    before = files(site)
    for name, (archive, code) in HOSTILE.items():
        publish_package(site, zip_of(available), archive)
        site.evaluate(FORGET_ANSWERS)
        checked = precheck(paired, available)
        assert (checked["eligible"], checked["reasons"]) == (False, [code]), name
        result = ApprovedChange.of(site, paired, available).send()
        assert (result["outcome"], result["reason"]) == ("refused", code), (name, result)
    assert files(site) == before


def test_after_a_success_every_file_on_disk_is_of_the_approved_package(
    site, paired, item, tmp_path
) -> None:
    change_package(
        site,
        item,
        f"$zip->addFromString('wordpress/{LANGUAGE}', 'mo');"
        f"$zip->addFromString('wordpress/{BUNDLED}', '<?php')",
    )
    site.evaluate("wp_mkdir_p(WP_LANG_DIR);")
    planned = pinned(precheck(paired, item)["facts"], item)
    result = ApprovedChange.of(site, paired, planned).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert result["evidence"]["package_sha256"] == planned["package_sha256"]
    assert result["evidence"]["tree_sha256"] == planned["tree_sha256"]
    downloaded(site, item, tmp_path)
    with zipfile.ZipFile(tmp_path / "core.zip") as archive:
        expected = {
            name.removeprefix("wordpress/"): sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith("/")
        }
    on_disk = files(site, "sha256")
    assert len(expected) > 900
    del expected[BUNDLED]
    assert BUNDLED not in on_disk
    assert {name: on_disk.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("altering", "message"),
    [
        # Another plugin changes a file during the installation.
        ("file_put_contents(ABSPATH . 'readme.html', 'Hacked');", ""),
        ("unlink(ABSPATH . 'readme.html');", "readme.html is missing"),
        # WordPress could not delete a file that the release no longer has.
        (f"file_put_contents(ABSPATH . {OLD_FILE}, '<?php');", "could not remove"),
    ],
)
def test_a_release_with_wrong_files_on_disk_fails(site, paired, item, altering, message) -> None:
    planned = pinned(precheck(paired, item)["facts"], item)
    code = f"add_action('_core_updated_successfully', function () {{ {altering} }}, PHP_INT_MIN);"
    with must_use_code(site, code):
        result = ApprovedChange.of(site, paired, planned).send()
    # SiteAgent does not roll back WordPress itself, so the site keeps the new version.
    assert (result["outcome"], result["reason"]) == ("failed", "tree_mismatch"), result
    assert result["evidence"]["after"]["version"] == item["to"]
    assert result["evidence"]["tree_sha256"] != planned["tree_sha256"]
    assert message in " ".join(result["evidence"]["messages"])
