"""Build the report on a real WordPress: every field, no other data, the same for each user."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from app.domain.inventory import received_report, report_schema
from tests.plugin.support.report_paths import paths

HOSTILE = """
$folder = WP_PLUGIN_DIR . '/hostile';
wp_mkdir_p($folder);
file_put_contents($folder . '/hostile.php', <<<'PLUGIN'
<?php
/* Plugin Name: <script>alert("x")</script>Evil & <b>Sons</b> &lt;img src=x onerror=alert(1)&gt;
Version: 1.0"><i>
Author: <a href="https://mallory.example/?me=1">Mallory</a>
Update URI: https://ana:geheim@shop.example/feed?licence=LICENCE-KEY#x
Requires at least: 6.0
Requires PHP: 7.4 */
PLUGIN
);
wp_cache_delete('plugins', 'plugins');
"""

# WordPress loads the drop-in in maintenance mode only; the must-use plugin does nothing.
FIXED = """
wp_mkdir_p(WPMU_PLUGIN_DIR);
$header = "<?php\\n/* Plugin Name: %s\\nVersion: 1.2\\nAuthor: Loader & Sons */\\n";
file_put_contents(WPMU_PLUGIN_DIR . '/loader.php', sprintf($header, 'Loader'));
file_put_contents(WP_CONTENT_DIR . '/maintenance.php', sprintf($header, 'Later'));
"""

AVAILABLE_UPDATES = """
set_site_transient('update_plugins', (object) array(
    'last_checked' => time(),
    'response' => array(
        'free/free.php' => (object) array('new_version' => '2.0', 'requires' => '6.0',
            'requires_php' => '7.4', 'package' => 'https://downloads.example/free.zip?key=SECRET'),
        'paid/paid.php' => array('new_version' => '3.1', 'package' => ''),
        'odd/odd.php' => (object) array('new_version' => '1.1', 'requires' => false,
            'requires_php' => null, 'package' => false),
        'broken/broken.php' => 'text', 'nothing/nothing.php' => (object) array(),
    ),
    'translations' => array(array('type' => 'plugin', 'slug' => 'free', 'language' => 'de_DE',
        'version' => '2.0', 'updated' => '2026-01-01', 'package' => 'x', 'autoupdate' => true)),
    'no_update' => array(), 'checked' => array(),
));
set_site_transient('update_themes', (object) array(
    'last_checked' => time(), 'response' => array('plain' => array('theme' => 'plain',
        'new_version' => '9.9', 'package' => 'https://downloads.example/plain.zip')),
    'translations' => array(), 'no_update' => array(), 'checked' => array(),
));
$update = function (string $version, string $locale) {
    return (object) array('response' => 'upgrade', 'version' => $version, 'current' => $version,
        'locale' => $locale, 'php_version' => '7.4.0', 'mysql_version' => '5.5.5',
        'packages' => (object) array('full' => 'https://downloads.example/wp.zip'));
};
$branch = implode('.', array_slice(explode('.', get_bloginfo('version')), 0, 2));
set_site_transient('update_core', (object) array('last_checked' => time(),
    'version_checked' => get_bloginfo('version'), 'updates' => array($update('99.0', 'en_US'),
        $update('99.0', 'de_DE'), $update($branch . '.99', 'en_US')), 'translations' => array()));
