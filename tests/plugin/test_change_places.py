"""Updates on a full disk, on separate disks, without a watchdog and on a multisite network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.plugin.support.changing import (
    DESK,
    GALLERY,
    ApprovedChange,
    ask,
    disk,
    grant,
    injected_faults,
    reset,
    update,
)
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.forms import nonce_of, user_with_role
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.signed_requests import connect
from tests.plugin.support.wp_admin import words
from tests.wordpress.engine import docker
from tests.wordpress.site import WordPress

ITEM = {"kind": "plugin", "id": DESK, "from": "2.3.1", "to": "2.4.0"}
PLACE = "siteagent-probation"
COPIES = "siteagent-copies"


@pytest.fixture(scope="module")
def site() -> Iterator[RealWordPress]:
    """Start a site with a 20 MB disk for backups and a 65 MB disk for kept copies."""
    started = WordPress.start("newest", small={PLACE: "20m", COPIES: "65m"})
    try:
        yield RealWordPress(started)
    finally:
        started.stop()


@pytest.fixture(scope="module")
def paired(site) -> Paired:
    connected = connect(site)
    grant(site, "plugins")
    return connected


@pytest.fixture
def desk(site, paired) -> dict[str, Any]:
    return reset(site, "contact-desk", "2.3.1", available="2.4.0")


def run_in_wp_content(site: RealWordPress, command: str) -> None:
    docker("exec", site.container, "sh", "-c", f"cd /var/www/wordpress/wp-content && {command}")


def test_a_kept_copy_on_another_disk_is_restored(site, paired, desk) -> None:
    """rename() cannot move a folder from one disk to another."""
    update(site, "contact-desk", "2.5.1")
    result = ApprovedChange.of(site, paired, {**ITEM, "to": "2.5.1"}).send()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after")
    assert disk(site, DESK)["version"] == "2.3.1"


def test_a_full_disk_is_seen_before_anything_is_touched(site, paired, desk) -> None:
    run_in_wp_content(site, f"head -c 15m /dev/zero > {PLACE}/filler")
    try:
        result = ApprovedChange.of(site, paired, ITEM).send()
        assert (result["outcome"], result["reason"]) == ("refused", "disk_full")
        assert "disk_full" in ask(paired, "change.check", item=ITEM)["reasons"]
    finally:
        run_in_wp_content(site, f"rm {PLACE}/filler")
    assert disk(site, DESK)["files"] == desk["files"]
    assert ApprovedChange.of(site, paired, ITEM).send()["outcome"] == "succeeded"


def test_a_copy_that_does_not_fit_is_logged_and_the_update_goes_on(site, paired, desk) -> None:
    archives = f"return glob(WP_CONTENT_DIR . '/{COPIES}/*/*.zip');"
    before = site.evaluate(archives)
    run_in_wp_content(site, f"head -c 5m /dev/zero > {COPIES}/filler")
    try:
        assert ApprovedChange.of(site, paired, ITEM).send()["outcome"] == "succeeded"
    finally:
        run_in_wp_content(site, f"rm {COPIES}/filler")
    newest = site.evaluate("return siteagent()->audit_log_reader()->recent(9, 0);")
    [entry] = [logged for logged in newest if logged["event"] == "copy_not_kept"]
    assert (entry["facts"]["id"], entry["facts"]["reason"]) == (DESK, "disk_full")
    assert site.evaluate(archives) == before


def test_without_a_watchdog_the_pre_check_warns_and_rollback_works(site, paired, desk) -> None:
    update(site, "contact-desk", "2.5.1")
    run_in_wp_content(site, "chown root mu-plugins && chmod 0755 mu-plugins")
    try:
        item = {**ITEM, "to": "2.5.1"}
        checked = ask(paired, "change.check", item=item)
        assert (checked["eligible"], checked["facts"]["rollback"]) == (True, False)
        report = paired.ask("report", have=None).document["report"]
        assert report["agent"]["rollback"] is False
        result = ApprovedChange.of(site, paired, item).send()
    finally:
        run_in_wp_content(site, "chown www-data mu-plugins")
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
    assert disk(site, DESK)["version"] == "2.3.1"
    assert requests.get(site.url, timeout=60).status_code == 200


def test_deleting_siteagent_removes_the_watchdog_and_the_copy(site, paired, desk) -> None:
    with injected_faults(site, loopback="blocked"):
        assert ApprovedChange.of(site, paired, ITEM).send()["evidence"]["watched_until"] > 0
    left = disk(site, DESK)["left"]
    assert {name[:18] for name in left} == {PLACE[:18], "siteagent-watchdog"}
    files = site.evaluate(
        "(new Siteagent_Uninstaller($GLOBALS['wpdb']))->remove();"
        f"return array(glob(WPMU_PLUGIN_DIR . '/siteagent*'), glob(WP_CONTENT_DIR . '/{PLACE}/*'));"
    )
    assert files == [[], []]
    assert disk(site, DESK)["version"] == "2.4.0"


def test_a_network_active_plugin_stays_active(site) -> None:
    """This test must run last, because it turns the site into a network."""
    domain = site.url.removeprefix("http://")
    site.evaluate(
        "define('WP_INSTALLING_NETWORK', true);"
        "require_once ABSPATH . 'wp-admin/includes/admin.php';"
        "require_once ABSPATH . 'wp-admin/includes/upgrade.php';"
        "foreach ($GLOBALS['wpdb']->tables('ms_global') as $name => $table)"
        " { $GLOBALS['wpdb']->$name = $table; }"
        "install_network();"
        f"populate_network(1, '{domain}', 'ana@example.com', 'Bakery', '/', false);"
        "$file = ABSPATH . 'wp-config.php'; $config = file_get_contents($file);"
        "$on = \"define('MULTISITE', true); define('SUBDOMAIN_INSTALL', false);\""
        f" . \"define('DOMAIN_CURRENT_SITE', '{domain}');\""
        " . \"define('PATH_CURRENT_SITE', '/'); define('SITE_ID_CURRENT_SITE', 1);\""
        " . \"define('BLOG_ID_CURRENT_SITE', 1);\";"
        "file_put_contents($file, str_replace(\"if ( ! defined( 'ABSPATH' )\","
        " $on . \"\\nif ( ! defined( 'ABSPATH' )\", $config));"
    )
    site.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/admin.php';"
        f"activate_plugin('{GALLERY}', '', true);"
    )
    paired = connect(site)
    grant(site, "plugins")
    for slug, component, versions in (
        ("tide-gallery", GALLERY, ("1.0.0", "1.1.0")),
        ("contact-desk", DESK, ("2.3.1", "2.4.0")),
    ):
        reset(site, slug, versions[0], available=versions[1])
        item = {"kind": "plugin", "id": component, "from": versions[0], "to": versions[1]}
        assert ApprovedChange.of(site, paired, item).send()["outcome"] == "succeeded"
    on = "return array(is_plugin_active_for_network('%s'), is_plugin_active('%s'));"
    assert site.evaluate(on % (GALLERY, GALLERY)) == [True, True]
    assert site.evaluate(on % (DESK, DESK)) == [False, True]

    # An administrator of one site may not decide about files that all sites share.
    admin = user_with_role(site, "administrator")
    assert admin.page().status_code == 200
    assert "a network administrator sets the permissions" in words(
        admin.page("&tab=permissions").text
    )
    assert "a network administrator sets the limits" in words(admin.page("&tab=limits").text)
    for action in (
        *("siteagent_permissions", "siteagent_decide", "siteagent_pause", "siteagent_resume"),
        *("siteagent_window", "siteagent_min_age", "siteagent_exclusions"),
    ):
        nonce = nonce_of(site, admin, action)
        assert admin.send(action, _wpnonce=nonce, **{"permissions[0]": "themes"}).status_code == 403
    assert site.evaluate("return siteagent()->permissions()->allows('themes');") is False
