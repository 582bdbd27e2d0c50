"""Updates of paid plugins: SiteAgent reports, accepts and installs what wp-admin offers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from tests.plugin.support import sellers
from tests.plugin.support.changing import ApprovedChange, ask, grant, injected_faults, item_of
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.probe import must_use
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.signed_requests import connect
from tests.plugin.support.wp_admin import Person
from tests.support.selection import WORDPRESSES
from tests.wordpress.site import WordPress

HOUR_S = 3600
ALL = set(sellers.PATTERNS)
DESK = {"kind": "plugin", "id": "contact-desk/contact-desk.php", "from": "2.3.1", "to": "2.4.0"}
_ROW = re.compile(r'data-plugin="(p\d\d)/p\d\d\.php"')
_BOX = re.compile(r'name="checked\[\]"[^>]*value="(p\d\d)/p\d\d\.php"')
_STORED = """
wp_cache_flush();
$list = get_site_option('_site_transient_update_plugins');
return array_map('dirname', array_keys(is_object($list) ? (array) $list->response : array()));
"""
_AGE = """
$list = get_site_option('_site_transient_update_plugins');
$list->last_checked = time() - %d;
return update_site_option('_site_transient_update_plugins', $list);
"""


@pytest.fixture(scope="module", params=WORDPRESSES)
def site(request: pytest.FixtureRequest) -> Iterator[RealWordPress]:
    started = WordPress.start(request.param)
    wp = RealWordPress(started)
    try:
        with must_use(wp, sellers.SHOP):
            for slug, (pattern, register) in sellers.PATTERNS.items():
                sellers.install(wp, slug, pattern, register)
            yield wp
    finally:
        started.stop()


@pytest.fixture(scope="module")
def paired(site: RealWordPress) -> Paired:
    connection = connect(site)
    grant(site, "plugins")
    return connection


@pytest.fixture(scope="module")
def ana(site: RealWordPress) -> Person:
    return Person(site.url, site.admin, site.password)


@pytest.fixture
def filled(site: RealWordPress, ana: Person) -> None:
    """Have an administrator open Dashboard > Updates, after all known updates were deleted."""
    forget_updates(site)
    page = ana.session.get(f"{site.url}/wp-admin/update-core.php", timeout=60).text
    assert set(_BOX.findall(page)) == ALL


def forget_updates(site: RealWordPress) -> None:
    """Delete all updates that WordPress and SiteAgent know of."""
    site.evaluate(
        "delete_site_transient('update_plugins');"
        " delete_site_transient(Siteagent_Admin_Update_Check::RESULT_TRANSIENT);"
    )


def age(site: RealWordPress, seconds: int) -> None:
    """Make WordPress's list of updates this old."""
    site.evaluate(_AGE % seconds)


def on_plugins_page(site: RealWordPress, ana: Person) -> set[str]:
    page = ana.session.get(f"{site.url}/wp-admin/plugins.php", timeout=60).text
    rows = re.findall(r'<tr[^>]*class="plugin-update-tr[^>]*>', page)
    return {name for row in rows for name in _ROW.findall(row)}


def reported(paired: Paired) -> set[str]:
    updates = paired.ask("report", have=None).document["report"]["updates"]["plugins"]
    return {update["id"].partition("/")[0] for update in updates} & ALL


def stored(site: RealWordPress) -> set[str]:
    return set(site.evaluate(_STORED)) & ALL


def check(paired: Paired, slug: str) -> list[str]:
    item = {"kind": "plugin", "id": sellers.file_of(slug), "from": "1.0", "to": "2.0"}
    return ask(paired, "change.check", item=item)["reasons"]


def test_wp_admin_lists_the_updates_of_all_sellers(site, ana, filled) -> None:
    assert on_plugins_page(site, ana) == ALL


REST, AJAX = "/?rest_route=/siteagent/v1/rpc", "/wp-admin/admin-ajax.php?action=siteagent_rpc"


@pytest.mark.parametrize("address", [REST, AJAX])
def test_the_report_names_what_wp_admin_offers(site, paired, filled, address) -> None:
    at_address = replace(paired, channel=replace(paired.channel, endpoint=site.url + address))
    assert reported(at_address) == ALL


