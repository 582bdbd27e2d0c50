"""The test sites themselves, on which other tests rely."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.selection import WORDPRESSES
from tests.wordpress.engine import docker
from tests.wordpress.images import (
    CACHE,
    KEPT_OF_EACH_KIND,
    MACHINES,
    image_exists,
    image_of,
    prune,
    used,
)
from tests.wordpress.leftovers import LABEL, remove_leftovers
from tests.wordpress.repository import OFFERS, repository_files
from tests.wordpress.site import PhpFailed, WordPress

_ADMIN = """
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
"""

_TRANSLATE = """
$done = (new Language_Pack_Upgrader(new Automatic_Upgrader_Skin()))->bulk_upgrade();
wp_clean_plugins_cache();
wp_update_plugins();
return array(count($done), wp_get_translation_updates());
"""

_UPDATE = """
$skin = new WP_Ajax_Upgrader_Skin();
(new Plugin_Upgrader($skin))->bulk_upgrade(array('tide-gallery/tide-gallery.php'));
wp_clean_plugins_cache();
$plugins = get_plugins();
return array($skin->get_error_messages(), $plugins['tide-gallery/tide-gallery.php']['Version']);
"""


@pytest.fixture(scope="module", params=WORDPRESSES)
def site(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    started = WordPress.start(request.param, siteagent="installed", hostile=True)
    yield started
    started.stop()


def ask(site: WordPress, code: str) -> Any:
    """Return the value of `code`, with what wp-admin loads."""
    return site.evaluate(_ADMIN + code)


def test_updates_are_offered_and_listed(site):
    versions = (
        "return array_map(function ($one) { return $one->update->%s; }, get_plugin_updates());"
    )
    offered = ask(site, versions % "new_version")
    hostile = offered.pop("friendly-reviews/friendly-reviews.php")
    assert offered == {
        "contact-desk/contact-desk.php": "2.4.0",
        "parcel-labels/parcel-labels.php": "2.0.0",
        "table-booking-pro/table-booking-pro.php": "4.2.0",
        "tide-gallery/tide-gallery.php": "1.1.0",
    }
    assert "<img" in hostile
    assert ask(site, versions % "package")["table-booking-pro/table-booking-pro.php"] == ""
    assert ask(site, versions % "requires_php")["parcel-labels/parcel-labels.php"] == "8.5"


def test_themes_translations_and_wordpress_itself_have_offers(site):
    themes, translations, core = ask(
        site,
        "return array(array_keys(get_theme_updates()), wp_get_translation_updates(),"
        "get_core_updates());",
    )
    assert themes == ["coastline"]
    assert [(one["slug"], one["language"]) for one in translations] == [("contact-desk", "de_DE")]
    branch = ".".join(site.version.split(".")[:2])
    assert [one["version"].startswith(f"{branch}.") for one in core] == [True]


def test_an_offered_update_can_be_installed(site):
    assert ask(site, _TRANSLATE) == [1, []]
    assert ask(site, _UPDATE) == ["", "1.1.0"]


def test_an_administrator_can_sign_in_and_visitors_see_a_page(site):
    with requests.Session() as browser:
        browser.get(f"{site.url}/wp-login.php", timeout=30)
        form = {"log": site.admin_user, "pwd": site.admin_password, "testcookie": "1"}
        answer = browser.post(f"{site.url}/wp-login.php", data=form, timeout=60)
        assert "/wp-admin/" in answer.url
        for page in ("index.php", "plugins.php", "update-core.php", "site-health.php"):
            assert browser.get(f"{site.url}/wp-admin/{page}", timeout=60).status_code == 200
    front = requests.get(site.url, timeout=30)
    assert "Hello world!" in front.text


def test_scheduled_work_runs_without_a_visit(site):
    ask(site, "wp_schedule_single_event(time() - 1, 'a_test_waits_for_this');")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        requests.get(site.url, timeout=30)
        if not ask(site, "return wp_next_scheduled('a_test_waits_for_this');"):
            return
        time.sleep(0.5)
    raise AssertionError("the site does not reach itself")


def test_wordpress_reports_no_error_in_the_fixtures(site):
    log = site.debug_log().splitlines()
    # WordPress 6.1 itself is older than PHP 8.2, and says so.
    assert [line for line in log if "/wp-includes/" not in line and "/wp-admin/" not in line] == []


def test_a_failing_script_raises_its_error(site):
    with pytest.raises(PhpFailed, match="the reason"):
        ask(site, "throw new RuntimeException('the reason');")


def test_code_runs_as_in_a_request_of_a_visitor(site):
    seen = site.evaluate(
        "return array($_SERVER['HTTP_HOST'], $_SERVER['REQUEST_URI'], $_SERVER['REQUEST_METHOD'],"
        "is_admin(), get_current_user_id(), function_exists('opcache_get_status')"
        " && opcache_get_status(false)['opcache_enabled']);"
    )
    host = site.url.removeprefix("http://")
    assert seen == [host, "/", "GET", False, 0, True]
    below = site.evaluate("return $_SERVER['REQUEST_URI'];", f"{site.url}/bakery")
    assert below == "/bakery/"


def test_changed_code_is_run_at_once(site):
    """PHP looks for changed files every two seconds; a test must not wait for that."""
    path = "WPMU_PLUGIN_DIR . '/counting.php'"
    for number in (1, 2):
        site.evaluate(
            f"file_put_contents({path}, '<?php function counted() {{return {number};}}');"
        )
        assert site.evaluate("return counted();") == number
    site.evaluate(f"unlink({path});")
    assert site.evaluate("return function_exists('counted');") is False


def test_code_runs_only_with_the_secret(site):
    code = {"host": "127.0.0.1", "path": "/", "code": "return 1;"}
    for secret in ({}, {"X-Inside-Secret": ""}, {"X-Inside-Secret": "a guess"}):
        for what in ("evaluate", "snapshot"):
            answer = requests.post(
                f"{site.url}/.inside/{what}", json=code, headers=secret, timeout=30
            )
            assert (answer.status_code, answer.text) == (404, "")


_SPOIL = """
global $wpdb;
update_option('blogname', 'Another Bakery');
wp_insert_post(array('post_title' => 'New', 'post_status' => 'publish'));
$wpdb->query('CREATE TABLE wp_left_over (a INT)');
$wpdb->query("ALTER TABLE $wpdb->links ADD COLUMN left_over INT");
$wpdb->query("DROP TABLE $wpdb->commentmeta");
file_put_contents(WP_PLUGIN_DIR . '/tide-gallery/tide-gallery.php', '<?php // nothing');
unlink(WP_PLUGIN_DIR . '/contact-desk/contact-desk.php');
mkdir(WPMU_PLUGIN_DIR . '/left/over', 0755, true);
touch(WPMU_PLUGIN_DIR . '/left/over/file.php');
rename(get_theme_root() . '/coastline', get_theme_root() . '/moved');
symlink('/tmp', WP_CONTENT_DIR . '/link');
chmod(WP_CONTENT_DIR . '/languages', 0500);
file_put_contents(ABSPATH . '.maintenance', '<?php $upgrading = time();');
file_put_contents('/srv/wordpress.org/catalogue.json', '{}');
"""
_PRINT = """
$seen = array();
foreach (array('/var/www/wordpress/wp-content', '/srv/wordpress.org') as $folder) {
    $all = new RecursiveIteratorIterator(
        new RecursiveDirectoryIterator($folder, 4096), RecursiveIteratorIterator::SELF_FIRST
    );
    foreach ($all as $one) {
        $content = $one->isFile() ? md5_file($one) : '';
        $seen["$one"] = array($one->getPerms(), $one->getType(), $content);
    }
}
ksort($seen);
echo json_encode($seen);
"""


def state_of(site: WordPress) -> tuple[str, str]:
    dump = "mariadb-dump --skip-dump-date test_site"
    return site.run_shell(dump), site.run_php("<?php " + _PRINT)


def test_a_reset_restores_only_what_changed(site):
    site.keep()
    before = state_of(site)
    assert site.reset() == {"tables": [], "files": []}
    site.run_php("<?php require '/var/www/wordpress/wp-load.php';" + _SPOIL)
    changed = state_of(site)
    assert changed[0] != before[0]
    assert changed[1] != before[1]
    site.reset()
    assert state_of(site) == before
    assert site.reset() == {"tables": [], "files": []}
    assert requests.get(site.url, timeout=30).status_code == 200


def test_several_sites_run_at_once():
    with ThreadPoolExecutor(2) as pool:
        plain, pretty = pool.map(
            lambda links: WordPress.start(siteagent="absent", permalinks=links),
            ("plain", "pretty"),
        )
    try:
        assert requests.get(f"{pretty.url}/wp-json/", timeout=30).json()["url"] == pretty.url
        assert requests.get(f"{plain.url}/wp-json/", timeout=30).status_code == 404
        by_query = requests.get(f"{plain.url}/?rest_route=/", timeout=30)
        assert by_query.json()["url"] == plain.url
    finally:
        plain.stop()
        pretty.stop()


def test_leftovers_of_killed_runs_are_removed():
    creates = (
        "import sys, time; from tests.wordpress.engine import docker;"
        "from tests.wordpress.leftovers import LABEL, owner;"
        f"print(docker('create', '--label', f'{LABEL}={{owner()}}', {image_of('newest')!r}),"
        "flush=True); time.sleep(600)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", creates],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        container = other.stdout.readline().strip()
        remove_leftovers()
        assert container in all_containers()
        other.kill()
    remove_leftovers()
    assert container not in all_containers()


def all_containers() -> list[str]:
    return docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split()


def test_the_newest_images_of_each_kind_are_kept():
    old = [f"aura-test-pruned:a-{number}" for number in range(KEPT_OF_EACH_KIND + 1)]
    other, new = "aura-test-pruned:b-c-0", "aura-test-pruned:a-new"
    try:
        for seconds, tag in enumerate([other, *old]):
            docker("tag", image_of("newest"), tag)
            used(tag)
            os.utime(CACHE / "images" / tag, (seconds, seconds))
        docker("tag", image_of("newest"), new)
        prune(new)
        assert [one for one in [other, *old, new] if image_exists(one)] == [other, *old[2:], new]
    finally:
        for tag in [other, *old, new]:
            if image_exists(tag):
                docker("image", "rm", tag)
            (CACHE / "images" / tag).unlink(missing_ok=True)


def test_the_same_fixtures_make_the_same_packages():
    assert list(repository_files()) == list(repository_files())


@pytest.mark.parametrize("kind", ["plugins", "themes"])
def test_every_named_version_exists(kind):
    folder = Path(__file__).parents[1] / "php-fixtures" / kind
    for slug, about in OFFERS[kind].items():
        for version in {about["installed"], about.get("offered", about["installed"])}:
            assert (folder / slug / version).is_dir(), f"{slug} {version}"


def test_the_oldest_supported_wordpress_is_among_the_machines():
    readme = Path(__file__).parents[2] / "wordpress-plugin/siteagent/readme.txt"
    assert "Requires at least: 6.1\n" in readme.read_text("utf-8")
    assert MACHINES["oldest"].suite == "bookworm"  # which has 6.1
