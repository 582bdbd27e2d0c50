"""The pages of a site show what it runs and how it is, also if its data is false or missing."""

from __future__ import annotations

import pytest

from app.http.errors import ErrorCode
from tests.support.factories import plugin, read_report, report, theme

LONG = "Donaudampfschifffahrtsgesellschaft" * 8
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


TABS = ("", "updates", "components", "health")


@pytest.fixture
def see(as_cleo, paired, fake, config):
    """Return a function that syncs the site and returns some of its pages, or all."""

    def look(*tabs: str, **changes: object) -> str:
        fake.report = report(**changes)
        assert read_report(paired, fake, config=config).state == "done"
        pages = [as_cleo.get(f"/sites/{paired.id}/{tab}".rstrip("/")) for tab in tabs or TABS]
        assert all(page.status_code == 200 for page in pages)
        return "".join(page.text for page in pages)

    return look


def test_versions_components_and_updates_are_shown(see):
    text = see()
    for words in ("6.8.1", "8.2.36", "MariaDB 10.11.6", "Akismet", "akismet/akismet.php", "5.3.1"):
        assert words in text
    assert "Twenty Twenty-Four" in text
    assert "object-cache.php" in text
    assert "1 with an available update" in text
    assert "Connected" in text


def update(**changes: object) -> dict[str, object]:
    usual = {"id": "akismet/akismet.php", "version": "6.0", "requires_wp": "", "package": True}
    return {**usual, "requires_php": "", **changes}


def updates(**changes: object) -> dict[str, object]:
    return {**report()["updates"], **changes}


def test_the_page_says_that_updates_of_paid_plugins_may_be_missing(see):
    missing = "Updates of some paid plugins may be missing"
    assert missing in see("updates", updates=updates(as_in_admin=False))
    assert missing not in see(updates=updates(as_in_admin=True))
    assert missing not in see(updates=updates())


def test_both_wordpress_releases_are_shown_with_their_kind(see):
    """The site may install the security release of its branch or the newest release."""
    release = {"requires_php": "7.4", "requires_mysql": "5.5", "package": True}
    text = see(
        "updates",
        updates=updates(
            core=[
                {"version": "6.8.4", "kind": "minor", **release},
                {"version": "7.1.3", "kind": "major", **release},
            ]
        ),
    )
    assert text.index("6.8.4") < text.index("Minor release") < text.index("7.1.3")
    assert text.count("Major release") == 1


def test_an_update_without_a_package_names_the_license_once(see):
    text = see("updates", updates=updates(plugins=[update(package=False)]))
    assert text.count("The package cannot be downloaded, often because of a license.") == 1
    assert text.count("license") == 1


def test_an_update_that_needs_a_newer_php_says_so_once(see):
    text = see("updates", updates=updates(plugins=[update(requires_php="8.3")]))
    assert text.count("Requires PHP 8.3. The site has 8.2.36.") == 1
    assert text.count("Requires PHP") == 1


def test_an_update_that_fits_has_no_warning(see):
    text = see(updates=updates(plugins=[update(requires_php="8.2")]))
    assert "Requires PHP" not in text
    assert "license" not in text


@pytest.mark.parametrize("tab", ["", "/updates", "/components"])
def test_a_reason_that_blocks_every_update_is_shown_once(as_ben, today, fake, config, tab):
    idents = [f"{name}/{name}.php" for name in ("one", "two", "three")]
    fake.report |= {
        "plugins": [plugin(ident) for ident in idents],
        "updates": updates(plugins=[update(id=ident) for ident in idents]),
    }
    fake.report["health"]["file_mods"] = False
    fake.report["agent"]["permissions"]["plugins"] = False
    read_report(today, fake, config=config)
    text = as_ben.get(f"/sites/{today.id}{tab}").text
    assert text.count(">Blocked<") >= 3
    assert text.count("The site&#39;s configuration forbids changing files from WordPress.") == 1
    assert text.count(": plugin updates<") == 1


def test_a_newer_wordpress_and_translations_are_shown(see):
    core = {
        "version": "7.1.3",
        "kind": "major",
        "requires_php": "7.4",
        "requires_mysql": "5.5.5",
        "package": True,
    }
    german = {
        "type": "plugin",
        "slug": "woocommerce",
        "language": "de_DE",
        "installed": "",
        "updated": "2026-01-01 00:00:00",
        "version": "9.4",
    }
    text = see("updates", updates=updates(core=[core], translations=[german]))
    assert "7.1.3" in text
    assert "Major release" in text
    assert "woocommerce" in text


