"""Exclude plugins and themes from updates, entirely or except for patch releases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugin.support.changing import (
    DESK,
    GALLERY,
    ApprovedChange,
    ask,
    disk,
    grant,
    reset,
    update,
)
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.probe import must_use
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

LIMITS = "&tab=limits"
COAST = "coastline"
CLEAR = "siteagent()->limit_decisions()->save_exclusions(array('plugin' => array_fill_keys("
CLEAR += f"array('{DESK}', '{GALLERY}', 'gone/gone.php'), 'all'),"
CLEAR += f" 'theme' => array('{COAST}' => 'all')), 'user:1');"


@pytest.fixture
def paired(wp: Any) -> Iterator[Paired]:
    forget(wp)
    wp.evaluate(CLEAR)
    reset(wp, "tide-gallery", "1.0.0")
    connected = connect(wp)
    grant(wp, "plugins", "themes")
    yield connected
    wp.evaluate(CLEAR)
    forget(wp)


@pytest.fixture
def ana(wp: Any) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def field(kind: str, component: str) -> str:
    name = hashlib.md5(component.encode(), usedforsecurity=False).hexdigest()
    return f"rules[{kind}-{name}]"


def exclude(ana: Person, component: str, rule: str, kind: str = "plugin") -> str:
    fields = {field(kind, component): rule}
    return words(ana.submit(ana.page(LIMITS).text, "siteagent_exclusions", **fields))


def item(to: str, component: str = GALLERY, before: str = "1.0.0") -> dict[str, str]:
    return {"kind": "plugin", "id": component, "from": before, "to": to}


def releases(paired: Paired, kind: str = "plugins") -> dict[str, str]:
    report = paired.ask("report", have=None).document["report"]
    return {component["id"]: component["releases"] for component in report[kind]}


def refusal_reason(wp: Any, paired: Paired, plan_item: dict[str, str]) -> str:
    """Return the reason of the refusal, which the pre-check gives as well."""
    change = ApprovedChange.of(wp, paired, plan_item)
    reply = change.send()
    assert reply["outcome"] == "refused", reply
    # The owner's rule refuses this plan permanently.
    assert change.status()["state"] == "done"
    assert reply["reason"] in ask(paired, "change.check", item=plan_item)["reasons"]
    return reply["reason"]


def test_an_excluded_plugin_is_refused_and_reported(wp, ana, paired) -> None:
    before = disk(wp, GALLERY)
    assert releases(paired)[GALLERY] == "all"
    assert "Limits saved." in exclude(ana, GALLERY, "none")
    assert refusal_reason(wp, paired, item("1.1.0")) == "excluded_by_owner"
    assert disk(wp, GALLERY) == before
    assert releases(paired)[GALLERY] == "none"
    assert releases(paired)[DESK] == "all"
    exclude(ana, GALLERY, "all")
    assert ApprovedChange.of(wp, paired, item("1.1.0")).send()["outcome"] == "succeeded"


def test_only_patch_releases_are_installed(wp, ana, paired) -> None:
    exclude(ana, DESK, "patch")
    exclude(ana, GALLERY, "patch")
    before = disk(wp, GALLERY)
    assert refusal_reason(wp, paired, item("1.1.0")) == "not_a_patch_release"
    assert refusal_reason(wp, paired, item("1.0.1-beta1")) == "release_unclear"
    assert disk(wp, GALLERY) == before
    # The fixtures have no patch release of another version, so publish one here.
    update(wp, "contact-desk", "2.4.1")
    reset(wp, "contact-desk", "2.4.0")
    assert (
        "not_a_patch_release"
        not in ask(paired, "change.check", item=item("2.4.1", DESK, "2.4.0"))["reasons"]
    )
    reset(wp, "contact-desk", "2.3.1", available="2.4.0")


def test_a_theme_can_be_excluded_as_well(wp, ana, paired) -> None:
    before = reset(wp, COAST, "1.2.0", kind="theme", available="1.3.0")
    exclude(ana, COAST, "none", kind="theme")
    theme = {"kind": "theme", "id": COAST, "from": "1.2.0", "to": "1.3.0"}
    assert refusal_reason(wp, paired, theme) == "excluded_by_owner"
    assert disk(wp, COAST, kind="theme") == before
    assert releases(paired, "themes")[COAST] == "none"


def test_code_on_the_site_can_only_be_stricter(wp, ana, paired, tmp_path) -> None:
    rules = tmp_path / "rules.php"
    rules.write_text(
        "<?php add_filter('siteagent_release_rule', function ($rule, $kind, $id) {"
        f" return array('{GALLERY}' => 'none', '{DESK}' => 'all', '{COAST}' => 'nonsense')[$id]"
        " ?? $rule; }, 10, 3);"
    )
    exclude(ana, DESK, "patch")
    with must_use(wp, rules):
        assert releases(paired)[GALLERY] == "none"
        assert releases(paired)[DESK] == "patch"
        # An invalid rule excludes the theme.
        assert releases(paired, "themes")[COAST] == "none"
        assert refusal_reason(wp, paired, item("1.1.0")) == "excluded_by_owner"
        page = words(ana.page(LIMITS).text)
        assert "Code on this site allows less: Never" in page
    assert releases(paired)[GALLERY] == "all"


def test_the_log_says_what_was_changed(wp, ana, paired) -> None:
    exclude(ana, GALLERY, "patch")
    entry = wp.evaluate("return siteagent()->audit_log_reader()->recent(1, 0)[0];")
    assert (entry["event"], entry["actor"]) == ("exclusions_changed", "user:1")
    changed = {"kind": "plugin", "id": GALLERY, "before": "all", "after": "patch"}
    assert entry["facts"] == {"changed": [changed]}
    assert "tide-gallery: Patch releases only" in words(ana.page("&tab=log").text)
    assert "No changes to save." in exclude(ana, GALLERY, "patch")


def test_the_rule_of_a_deleted_plugin_can_be_removed(wp, ana, paired) -> None:
    wp.evaluate(
        "siteagent()->limit_decisions()->save_exclusions("
        "array('plugin' => array('gone/gone.php' => 'none')), 'user:1');"
    )
    assert "gone/gone.php Plugin not installed" in words(ana.page(LIMITS).text).replace(
        "gone/gone.php gone/gone.php", "gone/gone.php"
    )
    exclude(ana, "gone/gone.php", "all")
    assert "gone/gone.php" not in words(ana.page(LIMITS).text)


def test_an_invalid_rule_is_not_stored(wp, ana, paired) -> None:
    for rule in ("sometimes", "", "none'; DROP TABLE wp_options"):
        assert "No changes to save." in exclude(ana, GALLERY, rule)
    assert "No changes to save." in exclude(ana, "not/there.php", "none")
    # SiteAgent's own updates have a separate permission instead.
    assert "siteagent/siteagent.php" not in words(ana.page(LIMITS).text)
