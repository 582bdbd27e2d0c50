"""Update WordPress itself to minor and major releases, packed from the site's own files.

Each test leaves a newer WordPress behind, so the module starts its own sites.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.plugin.support.changing import ApprovedChange, ask, grant
from tests.plugin.support.core_release import core, release
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.signed_requests import connect, forget
from tests.support.selection import WORDPRESSES
from tests.wordpress.site import WordPress


@pytest.fixture(scope="module", params=WORDPRESSES)
def site(request: pytest.FixtureRequest) -> Iterator[RealWordPress]:
    started = WordPress.start(request.param)
    try:
        yield RealWordPress(started)
    finally:
        started.stop()


def leftovers(site: RealWordPress) -> list[Any]:
    """Return the files and locks that an update has to remove."""
    return site.evaluate(
        "return array(glob(WP_CONTENT_DIR . '/siteagent-probation*'),"
        " glob(WPMU_PLUGIN_DIR . '/siteagent*'),"
        " file_exists(ABSPATH . '.maintenance'), get_option('core_updater.lock'),"
        " get_option('auto_updater.lock'));"
    )


def test_a_minor_release_is_installed_as_approved_and_nothing_else(site) -> None:
    paired = connect(site)
    item = core(site)
    themes = site.evaluate("return array_keys(wp_get_themes());")
    grant(site, "core_major", "plugins")
    assert ApprovedChange.of(site, paired, item).send()["reason"] == "permission_off"
    grant(site, "core_minor")
    checked: dict[str, Any] = ask(paired, "change.check", item=item)
    assert (checked["eligible"], checked["facts"]["rollback"]) == (True, False)

    release(site, item["to"], "6.0.1")
    result = ApprovedChange.of(site, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("refused", "package_mismatch")
    assert core(site) == item

    release(site, item["to"], item["to"], whole=True)
    result = ApprovedChange.of(site, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    evidence = result["evidence"]
    assert evidence["before"] == {"version": item["from"], "active": True, "probe": "ok"}
    assert evidence["after"] == {"version": item["to"], "active": True, "probe": "ok"}
    assert evidence["kept_copy"] is False
    assert evidence["watched_until"] is None
    assert site.evaluate("return get_bloginfo('version');") == item["to"]
    assert site.evaluate("return array_keys(wp_get_themes());") == themes
    assert requests.get(site.url, timeout=60).status_code == 200
    assert leftovers(site) == [[], [], False, False, False]
    assert paired.ask("report", have=None).document["report"]["wordpress"]["version"] == item["to"]


def announce_major(site: RealWordPress) -> str:
    """Announce the next major release on WordPress.org, and return its version."""
    return site.evaluate(
        "$parts = explode('.', get_bloginfo('version'));"
        "$to = $parts[0] . '.' . ((int) $parts[1] + 1);"
        "$file = '/srv/wordpress.org/catalogue.json';"
        "$all = json_decode(file_get_contents($file), true);"
        "$all = array('core' => $to, 'core_background' => array()) + $all;"
        "file_put_contents($file, json_encode($all));"
        "Siteagent_Report::load_admin_includes(); wp_version_check(array(), true); return $to;"
    )


def announce_branches(site: RealWordPress) -> tuple[str, str]:
    """Announce a release of a newer branch and one of this branch; return (minor, major)."""
    return site.evaluate(
        "$parts = explode('.', get_bloginfo('version') . '.0');"
        "$major = $parts[0] . '.' . ((int) $parts[1] + 1) . '.2';"
        "$minor = $parts[0] . '.' . $parts[1] . '.' . ((int) $parts[2] + 3);"
        "$file = '/srv/wordpress.org/catalogue.json';"
        "$all = json_decode(file_get_contents($file), true);"
        "$all['core'] = $major;"
        "$all['core_background'] = array($major, $minor);"
        "file_put_contents($file, json_encode($all));"
        "wp_version_check(array(), true); return array($minor, $major);"
    )


def test_a_security_release_of_an_older_branch_is_reported_and_installed(site) -> None:
    """Once a newer branch exists, WordPress.org lists it only for background updates (W2)."""
    forget(site)
    paired = connect(site)
    minor, major = announce_branches(site)
    available = paired.ask("report", have=None).document["report"]["updates"]["core"]
    assert [(update["version"], update["kind"]) for update in available] == [
        (minor, "minor"),
        (major, "major"),
    ]
    grant(site, "core_minor")
    item = {**core(site), "to": minor}
    checked: dict[str, Any] = ask(paired, "change.check", item=item)
    assert (checked["reasons"], checked["facts"]["available"]) == ([], minor)
    assert ask(paired, "change.check", item={**item, "to": major})["reasons"] == ["permission_off"]
    assert (
        ApprovedChange.of(site, paired, {**item, "to": major}).send()["reason"] == "permission_off"
    )
    other = ask(paired, "change.check", item={**item, "to": f"{minor}9"})
    assert other["reasons"] == ["other_version_available"]

    release(site, minor, minor)
    result = ApprovedChange.of(site, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert site.evaluate("return get_bloginfo('version');") == minor
    available = paired.ask("report", have=None).document["report"]["updates"]["core"]
    assert [update["version"] for update in available] == [major]


def test_a_major_release_is_installed_under_a_permission_of_its_own(site) -> None:
    forget(site)
    paired = connect(site)
    to = announce_major(site)
    item = core(site)
    assert item["to"] == to
    grant(site, "core_minor", "plugins", "themes")
    checked: dict[str, Any] = ask(paired, "change.check", item=item)
    assert (checked["reasons"], checked["facts"]["permission"]) == (
        ["permission_off"],
        "core_major",
    )
    assert ApprovedChange.of(site, paired, item).send()["reason"] == "permission_off"
    grant(site, "core_major")
    available = paired.ask("report", have=None).document["report"]["updates"]["core"]
    assert [(update["version"], update["kind"]) for update in available] == [(to, "major")]

    release(site, to, to)
    result = ApprovedChange.of(site, paired, item).send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert result["evidence"]["before"]["version"] == item["from"]
    assert result["evidence"]["after"] == {"version": to, "active": True, "probe": "ok"}
    assert result["evidence"]["kept_copy"] is False
    assert site.evaluate("return get_bloginfo('version');") == to
    assert requests.get(site.url, timeout=60).status_code == 200
    assert leftovers(site) == [[], [], False, False, False]
    report = paired.ask("report", have=None).document["report"]
    assert report["wordpress"]["version"] == to