def test_critical_health_comes_before_good_health(see):
    health = {
        **report()["health"],
        "tests": [
            {"test": "a", "status": "good", "label": "All is well"},
            {"test": "b", "status": "critical", "label": "PHP is outdated"},
            {"test": "c", "status": "recommended", "label": "Use an object cache"},
        ],
        "https": False,
        "cron_overdue": 9000,
        "disk_free": 50_000_000,
        "filesystem": "ftpext",
        "file_mods": False,
        "auto_updater": False,
    }
    text = see("health", health=health)
    for words in (
        "not served over HTTPS",
        "2 hours late",
        "50.0 MB free",
        "ftpext",
        "File changes are turned off",
        "automatic updates are turned off",
    ):
        assert words in text
    assert text.index("PHP is outdated") < text.index("Use an object cache")
    assert text.index("Use an object cache") < text.index("All is well")


def test_the_health_tab_links_to_a_waiting_database_upgrade(see):
    upgrades = [
        {"id": "wordpress", "from": "58975", "to": "60421"},
        {"id": "woocommerce", "from": "9.1.0", "to": "9.4.2"},
    ]
    text = see("health", health={**report()["health"], "database_upgrades": upgrades})
    assert "WordPress has to upgrade the database from 58975 to 60421" in text
    assert "WooCommerce has to upgrade the database from 9.1.0 to 9.4.2" in text
    assert '/updates">Updates</a>' in text
    assert 'https://bakery.example/wp-admin/"' in text


def test_a_site_cannot_make_the_link_to_wp_admin_run_a_script(see):
    upgrades = [{"id": "elementor", "from": HOSTILE, "to": "3.9"}]
    health = {**report()["health"], "database_upgrades": upgrades}
    text = see(
        "health",
        health=health,
        wordpress={**report()["wordpress"], "site_url": "javascript:alert(1)//"},
    )
    assert "Elementor has to upgrade the database" in text
    assert "javascript:alert" not in text
    assert "<img src=x" not in text


def test_a_site_that_reports_less_still_has_a_page(see, fake):
    fake.report = report()
    text = see(health={}, updates={}, database={}, server={}, php={})
    assert "Free space unknown" in text
    assert "No WordPress update is available" in text
    assert "not served over HTTPS" not in text


def test_words_of_a_site_never_become_markup(see):
    text = see(
        plugins=[plugin(f"{LONG[:100]}/x.php", name=HOSTILE, author=HOSTILE, version=HOSTILE)],
        themes=[{k: v for k, v in theme(name=HOSTILE).items() if k != "network_active"}],
        server={"software": HOSTILE},
    )
    assert "<img src=x" not in text
    assert "{{7*7}}" in text


def test_a_failed_call_is_shown_and_the_last_good_report_stays(see, as_cleo, paired, fake, config):
    see()
    fake.failing = [ErrorCode.blocked] * 4  # at every address
    read_report(paired, fake, config=config)
    text = as_cleo.get(f"/sites/{paired.id}").text
    assert "Something in front of WordPress blocked the call" in text
    assert "The data below is from the last sync" in text
    assert "Blocked" in text
    assert "Akismet" in text
    assert "as the test wants it" in text


@pytest.mark.parametrize("error_code", list(ErrorCode))
def test_every_error_has_its_panel_on_the_page(as_ben, paired, fake, config, error_code):
    fake.failing = [error_code] * 4  # at every address
    read_report(paired, fake, config=config)
    text = as_ben.get(f"/sites/{paired.id}").text
    if error_code == ErrorCode.identity_changed:
        # This is a question to answer, not an error to fix.
        assert "What is this site?" in text
        return
    assert "Next step" in text
    assert "To send to the host or to support" in text


def test_the_page_says_that_a_site_is_not_synced_yet(as_cleo, paired):
    assert "not synced yet" in as_cleo.get(f"/sites/{paired.id}").text


def test_an_unknown_site_is_not_found(as_cleo):
    assert as_cleo.get("/sites/999").status_code == 404
    assert as_cleo.get("/sites/999/progress").status_code == 404


def test_a_stranger_sees_nothing(anonymous, paired):
    for path in ("/", f"/sites/{paired.id}", f"/sites/{paired.id}/progress", "/what-leaves"):
        assert anonymous.get(path).status_code in (302, 303)
    assert anonymous.get("/plugin/siteagent.zip").status_code in (302, 303)
