"""WordPress itself: a minor and a major release, from packages made of the site's own WordPress.

Each test leaves its site with a newer WordPress, so these have sites of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.plugin.changing import Order, ask, grant
from tests.plugin.conftest import RealWordPress
from tests.plugin.test_admin import forget
from tests.plugin.test_gate import connect
from tests.selection import WORDPRESSES
from tests.wordpress.site import WordPress

# Another release of this very WordPress, with nothing but its number changed.
_RELEASE = """
$to = '%(to)s';
$file = "/srv/wordpress.org/downloads.wordpress.org/release/wordpress-%(named)s-no-content.zip";
is_dir(dirname($file)) || mkdir(dirname($file), 0755, true);
$zip = new ZipArchive();
$zip->open($file, ZipArchive::CREATE | ZipArchive::OVERWRITE);
foreach (array('wp-admin', 'wp-includes') as $folder) {
    $inside = new RecursiveDirectoryIterator(ABSPATH . $folder, FilesystemIterator::SKIP_DOTS);
    foreach (new RecursiveIteratorIterator($inside) as $one) {
        $path = $one->getPathname();
        $zip->addFile($path, 'wordpress/' . substr($path, strlen(ABSPATH)));
    }
}
foreach (glob(ABSPATH . '*.php') as $one) {
    'wp-config.php' === basename($one) || $zip->addFile($one, 'wordpress/' . basename($one));
}
$zip->addFromString('wordpress/readme.html', 'WordPress');
$zip->addFromString('wordpress/license.txt', 'GPL');
$version = file_get_contents(ABSPATH . 'wp-includes/version.php');
$zip->addFromString('wordpress/wp-includes/version.php',
    preg_replace('/^(\\$wp_version = )\\'[^\\']+\\'/m', "\\$1'$to'", $version));
return $zip->close();
"""


@pytest.fixture(scope="module", params=WORDPRESSES)
def site(request: pytest.FixtureRequest) -> Iterator[RealWordPress]:
    started = WordPress.start(request.param)
    try:
        yield RealWordPress(started)
    finally:
        started.stop()


def core(site: RealWordPress) -> dict[str, str]:
    """The step to what WordPress.org offers here: the next minor release, unless told otherwise."""
    here, there = site.evaluate(
        "Siteagent_Inventory::load_admin_includes();"
        "$core = new Siteagent_Component('core', 'core');"
        "return array($core->version(), $core->offer()['version']);"
    )
    return {"kind": "core", "id": "core", "from": here, "to": there}


def release(site: RealWordPress, named: str, to: str) -> None:
    assert site.evaluate(_RELEASE % {"named": named, "to": to}) is True


def left(site: RealWordPress) -> list[Any]:
    """What an update could have forgotten."""
    return site.evaluate(
        "return array(glob(WP_CONTENT_DIR . '/siteagent*'), glob(WPMU_PLUGIN_DIR . '/siteagent*'),"
        " file_exists(ABSPATH . '.maintenance'), get_option('core_updater.lock'),"
        " get_option('auto_updater.lock'));"
    )


def test_a_minor_release_is_installed_as_approved_and_nothing_else(site) -> None:
    paired = connect(site)
    step = core(site)
    themes = site.evaluate("return array_keys(wp_get_themes());")
    grant(site, "core_major", "plugins")
    assert Order.of(site, paired, step).send()["reason"] == "scope_off"
    grant(site, "core_minor")
    checked: dict[str, Any] = ask(paired, "change.check", step=step)
    assert (checked["may"], checked["facts"]["rollback"]) == (True, False)

    release(site, step["to"], "6.0.1")
    told = Order.of(site, paired, step).send()
    assert (told["outcome"], told["reason"]) == ("refused", "package_lies")
    assert core(site) == step

    release(site, step["to"], step["to"])
    told = Order.of(site, paired, step).send()
    assert (told["outcome"], told["reason"]) == ("succeeded", None), told
    evidence = told["evidence"]
    assert evidence["before"] == {"version": step["from"], "active": True, "probe": "ok"}
    assert evidence["after"] == {"version": step["to"], "active": True, "probe": "ok"}
    assert evidence["kept_copy"] is False
    assert evidence["watched_until"] is None
    assert site.evaluate("return get_bloginfo('version');") == step["to"]
    assert site.evaluate("return array_keys(wp_get_themes());") == themes
    assert requests.get(site.url, timeout=60).status_code == 200
    assert left(site) == [[], [], False, False, False]
    assert paired.ask("report", have=None).document["report"]["wordpress"]["version"] == step["to"]


def offer_major(site: RealWordPress) -> str:
    """WordPress.org has the next major release; its number."""
    return site.evaluate(
        "$parts = explode('.', get_bloginfo('version'));"
        "$to = $parts[0] . '.' . ((int) $parts[1] + 1);"
        "$file = '/srv/wordpress.org/catalogue.json';"
        "$all = json_decode(file_get_contents($file), true);"
        "file_put_contents($file, json_encode(array('core' => $to) + $all));"
        "Siteagent_Inventory::load_admin_includes(); wp_version_check(array(), true); return $to;"
    )


def test_a_major_release_is_installed_under_a_permission_of_its_own(site) -> None:
    forget(site)
    paired = connect(site)
    to = offer_major(site)
    step = core(site)
    assert step["to"] == to
    grant(site, "core_minor", "plugins", "themes")
    checked: dict[str, Any] = ask(paired, "change.check", step=step)
    assert (checked["reasons"], checked["facts"]["scope"]) == (["scope_off"], "core_major")
    assert Order.of(site, paired, step).send()["reason"] == "scope_off"
    grant(site, "core_major")
    offered = paired.ask("report", have=None).document["report"]["updates"]["core"]
    assert [(one["version"], one["kind"]) for one in offered] == [(to, "major")]

    release(site, to, to)
    told = Order.of(site, paired, step).send()
    assert (told["outcome"], told["reason"]) == ("succeeded", None), told
    assert told["evidence"]["before"]["version"] == step["from"]
    assert told["evidence"]["after"] == {"version": to, "active": True, "probe": "ok"}
    assert told["evidence"]["kept_copy"] is False
    assert site.evaluate("return get_bloginfo('version');") == to
    assert requests.get(site.url, timeout=60).status_code == 200
    assert left(site) == [[], [], False, False, False]
    report = paired.ask("report", have=None).document["report"]
    assert report["wordpress"]["version"] == to