def test_the_report_names_updates_after_siteagent_checked(site, paired, filled) -> None:
    age(site, 13 * HOUR_S)
    assert reported(paired) == ALL
    assert reported(paired) == ALL


def test_the_report_names_updates_before_anyone_opens_wp_admin(site, paired) -> None:
    """An updater for signed-in users needs one; WordPress's own cron does not find it either."""
    forget_updates(site)
    assert reported(paired) == ALL - {"p12"}
    forget_updates(site)
    site.evaluate("define('DOING_CRON', true); wp_update_plugins();")
    assert "p12" not in stored(site)


def test_a_pre_check_accepts_what_wp_admin_offers(site, paired, filled) -> None:
    answers = {}
    for slug in sorted(ALL):
        age(site, HOUR_S)
        answers[slug] = check(paired, slug)
    assert answers == {slug: [] for slug in ALL}


def test_a_pre_check_of_another_plugin_keeps_the_known_updates(site, paired, ana, filled) -> None:
    before = stored(site)
    assert before >= set(sellers.STORED)
    age(site, HOUR_S)
    assert ask(paired, "change.check", item=DESK)["eligible"] is True
    assert stored(site) == before
    assert on_plugins_page(site, ana) == ALL


_COUNT_CHECKS = """
add_filter('pre_http_request', function ($answer, $arguments, $url) {
    if (strpos($url, 'api.wordpress.org/plugins/update-check')) {
        update_option('checks', (int) get_option('checks') + 1);
    }
    return $answer;
}, 1, 3);
"""


def test_an_update_right_after_its_pre_check_asks_wordpress_org_once(
    site, paired, filled, tmp_path
) -> None:
    """Each request to WordPress.org contains the whole list of plugins (W14)."""
    counter = tmp_path / "count-checks.php"
    counter.write_text("<?php" + _COUNT_CHECKS, "utf-8")
    sellers.install(site, "counted", "WP Rocket", "when_stored();")
    item = {"kind": "plugin", "id": sellers.file_of("counted"), "from": "1.0", "to": "2.0"}
    with must_use(site, counter):
        age(site, HOUR_S)
        site.evaluate("update_option('checks', 0);")
        assert ask(paired, "change.check", item=item)["reasons"] == []
        result = ApprovedChange.of(site, paired, {**item, "package_host": "shop.example"}).send()
        assert (result["outcome"], result["reason"]) == ("succeeded", None)
        assert site.evaluate("return (int) get_option('checks');") == 1


def test_a_site_without_loopback_keeps_its_updates_and_reports_it(site, paired, filled) -> None:
    before = stored(site)
    with injected_faults(site, loopback="blocked"):
        age(site, 13 * HOUR_S)
        assert reported(paired) == ALL - {"p08", "p09"}
        updates = paired.ask("report", have=None).document["report"]["updates"]
        assert updates["as_in_admin"] is False
        assert stored(site) == before
        age(site, HOUR_S)
        assert ask(paired, "change.check", item=DESK)["eligible"] is True
        assert check(paired, "p12") == []
        assert check(paired, "p08") == ["no_update_available"]
        assert stored(site) == before


def test_an_update_missing_from_its_seller_is_kept_for_three_days(site, filled) -> None:
    """WordPress builds the list in requests in which the seller's updater does not run."""
    read_entry = "return (array) get_site_option('_site_transient_update_plugins')->response[%s];"
    site.evaluate("(new Siteagent_Update_Transient('plugins'))->check();")
    assert "p12" in stored(site)
    entry = site.evaluate(read_entry % "'p12/p12.php'")
    assert abs(entry["siteagent_kept_since"] - time.time()) < HOUR_S
    site.evaluate(
        "$list = get_site_option('_site_transient_update_plugins');"
        f"$list->response['p12/p12.php']->siteagent_kept_since = time() - {3 * 24 * HOUR_S + 9};"
        "update_site_option('_site_transient_update_plugins', $list);"
        "(new Siteagent_Update_Transient('plugins'))->check();"
    )
    assert "p12" not in stored(site)


