"""Update SiteAgent with WordPress's upgrader: only releases that its dashboard has signed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.keys import new_signing_key
from tests.plugin.support.changing import disk, injected_faults, publish_package, update
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.releases import DASHBOARD, PUBLIC, publish_release, trust_test_key
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.siteagent_release import AGENT, HERE, NEXT, package, put_back


@pytest.fixture(scope="module")
def connected(wp: RealWordPress) -> Iterator[None]:
    forget(wp)
    connect(wp, DASHBOARD)
    yield
    put_back(wp)
    forget(wp)


@pytest.fixture
def siteagent(wp, connected) -> Iterator[None]:
    put_back(wp)
    wp.evaluate("delete_site_transient('update_plugins');")
    yield
    wp.evaluate(
        "$file = '/srv/wordpress.org/catalogue.json';"
        "$all = json_decode(file_get_contents($file), true); unset($all['plugins']['siteagent']);"
        "file_put_contents($file, json_encode($all));"
    )


def available(wp) -> dict[str, Any] | None:
    """Have WordPress check for updates; return the available update of SiteAgent."""
    return wp.evaluate(
        "delete_site_transient('update_plugins'); wp_update_plugins();"
        "$all = get_site_transient('update_plugins');"
        f"return isset($all->response['{AGENT}']) ? (array) $all->response['{AGENT}'] : null;"
    )


def click_update(wp) -> Any:
    """Update SiteAgent as an administrator does; return true or the error code."""
    return wp.evaluate(
        "Siteagent_Report::load_admin_includes();"
        "require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';"
        "$skin = new Automatic_Upgrader_Skin(); $upgrader = new Plugin_Upgrader($skin);"
        f"$done = $upgrader->bulk_upgrade(array('{AGENT}'));"
        f"$one = is_array($done) ? $done['{AGENT}'] : $done;"
        "return is_wp_error($one) ? $one->get_error_code() : (bool) $one;"
    )


def installed(wp) -> str:
    return str(disk(wp, AGENT, kind="siteagent")["version"])


def inject_update(wp, fields: dict[str, Any]) -> None:
    """Add an update directly to WordPress's list, as a hostile plugin could."""
    wp.evaluate(
        "$all = get_site_transient('update_plugins') ?: new stdClass();"
        f"$all->response['{AGENT}'] = (object) array('plugin' => '{AGENT}', 'slug' => 'siteagent',"
        f" 'new_version' => '{fields['version']}',"
        f" 'siteagent_sha256' => '{fields['sha256']}', 'siteagent_sig' => '{fields['sig']}',"
        f" 'package' => '{DASHBOARD}/siteagent/{fields['sha256']}.zip');"
        "remove_all_filters('pre_set_site_transient_update_plugins');"
        "set_site_transient('update_plugins', $all);"
    )


def test_a_release_with_the_right_signature_is_offered_and_installed(wp, siteagent) -> None:
    fields = publish_release(wp, NEXT, package())
    found = available(wp)
    assert found is not None
    assert found["new_version"] == NEXT
    assert found["package"] == f"{DASHBOARD}/siteagent/{fields['sha256']}.zip"
    assert click_update(wp) is True
    assert installed(wp) == NEXT
    # The new version contains the key with which the next release has to be signed.
    assert (
        wp.evaluate("return bin2hex(Siteagent_Plugin_Release::read_key(dirname(SITEAGENT_FILE)));")
        == PUBLIC.hex()
    )


def test_a_release_signed_with_another_key_is_refused(wp, siteagent) -> None:
    fields = publish_release(wp, NEXT, package(), seed=new_signing_key())
    assert available(wp) is None
    inject_update(wp, fields)
    assert click_update(wp) == "siteagent_not_signed"
    assert installed(wp) == HERE


@pytest.mark.parametrize("version", [HERE, "0.0.9"])
def test_an_equal_or_older_release_is_refused(wp, siteagent, version) -> None:
    fields = publish_release(wp, version, package("0.0.9") if version != HERE else package(NEXT))
    assert available(wp) is None
    inject_update(wp, fields)
    assert click_update(wp) == "siteagent_not_signed"
    assert installed(wp) == HERE


def test_a_plugin_of_the_same_name_at_wordpress_org_is_refused(wp, siteagent) -> None:
    publish_package(wp, f"plugin/siteagent.{NEXT}.zip", package())
    update(wp, "siteagent", NEXT)
    assert available(wp) is None
    # Other code may change WordPress's list, so the upgrader checks the signature as well.
    wp.evaluate(
        "$all = get_site_transient('update_plugins');"
        f"$all->response['{AGENT}'] = (object) array('plugin' => '{AGENT}', 'slug' => 'siteagent',"
        f" 'new_version' => '{NEXT}', 'package' =>"
        f" 'https://downloads.wordpress.org/plugin/siteagent.{NEXT}.zip');"
        "remove_all_filters('pre_set_site_transient_update_plugins');"
        "set_site_transient('update_plugins', $all);"
    )
    assert click_update(wp) == "siteagent_not_signed"
    assert installed(wp) == HERE


def test_a_package_that_differs_from_the_signed_one_is_refused(wp, siteagent) -> None:
    publish_release(wp, NEXT, package(), sent=package(broken=None, header=NEXT) + b"\0")
    assert available(wp) is not None
    assert click_update(wp) == "siteagent_not_signed"
    assert installed(wp) == HERE
    assert wp.evaluate("return glob(get_temp_dir() . '*.tmp') ?: array();") == []


@pytest.mark.parametrize("slug", ["contact-desk", None])
def test_a_release_of_another_plugin_is_not_offered(wp, siteagent, slug) -> None:
    publish_release(wp, NEXT, package(), slug=slug)
    assert available(wp) is None


def test_a_copy_without_a_key_accepts_no_release(wp, siteagent) -> None:
    wp.evaluate("return unlink(dirname(SITEAGENT_FILE) . '/release-key.pub');")
    try:
        fields = publish_release(wp, NEXT, package())
        assert available(wp) is None
        inject_update(wp, fields)
        assert click_update(wp) == "siteagent_not_signed"
    finally:
        trust_test_key(wp)


def test_wp_config_can_set_the_update_host(wp, siteagent) -> None:
    publish_release(wp, NEXT, package())
    with injected_faults(wp, constants={"SITEAGENT_UPDATE_HOST": "nobody.wordpress.org"}):
        assert available(wp) is None
    with injected_faults(wp, constants={"SITEAGENT_UPDATE_HOST": "aura.example"}):
        found = available(wp)
        assert found is not None
        assert found["package"].startswith("https://aura.example/siteagent/")


def test_the_details_window_describes_the_signed_release(wp, siteagent) -> None:
    publish_release(wp, NEXT, package())
    assert available(wp) is not None
    details = wp.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/plugin-install.php';"
        "return (array) plugins_api('plugin_information', array('slug' => 'siteagent'));"
    )
    assert (details["name"], details["version"]) == ("SiteAgent", NEXT)
    assert "signed" in details["sections"]["description"]