"""

REPORT = "return siteagent()->report()->build();"
SAVE_HOURS = "return siteagent()->limit_decisions()->save_window(%s, 'user:1');"


def test_a_report_has_every_field_of_the_manifest_and_no_other(wp):
    waiting = "add_filter('pre_option_db_version', fn() => '1');" + FILES_COMPARED
    wp.evaluate(SAVE_HOURS % "new Siteagent_Update_Window(array(1, 2), 1, 5)")
    try:
        report = wp.evaluate(HOSTILE + FIXED + AVAILABLE_UPDATES + waiting + REPORT)
    finally:
        wp.evaluate(SAVE_HOURS % "null")
    listed = {field.path for field in report_schema.fields()}
    assert paths(report) <= listed, "the report has a value that manifest.json does not list"
    assert listed - paths(report) <= {"php.extensions_missing[]"}


def test_must_use_plugins_and_drop_ins_are_reported(wp):
    report = wp.evaluate(FIXED + REPORT)
    loader = {"id": "loader.php", "name": "Loader", "version": "1.2", "author": "Loader & Sons"}
    assert loader in report["mu_plugins"]
    assert {"id": "maintenance.php", "name": "Later", "version": "1.2"} in report["dropins"]


def test_the_dashboard_accepts_the_whole_report(wp):
    report = wp.evaluate(HOSTILE + AVAILABLE_UPDATES + REPORT)
    checked = report_schema.check(report)
    assert checked.dropped == 0
    assert checked.document == report


def test_both_sides_compute_the_same_digest(wp):
    report, digest = wp.evaluate(
        HOSTILE + AVAILABLE_UPDATES + "$i = siteagent()->report(); $r = $i->build();"
        "return array($r, $i->digest($r));"
    )
    assert received_report.digest_of(report) == digest


def test_a_second_report_has_the_same_digest(wp):
    first, second = wp.evaluate(
        "$i = siteagent()->report(); $i->build();"
        "$first = $i->digest($i->build()); sleep(1);"
        "return array($first, $i->digest($i->build()));"
    )
    assert first == second


def test_the_report_lists_the_software_of_the_site(wp):
    report = wp.evaluate(REPORT)
    versions = wp.evaluate(
        "global $wpdb; return array('wp' => get_bloginfo('version'), 'php' => PHP_VERSION,"
        "'home' => home_url(), 'db' => $wpdb->get_var('SELECT VERSION()'));"
    )
    assert report["wordpress"]["version"] == versions["wp"]
    assert report["wordpress"]["home"] == versions["home"]
    assert report["php"]["version"] == versions["php"]
    assert report["database"] == {
        "server": "MariaDB",
        "version": versions["db"].split("-")[0],
    }
    entries = [item for item in report["plugins"] if item["id"] == "siteagent/siteagent.php"]
    assert [item["active"] for item in entries] == [True]
    assert [item["active"] for item in report["themes"]].count(True) == 1


def test_building_the_report_raises_the_memory_limit(wp):
    """The report of a large site needs more memory than its pages (W16)."""
    configured, report, limit = wp.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/class-wp-site-health.php';"
        "$configured = WP_Site_Health::get_instance()->php_memory_limit;"
        "ini_set('memory_limit', '64M');"
        "add_filter('admin_memory_limit', function () { return '300M'; });"
        "$report = siteagent()->report()->build();"
        "return array($configured, $report, ini_get('memory_limit'));"
    )
    assert limit == "300M"
    assert report["php"]["memory_limit"] == configured != limit


def test_a_hostile_name_stays_text(wp):
    report = wp.evaluate(HOSTILE + REPORT)
    (hostile,) = [item for item in report["plugins"] if item["id"] == "hostile/hostile.php"]
    assert hostile["name"] == "Evil & Sons"
    assert hostile["author"] == "Mallory"
    assert hostile["version"] == '1.0">'
    assert hostile["update_uri"] == "https://shop.example/feed"
    assert "LICENCE-KEY" not in json.dumps(report)


def test_available_updates_are_reported_with_their_requirements(wp):
    updates = wp.evaluate(AVAILABLE_UPDATES + REPORT)["updates"]
    listed = [*updates["plugins"], *updates["themes"], *updates["core"]]
    first_seen = [item.pop("first_seen") for item in listed]
    assert all(0 <= time.time() - time_s < 600 for time_s in first_seen)
    assert updates["plugins"] == [
        update("free/free.php", "2.0", requires_wp="6.0", requires_php="7.4"),
        update("paid/paid.php", "3.1", package=False),
        update("odd/odd.php", "1.1", package=False),
    ]
    assert updates["themes"] == [update("plain", "9.9")]
    german = {"type": "plugin", "slug": "free", "language": "de_DE", "version": "2.0"}
    details = {"updated": "2026-01-01", "installed": "", "auto_update": True}
    assert updates["translations"] == [{**german, **details}]
    assert [(item["version"], item["kind"]) for item in updates["core"]] == [
        (updates["core"][0]["version"], "minor"),
        ("99.0", "major"),
    ]
    assert updates["core"][1]["requires_php"] == "7.4.0"
    assert all(item["package"] for item in updates["core"])


def test_download_addresses_are_not_reported(wp):
    assert "downloads.example" not in json.dumps(wp.evaluate(AVAILABLE_UPDATES + REPORT))


def test_the_report_has_no_personal_data_or_secrets(wp):
    """Search the report for everything that must never leave the site."""
    text, private = wp.evaluate(
        """
        update_option('admin_email', 'ana.owner@private.example');
        update_option('blogname', 'A Name Of The Owner');
        wp_insert_post(array('post_title' => 'A private title', 'post_status' => 'publish'));
        $private = array(ABSPATH, untrailingslashit(ABSPATH), WP_CONTENT_DIR, DB_NAME . '/',
            get_option('admin_email'), 'A Name Of The Owner', 'A private title');
        foreach (array('AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT',
            'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT', 'DB_PASSWORD') as $name) {
            $private[] = constant($name);
        }
        foreach (get_users() as $user) {
            array_push($private, $user->user_email, $user->user_pass, $user->display_name);
            $private[] = '"' . $user->user_login . '"';
        }
        return array(siteagent()->report()->preview_json(), $private);
        """
    )
    private = [value for value in private if len(value) > 3]
    assert len(private) > 12
    for secret in private:
        assert secret not in text


def test_building_the_report_prints_nothing(wp):
    printed = wp.evaluate(
        "add_filter('all_plugins', '__return_empty_array');"
        "add_filter('site_status_tests', function ($t) { echo 'noise'; return $t; });"
        "ob_start(); siteagent()->report()->build(); return ob_get_clean();"
    )
    assert printed == ""


def test_building_the_report_keeps_the_language_and_the_buffers(wp):
    before, after = wp.evaluate(
        "add_filter('locale', function () { return 'de_DE'; }, 1);"
        "$before = array(determine_locale(), ob_get_level());"
        "siteagent()->report()->build();"
        "return array($before, array(determine_locale(), ob_get_level()));"
    )
    assert before == after


def test_the_preview_matches_the_report(wp):
    shown, sent = wp.evaluate(
        """
        $left = siteagent()->report()->build();
        $admins = get_users(array('role' => 'administrator', 'number' => 1));
        wp_set_current_user($admins[0]->ID);
        update_user_meta($admins[0]->ID, 'locale', 'de_DE');
        wp_raise_memory_limit('admin');
        $shown = json_decode(siteagent()->report()->preview_json(), true);
        unset($shown['taken_at'], $left['taken_at']);
        return array($shown, $left);
        """
    )
    assert shown == sent


def test_only_wordpresss_own_health_tests_are_reported(wp):
    tests = wp.evaluate(
        "add_filter('site_status_tests', function ($tests) {"
        "$tests['direct']['mine'] = array('label' => 'x', 'test' => function () {"
        "return array('status' => 'critical', 'label' => 'Ana: ana@example.com', 'test' => 'mine');"
        "}); $tests['direct']['odd'] = 'text'; $tests['direct'][] = array('test' => 'nope');"
        "return $tests; });" + REPORT
    )["health"]["tests"]
    names = [test["test"] for test in tests]
    assert {"plugin_version", "php_extensions", "sql_server", "debug_enabled"} <= set(names)
    assert not {"mine", "odd", "rest_availability", "loopback_requests"} & set(names)
    assert len(names) == len(set(names))


def test_a_failing_health_test_omits_only_its_own_result(wp):
    def tests(before: str) -> set[str]:
        return {test["test"] for test in wp.evaluate(before)["health"]["tests"]}

    throws = (
        "add_filter('site_status_should_suggest_persistent_object_cache', function () {"
        "throw new RuntimeException('boom'); });"
    )
    all_tests, remaining = tests(REPORT), tests(throws + REPORT)
    assert all_tests - remaining == {"persistent_object_cache"}
    assert remaining - all_tests == set()


def test_auto_updates_are_reported_as_wordpress_decides_them(wp):
    def is_on(before: str) -> bool:
        report = wp.evaluate(before + REPORT)
        (entry,) = [item for item in report["plugins"] if item["id"] == "siteagent/siteagent.php"]
        return entry["auto_update"]

    on = "update_site_option('auto_update_plugins', array('siteagent/siteagent.php'));"
    off = "update_site_option('auto_update_plugins', array());"
    assert is_on(on) is True
    assert is_on(off) is False
    assert is_on(off + "add_filter('auto_update_plugin', '__return_true');") is True
    assert is_on(on + "add_filter('auto_update_plugin', '__return_false');") is False
    assert is_on(on + "add_filter('plugins_auto_update_enabled', '__return_false');") is False
    wp.evaluate(off)


REQUESTED = """
$requested = array();
add_filter('pre_http_request', function ($_, $args, $url) use (&$requested) {
    $requested[] = wp_parse_url($url, PHP_URL_PATH);
    %s
    return new WP_Error('down', 'no way out');
}, 10, 3);
foreach (array('core', 'plugins', 'themes') as $list) {
    $updates = get_site_transient('update_' . $list);
    $updates = is_object($updates) ? $updates : new stdClass();
    $updates->last_checked = time() - %d;
    set_site_transient('update_' . $list, $updates);
}
set_site_transient('php_check_' . md5(PHP_VERSION), array('is_acceptable' => true), 60);
$report = siteagent()->report()->build();
return array($requested, $report['updates']['checked_at']);
"""


def test_recent_updates_are_not_requested_again(wp):
    """The site sends requests only to itself, for the data that wp-admin shows."""
    requested, checked_at = wp.evaluate(REQUESTED % ("", 1800))
    assert set(requested) <= {"/wp-admin/admin-ajax.php"}
    assert all(checked_at.values())


def test_outdated_updates_are_requested_again(wp):
    requested, _ = wp.evaluate(REQUESTED % ("", 90000))
    for part in ("version-check", "plugins/update-check", "themes/update-check"):
        assert any(part in path for path in requested), requested


def test_a_host_without_internet_access_does_not_wait_three_times(wp):
    requested, _ = wp.evaluate(REQUESTED % ("sleep(7);", 90000))
    assert len(requested) <= 2


def test_overdue_cron_is_reported_in_steps_of_five_minutes(wp):
    late = wp.evaluate(
        "wp_schedule_single_event(time() - 5000, 'siteagent_test_late');"
        "$report = siteagent()->report()->build();"
        "wp_clear_scheduled_hook('siteagent_test_late'); return $report['health'];"
    )
    assert late["cron_overdue"] >= 4800
    assert late["cron_overdue"] % 300 == 0


UPGRADES = "return siteagent()->report()->build()['health']['database_upgrades'];"
WOOCOMMERCE = (
    "update_option('woocommerce_db_version', '9.1.0'); define('WC_VERSION', '9.4.2');"
    "eval('class WC_Install { public static function needs_db_update() { %s } }');"
)


def test_a_database_that_is_up_to_date_needs_no_upgrade(wp):
    assert wp.evaluate(UPGRADES) == []


def test_a_pending_upgrade_of_wordpress_is_reported_with_both_versions(wp):
    found, required = wp.evaluate(
        "update_option('db_version', '53000');"
        "$found = siteagent()->report()->build()['health']['database_upgrades'];"
        "update_option('db_version', $GLOBALS['wp_db_version']);"
        "return array($found, (string) $GLOBALS['wp_db_version']);"
    )
    assert found == [{"id": "wordpress", "from": "53000", "to": required}]


# One result of a comparison of files, with a name in each list.
FILES_COMPARED = (
    "add_filter('pre_option_siteagent_files', fn() => array('at' => 1, 'results' => array(array("
    "'kind' => 'plugin', 'id' => 'a/a.php', 'version' => '1', 'compared_with' => 'wordpress_org',"
    "'reason' => null, 'changed' => 1, 'missing' => 1, 'unknown' => 1, 'soft' => 0,"
    "'changed_files' => array('a.php'), 'missing_files' => array('b.php'),"
    "'unknown_files' => array('c.php'), 'fingerprint' => str_repeat('a', 64)))));"
)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("return true;", [{"id": "woocommerce", "from": "9.1.0", "to": "9.4.2"}]),
        # Most releases change nothing in the database.
        ("return false;", []),
        ('throw new Error("broken");', []),
    ],
)
def test_woocommerce_decides_whether_its_database_needs_an_upgrade(wp, code, found):
    delete = "delete_option('woocommerce_db_version');"
    php = UPGRADES.replace("return", "$result =") + delete + "return $result;"
    assert wp.evaluate(WOOCOMMERCE % code + php) == found


def test_elementors_stored_version_shows_a_pending_upgrade(wp):
    php = "define('ELEMENTOR_VERSION', '3.30.0'); $result = array();"
    for stored in ("3.29.2", "3.30.0"):
        php += f"update_option('elementor_version', '{stored}'); $result[] = " + UPGRADES[7:]
    older, same = wp.evaluate(php + "delete_option('elementor_version'); return $result;")
    assert older == [{"id": "elementor", "from": "3.29.2", "to": "3.30.0"}]
    assert same == []


def test_disk_space_is_rounded_down(wp):
    free = wp.evaluate(REPORT)["health"]["disk_free"]
    assert str(free)[1:].strip("0") == ""


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("https://u:p@shop.example:8443/a/b?c=d#e", "https://shop.example:8443/a/b"),
        ("false", "false"),
        ("", ""),
        ("https:///", ""),
        ("my-plugin", "my-plugin"),
    ],
)
def test_addresses_lose_their_secret_parts(wp, address, bare):
    found = wp.evaluate(
        "siteagent()->report();"
        f"return Siteagent_Installed_Components::strip_url({json.dumps(address)});"
    )
    assert found == bare


def update(ident: str, version: str, **more: Any) -> dict[str, Any]:
    empty = {"requires_wp": "", "requires_php": "", "package": True, "disable_autoupdate": False}
    return {"id": ident, "version": version, **empty, **more}