@pytest.mark.parametrize("secret", ["", "0" * 64, None])
def test_only_a_valid_secret_starts_an_update_check(site, secret) -> None:
    """Without the secret WordPress answers as for an unknown action."""
    forget_updates(site)
    valid_secret = "a" * 64
    site.evaluate(
        "set_site_transient(Siteagent_Admin_Update_Check::SECRET_TRANSIENT,"
        f" hash('sha256', '{valid_secret}'), 60);"
    )
    form = {"action": "siteagent_check_updates", "lists": "plugins"}
    answer = call_ajax(site, form if secret is None else {**form, "secret": secret})
    assert (answer.status_code, answer.text) == (400, "0")
    assert stored(site) == set()
    answer = call_ajax(site, {**form, "secret": valid_secret})
    assert (answer.status_code, len(answer.text)) == (200, 64)
    assert "p05" in stored(site)
    answer = call_ajax(site, {**form, "secret": valid_secret})
    assert (answer.status_code, answer.text) == (400, "0")


def call_ajax(site: RealWordPress, form: dict[str, str]) -> requests.Response:
    return requests.post(f"{site.url}/wp-admin/admin-ajax.php", data=form, timeout=60)


def test_installing_an_update_keeps_those_of_other_sellers(site, paired, ana, filled) -> None:
    """This test is the last to use all sellers, because it installs their updates."""
    assert ApprovedChange.of(site, paired, DESK).send()["outcome"] == "succeeded"
    assert (reported(paired), on_plugins_page(site, ana)) == (ALL, ALL)
    outcomes, left = {}, set(ALL)
    for slug in sorted(ALL):
        item = item_of(site, sellers.file_of(slug), sellers.AVAILABLE)
        result = ApprovedChange.of(site, paired, {**item, "package_host": "shop.example"}).send()
        outcomes[slug] = (result["outcome"], result["reason"])
        left.remove(slug)
        assert stored(site) & set(sellers.STORED) == left & set(sellers.STORED)
    assert outcomes == dict.fromkeys(ALL, ("succeeded", None))
    assert reported(paired) == set()


# By slug: how a seller's updater finds its package, the package, and the reported host.
_SHOP = "https://shop.example"
_DEFERRED = (
    "when_stored(); add_filter('upgrader_package_options', function ($options) {"
    " if (strpos((string) $options['package'], 'deferred_download')) {"
    f" $options['package'] = '{_SHOP}/%slug%.2.0.zip'; }} return $options; }}, 99);"
)
_FETCHES = (
    "when_stored(); add_filter('upgrader_pre_download', function ($reply, $package, $upgrader) {"
    " $name = $upgrader->skin->plugin_info['Name'] ?? '';"
    f" return 'Seller %slug%' === $name ? download_url('{_SHOP}/%slug%.2.0.zip') : $reply;"
    " }, 10, 3);"
)
DOWNLOADS = {
    "envato": (_DEFERRED, f"'{_SHOP}/envato-market?deferred_download=1'", "shop.example"),
    "bakery": (_FETCHES, "true", "own-updater"),
}


@pytest.mark.parametrize("slug", sorted(DOWNLOADS))
def test_a_package_that_the_sellers_updater_finds_is_installed(site, paired, slug) -> None:
    register, package, host = DOWNLOADS[slug]
    sellers.install(site, slug, slug, register, package)
    site.evaluate("(new Siteagent_Update_Transient('plugins'))->mark_stale();")
    item = {"kind": "plugin", "id": sellers.file_of(slug), "from": "1.0", "to": "2.0"}
    checked = ask(paired, "change.check", item=item)
    assert (checked["reasons"], checked["facts"]["package_host"]) == ([], host)
    result = ApprovedChange.of(site, paired, {**item, "package_host": host}).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result


def test_an_html_page_for_a_package_is_not_reported_as_changed(site, paired) -> None:
    package = f"'{_SHOP}/no-license.html'"
    sellers.install(site, "unpaid", "a seller without a license", "when_stored();", package)
    site.evaluate(
        "file_put_contents('/srv/wordpress.org/shop.example/no-license.html', '<html>Renew');"
        "(new Siteagent_Update_Transient('plugins'))->mark_stale();"
    )
    item = {"kind": "plugin", "id": sellers.file_of("unpaid"), "from": "1.0", "to": "2.0"}
    result = ApprovedChange.of(site, paired, {**item, "package_host": "shop.example"}).send()
    assert (result["outcome"], result["reason"]) == ("refused", "not_a_package")
