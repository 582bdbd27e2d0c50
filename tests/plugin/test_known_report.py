"""Build a report again only if something has changed since the dashboard received it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.support.changing import grant
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.probe import must_use
from tests.plugin.support.signed_requests import connect, forget

COUNTING = Path(__file__).parent / "support" / "whole_wordpress.php"
LOAD_COUNT = "return (int) get_option('tests_whole');"
LAST = "$last = get_option('siteagent_last_report');"


@dataclass
class Site:
    """A connected site that counts how often it loads all of WordPress for the dashboard."""

    wp: Any
    paired: Paired
    digest: str = ""

    def rebuilds_report(self) -> bool:
        """Request the report with the last digest; return whether all of WordPress was loaded."""
        before = self.wp.evaluate(LOAD_COUNT)
        reply = self.paired.ask("report", have=self.digest or None).document
        self.digest = reply["digest"]
        return bool(self.wp.evaluate(LOAD_COUNT) > before)

    def settle(self) -> None:
        """Request the report until nothing has changed since the last one."""
        for _ in range(6):
            if not self.rebuilds_report():
                return
        raise AssertionError("each request built the report again")


@pytest.fixture(scope="module")
def connected(wp: Any) -> Iterator[Site]:
    forget(wp)
    with must_use(wp, COUNTING):
        yield Site(wp, connect(wp))
    forget(wp)


@pytest.fixture
def site(connected: Site) -> Site:
    connected.settle()
    return connected


# Each change makes its file longer, because file times have a resolution of one second.
CHANGES = {
    "a plugin is activated": "update_option('active_plugins', array_merge("
    "get_option('active_plugins'), array('hello.php')));",
    "a plugin is added": "wp_mkdir_p(WP_PLUGIN_DIR . '/new'); file_put_contents("
    "WP_PLUGIN_DIR . '/new/new.php', '<?php /* Plugin Name: New */');",
    "a plugin's version changes": "file_put_contents(WP_PLUGIN_DIR . '/new/new.php',"
    " '<?php /* Plugin Name: New, Version: 2.0 */');",
    "a plugin is deleted": "unlink(WP_PLUGIN_DIR . '/new/new.php'); rmdir(WP_PLUGIN_DIR . '/new');",
    "a theme is added": "wp_mkdir_p(get_theme_root() . '/other'); file_put_contents("
    "get_theme_root() . '/other/style.css', '/* Theme Name: Other */');"
    " file_put_contents(get_theme_root() . '/other/index.php', '<?php');",
    "a theme's version changes": "file_put_contents(get_theme_root() . '/other/style.css',"
    " '/* Theme Name: Other, Version: 2 */');",
    "a must-use plugin is added": "file_put_contents(WPMU_PLUGIN_DIR . '/must.php', '<?php');",
    "a drop-in is added": "file_put_contents(WP_CONTENT_DIR . '/maintenance.php', '<?php');",
    "an update appears": "$list = get_site_transient('update_plugins');"
    " $list = is_object($list) ? $list : (object) array('last_checked' => time());"
    " $list->response['hello.php'] = (object) array('new_version' => '99');"
    " set_site_transient('update_plugins', $list);",
    "automatic updates are turned on": "update_site_option('auto_update_plugins',"
    " array('hello.php'));",
    "updates are paused": "siteagent()->limit_decisions()->pause('', 'user:1');",
    "updates are resumed": "siteagent()->limit_decisions()->resume('user:1');",
    "hours are set": "siteagent()->limit_decisions()->save_window("
    "new Siteagent_Update_Window(array(1), 1, 5), 'user:1');",
    "the time zone changes": "update_option('timezone_string', 'Asia/Kolkata');",
    "hours are removed": "siteagent()->limit_decisions()->save_window(null, 'user:1');",
    "a plugin is excluded": "siteagent()->limit_decisions()->save_exclusions("
    "array('plugin' => array('hello.php' => 'none')), 'user:1');",
    "search engines are discouraged": "update_option('blog_public', '0');",
    "the database needs an upgrade": "update_option('db_version', '1');",
    "the database was upgraded": "update_option('db_version', $GLOBALS['wp_db_version']);",
    # French is not installed: WordPress 6.1 fails on this site's empty German translation.
    "the language changes": "add_filter('sanitize_option_WPLANG', fn() => 'fr_FR');"
    " update_option('WPLANG', 'fr_FR');",
    "the version of WordPress changes": "$file = ABSPATH . WPINC . '/version.php';"
    " file_put_contents($file, file_get_contents($file) . '// another');",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_the_site_build_the_report_again(site: Site, change: str) -> None:
    assert not site.rebuilds_report()
    site.wp.evaluate(CHANGES[change] + "return 0;")
    assert site.rebuilds_report(), change
    site.settle()


def test_permissions_are_in_the_report_at_once(site: Site) -> None:
    assert not site.rebuilds_report()
    grant(site.wp, "plugins")
    assert site.rebuilds_report()


def test_the_report_is_built_again_after_an_hour(site: Site) -> None:
    assert not site.rebuilds_report()
    site.wp.evaluate(
        LAST + "$last['at'] -= 3599; update_option('siteagent_last_report', $last); return 0;"
    )
    # The second in which the report was built may have passed.
    site.wp.evaluate(
        LAST + "$last['at'] -= 1; update_option('siteagent_last_report', $last); return 0;"
    )
    assert site.rebuilds_report()
    assert not site.rebuilds_report()


def test_a_report_from_the_future_is_built_again(site: Site) -> None:
    site.wp.evaluate(
        LAST + "$last['at'] += 600; update_option('siteagent_last_report', $last); return 0;"
    )
    assert site.rebuilds_report()


@pytest.mark.parametrize("value", ["'nonsense'", "array()", "array('digest' => 1)", "null"])
def test_an_invalid_stored_report_is_built_again(site: Site, value: str) -> None:
    site.wp.evaluate(f"update_option('siteagent_last_report', {value}); return 0;")
    assert site.rebuilds_report()


def test_another_digest_gets_the_whole_report(site: Site) -> None:
    reply = site.paired.ask("report", have="0" * 64).document
    assert reply["report"]["wordpress"]["version"]
    assert site.paired.ask("report", have=None).document["digest"] == site.digest
