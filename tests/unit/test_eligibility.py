"""Eligibility of an update: each reason against it, and no assumptions about missing data."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.inventory import eligibility
from app.domain.inventory.eligibility import CODES, PERMISSIONS, ActiveHold, SiteFacts, evaluate
from app.domain.inventory.targets import Target
from app.domain.inventory.update_limits import Pause
from app.domain.inventory.versions import is_above, release_type_between
from tests.support.fakes import at

NOW = at("2026-11-24 10:00")
PLUGIN = Target(
    kind="plugin",
    ident="akismet/akismet.php",
    name="Akismet",
    version="5.3",
    available="5.3.1",
    active=True,
    package=True,
    requires_wp="5.8",
    requires_php="7.2",
    version_controlled=False,
    writable=True,
)
CORE = Target(
    kind="core", ident="core", name="WordPress", version="6.8.1", available="6.8.2", package=True
)
AROUND = SiteFacts(
    is_connected=True,
    is_quarantined=False,
    has_incident=False,
    report_at=NOW - timedelta(hours=1),
    wordpress="6.8.1",
    php="8.2.36",
    permissions=dict.fromkeys(PERMISSIONS, True),
    rollback=True,
    file_mods=True,
    filesystem="direct",
    disk_free=5_000_000_000,
    auto_updater=True,
)

# A difference from a plugin that may be updated, and the one reason that results.
TABLE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"available": None}, {}, "no_update_available"),
    ({"version": "2.0", "available": "1.9.9"}, {}, "not_newer"),
    ({"version": "2.0", "available": "2.0"}, {}, "not_newer"),
    ({"kind": "dropin"}, {}, "not_updatable"),
    ({"kind": "mu_plugin"}, {}, "not_updatable"),
    ({"ident": "siteagent/siteagent.php"}, {}, "is_siteagent"),
    ({}, {"is_connected": False}, "not_connected"),
    ({}, {"is_quarantined": True}, "quarantined"),
    ({}, {"has_incident": True}, "open_incident"),
    ({}, {"report_at": None}, "no_report"),
    ({}, {"report_at": NOW - timedelta(hours=25)}, "stale_report"),
    ({}, {"permissions": {}}, "permission_unknown"),
    ({}, {"permissions": {"themes": True}}, "permission_unknown"),
    ({}, {"permissions": {"plugins": False}}, "permission_off"),
    ({}, {"pause": Pause(NOW, "Summer sale")}, "paused_by_owner"),
    ({}, {"pause": Pause(None, "")}, "paused_by_owner"),
    ({"releases": "none"}, {}, "excluded_by_owner"),
    ({"releases": "patch", "available": "5.4"}, {}, "not_a_patch_release"),
    ({"releases": "patch", "available": "5.3.1-beta"}, {}, "release_unclear"),
    ({"package": False}, {}, "no_package"),
    ({"package": None}, {}, "no_package"),
    ({"requires_php": "8.3"}, {}, "requires_php"),
    ({}, {"php": ""}, "requires_php_untold"),
    ({"requires_wp": "6.9"}, {}, "requires_wp"),
    ({}, {"wordpress": ""}, "requires_wp_untold"),
    ({}, {"file_mods": None}, "file_mods_untold"),
    ({}, {"file_mods": False}, "file_mods_off"),
    ({"version_controlled": True}, {}, "version_controlled"),
    ({"version_controlled": None}, {}, "version_control_untold"),
    ({"writable": False}, {}, "not_writable"),
    ({"writable": None}, {}, "writable_untold"),
    ({}, {"filesystem": ""}, "filesystem_untold"),
    ({}, {"filesystem": "ftpext"}, "filesystem"),
    ({}, {"disk_free": 199_999_999}, "disk_full"),
    ({}, {"rollback": None}, "rollback_untold"),
    ({}, {"rollback": False}, "no_rollback"),
    ({"auto_update": True}, {}, "auto_update"),
    ({"auto_update": True}, {"auto_updater": None}, "auto_update"),
    ({"auto_update": None}, {}, "auto_update_untold"),
    ({"auto_update": None}, {"auto_updater": None}, "auto_update_untold"),
]


def codes(target: Target, around: SiteFacts, hold: ActiveHold | None = None) -> list[str]:
    return [reason.code for reason in evaluate(target, around, hold, NOW).reasons]


SITEAGENT = replace(PLUGIN, kind="siteagent", ident="siteagent/siteagent.php", name="SiteAgent")


@pytest.mark.parametrize(
    "target",
    [
        PLUGIN,
        replace(PLUGIN, kind="theme", ident="coast"),
        replace(PLUGIN, releases="patch"),
        CORE,
        SITEAGENT,
    ],
)
def test_an_ordinary_plugin_is_eligible(target: Target) -> None:
    assert evaluate(target, AROUND, None, NOW).may


@pytest.mark.parametrize(("target", "around", "code"), TABLE)
def test_each_obstacle_has_its_reason(
    target: dict[str, Any], around: dict[str, Any], code: str
) -> None:
    assert codes(replace(PLUGIN, **target), replace(AROUND, **around)) == [code]


def test_all_reasons_are_returned_together() -> None:
    around = replace(AROUND, file_mods=False, is_quarantined=True, rollback=None)
    assert codes(replace(PLUGIN, package=False), around) == [
        "quarantined",
        "no_package",
        "file_mods_off",
        "rollback_untold",
    ]


def test_a_site_without_reported_permissions_allows_nothing() -> None:
    silent = SiteFacts(True, False, False, None)
    found = codes(PLUGIN, silent)
    assert {
        "permission_unknown",
        "file_mods_untold",
        "filesystem_untold",
        "rollback_untold",
    } <= set(found)


@pytest.mark.parametrize(
    ("until", "is_held"),
    [(None, True), (NOW + timedelta(seconds=1), True), (NOW, False), (NOW - timedelta(1), False)],
)
def test_a_hold_ends_on_its_date(until: Any, is_held: bool) -> None:
    assert codes(PLUGIN, AROUND, ActiveHold("breaks the shop", until)) == (
        ["held"] if is_held else []
    )


def test_a_reason_has_the_facts_for_its_sentence() -> None:
    (reason,) = evaluate(replace(PLUGIN, requires_php="8.4"), AROUND, None, NOW).reasons
    assert reason.facts == {"needed": "8.4", "present": "8.2.36"}


@pytest.mark.parametrize(
    ("version", "available", "permission"),
    [
        ("6.8.1", "6.8.2", "core_minor"),
        ("6.8", "6.8.1", "core_minor"),
        ("6.8.1", "6.9", "core_major"),
        ("6.9", "7.0", "core_major"),
        ("", "6.8", "core_major"),
    ],
)
def test_wordpress_releases_have_their_own_permissions(
    version: str, available: str, permission: str
) -> None:
    assert replace(CORE, version=version, available=available).permission == permission
    only = dict.fromkeys(PERMISSIONS, True) | {permission: False}
    target = replace(CORE, version=version, available=available)
    assert codes(target, replace(AROUND, permissions=only)) == ["permission_off"]


def test_wordpress_itself_needs_more_room() -> None:
    assert codes(CORE, replace(AROUND, disk_free=499_999_999)) == ["disk_full"]
    assert codes(PLUGIN, replace(AROUND, disk_free=499_999_999)) == []


def test_an_unknown_disk_size_is_no_reason() -> None:
    assert codes(PLUGIN, replace(AROUND, disk_free=None)) == []


def test_a_core_update_without_rollback_is_no_reason() -> None:
    assert codes(CORE, replace(AROUND, rollback=False)) == []


def test_an_automatic_update_without_an_updater_is_no_reason() -> None:
    assert codes(replace(PLUGIN, auto_update=True), replace(AROUND, auto_updater=False)) == []


def test_the_list_of_codes_matches_the_rules() -> None:
    codes_in_source = {
        node.args[0].value
        for node in ast.walk(ast.parse(inspect.getsource(eligibility)))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Reason"
        and isinstance(node.args[0], ast.Constant)
    }
    both = {"requires_php", "requires_wp", "requires_php_untold", "requires_wp_untold"}
    assert codes_in_source | both == set(CODES)
    assert {code for _, _, code in TABLE} | {"held"} == set(CODES)


@pytest.mark.parametrize(
    ("present", "available", "item"),
    [
        ("1.2.3", "1.2.4", "patch"),
        ("1.2", "1.2.1", "patch"),
        ("1.2.3", "1.3", "minor"),
        ("1.2.3", "2", "major"),
        ("9.9", "10.0", "major"),
        ("1.2.3.4", "1.2.3.5", "patch"),
        ("1.2", "1.2.0", "unclear"),
        ("1.3", "1.2", "unclear"),
        ("beta", "1.0", "unclear"),
        ("1.0", "next", "unclear"),
    ],
)
def test_an_update_has_a_release_type(present: str, available: str, item: str) -> None:
    assert release_type_between(present, available) == item


def test_an_unreadable_requirement_is_no_reason() -> None:
    assert not is_above("later", "8.2")


@pytest.mark.parametrize(
    ("required", "present", "above"),
    [
        ("8.1", "8.0.30", True),
        ("8.0", "8.0.30", False),
        ("8.3", "8.2.36-deb12", True),
        ("8.1.0", "8.1", False),
        ("7.4", "8.5.10", False),
        ("", "8.2", False),
        ("8.2", "", False),
        ("any", "8.2", False),
        ("9" * 400, "8.2", True),
    ],
)
def test_required_versions_are_compared_by_numbers(
    required: str, present: str, above: bool
) -> None:
    assert is_above(required, present) is above
