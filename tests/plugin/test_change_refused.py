"""Every reason for which a site refuses an update, and that a refusal changes no file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app import keys
from app.http.site_client import CallError
from app.protocol import b64u
from tests.plugin.support.changing import (
    DESK,
    GALLERY,
    ApprovedChange,
    ask,
    disk,
    grant,
    injected_faults,
    item_of,
    publish,
    reset,
    update,
)
from tests.plugin.support.dashboard import Paired

ELSEWHERE = "https://elsewhere.example"
SITEAGENT = {"kind": "plugin", "id": "siteagent/siteagent.php", "from": "0.1.0", "to": "0.2.0"}

GRANTED = ("plugins",)


@pytest.fixture
def item(wp, paired) -> Iterator[dict[str, str]]:
    """Return an update that the site could install; a test must change no byte and no file time."""
    before = reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    yield {"kind": "plugin", "id": DESK, "from": "2.3.1", "to": "2.4.0"}
    assert disk(wp, DESK) == before


def refused(reason: str, change: ApprovedChange) -> dict[str, Any]:
    result = change.send()
    assert (result["outcome"], result["reason"]) == ("refused", reason), result
    return result


def assert_invalid(argument: str, change: ApprovedChange, **changed: Any) -> None:
    """Expect a signed error that names this argument, and no stored operation."""
    with pytest.raises(CallError) as caught:
        change.send(**changed)
    assert caught.value.evidence["code"] == "invalid_arguments"
    assert caught.value.evidence.get("argument") == argument
    assert change.status()["state"] == "never"


# ---- the plan ----


def test_a_plan_of_another_signer_or_connection_is_invalid(wp, paired, item) -> None:
    change = ApprovedChange.of(wp, paired, item)
    forged = replace(change, seed=keys.new_signing_key())
    assert_invalid("sig", forged)
    assert_invalid("sig", change, sig=b64u(bytes(64)))
    other = "8a52c9b1-1d0e-4f0e-8a4e-3a1f5a0c9d22"
    assert_invalid("site", ApprovedChange.of(wp, paired, item, site=other))
    assert_invalid("kid", ApprovedChange.of(wp, paired, item, kid="other.1"))
    assert_invalid("do", ApprovedChange.of(wp, paired, item, do="keys.rotate"))


@pytest.mark.parametrize(
    ("argument", "changed"),
    [
        ("item", {"item": {"kind": "plugin", "id": DESK, "from": "1", "to": "2"}}),
        ("pre", {"pre": {"wp": "6.1"}}),
        ("approval", {"approval": {"by": "Ben", "how": "nobody"}}),
        ("not_before", {"not_before": "now"}),
        ("home", {"home": None}),
    ],
)
def test_a_plan_with_a_missing_or_wrong_field_is_invalid(
    wp, paired, item, argument, changed
) -> None:
    change = ApprovedChange.of(wp, paired, item)
    assert_invalid(argument, replace(change, plan={**change.plan, **changed}))


@pytest.mark.parametrize(
    ("kind", "ident"),
    [
        ("plugin", "../../index.php"),
        ("plugin", "a/b/c.php"),
        ("plugin", ".hidden/x.php"),
        ("theme", "../plugins"),
        ("theme", "a/b"),
        ("translation", "plugin:../x:de_DE"),
        ("translation", "user:x:de_DE"),
        ("core", "wordpress"),
        ("file", "wp-config.php"),
    ],
)
def test_a_component_id_cannot_leave_its_folder(wp, paired, kind, ident) -> None:
    with pytest.raises(CallError) as caught:
        ask(paired, "change.check", item={"kind": kind, "id": ident, "from": "1", "to": "2"})
    assert caught.value.evidence["argument"] == "item"


def test_the_keys_of_the_connection_alone_change_nothing(wp, paired, item) -> None:
    """A thief with a full copy of the site can sign requests, but no plans."""
    change = ApprovedChange.of(wp, paired, item)
    assert_invalid("sig", replace(change, seed=bytes(32)))


def test_an_op_id_belongs_to_one_plan(wp, paired, item) -> None:
    change = ApprovedChange.of(wp, paired, item, home=ELSEWHERE)
    refused("wrong_site", change)
    other = ApprovedChange.of(wp, paired, item, op_id=change.op_id)
    with pytest.raises(CallError) as caught:
        other.send()
    assert caught.value.evidence["argument"] == "op_id"
    assert change.status()["reason"] == "wrong_site"


def test_a_plan_for_another_address_is_refused(wp, paired, item) -> None:
    refused("wrong_site", ApprovedChange.of(wp, paired, item, home=ELSEWHERE))


def test_a_plan_that_has_expired_or_is_not_due_is_refused(wp, paired, item) -> None:
    now = int(time.time())
    refused(
        "outside_window",
        ApprovedChange.of(wp, paired, item, not_before=now - 99, not_after=now - 1),
    )
    refused(
        "outside_window",
        ApprovedChange.of(wp, paired, item, not_before=now + 60, not_after=now + 99),
    )


def test_a_plan_refused_for_its_time_may_be_sent_again(wp, paired, item) -> None:
    """The clock of the site or of Aura may have been wrong, so the site stores no result."""
    unavailable = {**item, "to": "2.4.1"}
    change = ApprovedChange.of(wp, paired, unavailable, not_before=int(time.time()) + 4)
    refused("outside_window", change)
    assert change.status()["state"] == "never"
    time.sleep(max(0.0, change.plan["not_before"] + 0.2 - time.time()))
    refused("other_version_available", change)
    assert change.status()["reason"] == "other_version_available"


# ---- permissions ----


def test_a_signed_plan_without_permission_is_refused(wp, paired, item) -> None:
    grant(wp, "translations", "themes", "core_minor", "core_major")
    try:
        refused("permission_off", ApprovedChange.of(wp, paired, item))
        assert ask(paired, "change.check", item=item)["reasons"] == ["permission_off"]
    finally:
        grant(wp, "plugins")


@pytest.mark.parametrize(
    ("versions", "permission"),
    [(("6.8.1", "6.8.2"), "core_minor"), (("6.8", "6.9"), "core_major")],
)
def test_minor_and_major_releases_need_separate_permissions(
    wp, paired, versions, permission
) -> None:
    item = {
        "kind": "core",
        "id": "core",
        "from": versions[0],
        "to": versions[1],
    }
    checked = ask(paired, "change.check", item=item)
    assert checked["facts"]["permission"] == permission
    assert "permission_off" in checked["reasons"]
    assert checked["facts"]["rollback"] is False
    refused("permission_off", ApprovedChange.of(wp, paired, item))


def test_no_operation_changes_the_permissions(wp, paired) -> None:
    """Call every operation of a dashboard with arguments that name permissions."""
    grant(wp)
    before = wp.evaluate("return siteagent()->permissions()->all();")
    assert set(before.values()) == {False}
    operations = wp.evaluate("return Siteagent_Operation_Registry::ALL;")
    for name in sorted(set(operations) - {"revoke"}):
        for arguments in (
            {"permissions": {"plugins": True}},
            {"permissions": {"granted": ["plugins"], "approval_on_site": False}},
            dict.fromkeys(operations[name]["schema"] or ["permissions"], "plugins"),
        ):
            with pytest.raises(CallError) as caught:
                ask(paired, name, **arguments)
            assert caught.value.evidence["code"] in ("invalid_arguments", "not_permitted"), name
    ask(paired, "report", have=None)
    assert wp.evaluate("return siteagent()->permissions()->all();") == before
    grant(wp, "plugins")


def test_siteagent_does_not_change_itself(wp, paired) -> None:
    refused("is_siteagent", ApprovedChange.of(wp, paired, SITEAGENT))
    assert "is_siteagent" in ask(paired, "change.check", item=SITEAGENT)["reasons"]
    other_file = {**SITEAGENT, "id": "siteagent/uninstall.php"}
    refused("is_siteagent", ApprovedChange.of(wp, paired, other_file))


# ---- the file system ----


def test_file_modifications_switched_off_are_respected(wp, paired, item) -> None:
    with injected_faults(wp, file_mods_off=True):
        refused("file_mods_off", ApprovedChange.of(wp, paired, item))
        checked = ask(paired, "change.check", item=item)
        assert "file_mods_off" in checked["reasons"]
        assert checked["facts"]["rollback"] is False


@pytest.mark.parametrize("where", ["WP_PLUGIN_DIR . '/contact-desk/.git'", "ABSPATH . '.svn'"])
def test_a_folder_under_version_control_is_refused(wp, paired, item, where) -> None:
    wp.evaluate(f"mkdir({where});")
    try:
        refused("version_controlled", ApprovedChange.of(wp, paired, item))
        assert reported_plugin(paired, "contact-desk")["vcs"] is True
    finally:
        wp.evaluate(f"rmdir({where});")


def reported_plugin(paired: Paired, slug: str) -> dict[str, Any]:
    report = paired.ask("report", have=None).document["report"]
    return next(plugin for plugin in report["plugins"] if plugin["id"].startswith(slug + "/"))


@pytest.mark.parametrize("method", ["ftpext", "ssh2"])
def test_a_site_that_writes_files_over_ftp_or_ssh_is_refused(wp, paired, item, method) -> None:
    with injected_faults(wp, filesystem=method):
        refused("filesystem", ApprovedChange.of(wp, paired, item))


def test_a_read_only_file_or_folder_is_refused(wp, paired, item) -> None:
    folder, file = "WP_PLUGIN_DIR . '/contact-desk'", "WP_PLUGIN_DIR . '/contact-desk/x.txt'"
    wp.evaluate(f"file_put_contents({file}, ''); chmod({file}, 0444);")
    refused("filesystem", ApprovedChange.of(wp, paired, item))
    wp.evaluate(f"chmod({file}, 0644); unlink({file}); chmod({folder}, 0555);")
    refused("filesystem", ApprovedChange.of(wp, paired, item))
    assert reported_plugin(paired, "contact-desk")["writable"] is False
    wp.evaluate(f"chmod({folder}, 0755);")


def test_a_link_is_not_replaced_by_a_folder(wp, paired, item) -> None:
    folder, moved = "WP_PLUGIN_DIR . '/contact-desk'", "WP_CONTENT_DIR . '/elsewhere'"
    wp.evaluate(f"rename({folder}, {moved}); symlink({moved}, {folder});")
    try:
        refused("filesystem", ApprovedChange.of(wp, paired, item))
    finally:
        wp.evaluate(f"unlink({folder}); rename({moved}, {folder});")


# ---- the component and its available update ----


def test_another_wordpress_or_php_version_than_approved_is_refused(wp, paired, item) -> None:
    pre = ApprovedChange.of(wp, paired, item).plan["pre"]
    refused("environment_changed", ApprovedChange.of(wp, paired, item, pre={**pre, "wp": "6.0"}))
    refused("environment_changed", ApprovedChange.of(wp, paired, item, pre={**pre, "php": "7.0.0"}))


def test_a_missing_plugin_or_another_version_is_refused(wp, paired, item) -> None:
    refused("not_installed", ApprovedChange.of(wp, paired, {**item, "id": "nothing/nothing.php"}))
    refused("version_changed", ApprovedChange.of(wp, paired, {**item, "from": "2.3.0"}))
    refused("version_changed", ApprovedChange.of(wp, paired, {**item, "from": "2.3"}))


@pytest.mark.parametrize("to", ["2.3.1", "2.3.0", "2.3.1-beta1"])
def test_an_older_or_equal_version_is_no_update(wp, paired, item, to) -> None:
    """The site compares the two versions itself and does not trust the update list (W20)."""
    update(wp, "contact-desk", to)
    wp.evaluate(
        "$list = (object) array('last_checked' => time(), 'response' => array("
        f"'{DESK}' => (object) array('slug' => 'contact-desk', 'plugin' => '{DESK}',"
        f" 'new_version' => '{to}', 'package' => 'https://downloads.wordpress.org/x.zip')));"
        "set_site_transient('update_plugins', $list);"
    )
    assert ask(paired, "change.check", item={**item, "to": to})["reasons"] == ["not_newer"]
    refused("not_newer", ApprovedChange.of(wp, paired, {**item, "to": to}))


def test_a_single_file_plugin_is_refused(wp, paired) -> None:
    wp.evaluate(
        "file_put_contents(WP_PLUGIN_DIR . '/lone.php',"
        ' "<?php\\n// Plugin Name: Lone\\n// Version: 1.0\\n");'
    )
    try:
        lone = {"kind": "plugin", "id": "lone.php", "from": "1.0", "to": "1.1"}
        refused("single_file", ApprovedChange.of(wp, paired, lone))
        assert ask(paired, "change.check", item=lone)["facts"]["rollback"] is False
    finally:
        wp.evaluate("unlink(WP_PLUGIN_DIR . '/lone.php');")


def test_a_plugin_without_an_available_update_is_refused(wp, paired) -> None:
    hours = item_of(wp, "opening-hours/opening-hours.php", "3.3.0")
    refused("no_update_available", ApprovedChange.of(wp, paired, hours))


def test_a_newer_available_version_than_approved_is_refused(wp, paired, item) -> None:
    """WordPress still lists the old version, so the site asks WordPress.org again."""
    assert ask(paired, "change.check", item=item)["eligible"] is True
    update(wp, "contact-desk", "2.5.0")
    refused("other_version_available", ApprovedChange.of(wp, paired, item))
    assert ask(paired, "change.check", item=item)["facts"]["available"] == "2.5.0"


def test_a_premium_update_without_a_license_has_no_package(wp, paired) -> None:
    booking = item_of(wp, "table-booking-pro/table-booking-pro.php", "4.2.0")
    assert ask(paired, "change.check", item=booking)["reasons"] == ["no_package"]
    refused("no_package", ApprovedChange.of(wp, paired, booking))


def test_a_package_from_another_host_than_approved(wp, paired, item) -> None:
    refused("package_host", ApprovedChange.of(wp, paired, {**item, "package_host": "cdn.example"}))


def test_an_update_for_another_php_or_wordpress(wp, paired, item) -> None:
    update(wp, "contact-desk", "2.4.0", requires_php="99.0")
    refused("requires_php", ApprovedChange.of(wp, paired, item))
    update(wp, "contact-desk", "2.4.0", requires="99.0")
    refused("requires_wp", ApprovedChange.of(wp, paired, item))
    assert ask(paired, "change.check", item=item)["reasons"] == ["requires_wp"]


# ---- the package ----


def test_a_package_of_other_bytes_than_approved(wp, paired, item) -> None:
    change = ApprovedChange.of(wp, paired, {**item, "package_sha256": "0" * 64})
    assert len(refused("package_changed", change)["evidence"]["package_sha256"]) == 64


def test_a_package_whose_header_says_another_version(wp, paired, item) -> None:
    update(wp, "contact-desk", "2.5.3")
    result = refused("package_mismatch", ApprovedChange.of(wp, paired, {**item, "to": "2.5.3"}))
    assert any("9.9.9" in message for message in result["evidence"]["messages"])


def test_a_package_that_would_replace_another_plugin(wp, paired, item) -> None:
    """WordPress installs into the folder that a package names."""
    gallery = disk(wp, GALLERY)
    update(wp, "contact-desk", "2.6.1")
    header = "<?php\n/*\n * Plugin Name: Contact Desk\n * Version: 2.6.1\n */\n"
    publish(wp, "plugin/contact-desk.2.6.1.zip", {"tide-gallery/contact-desk.php": header})
    refused("package_mismatch", ApprovedChange.of(wp, paired, {**item, "to": "2.6.1"}))
    assert disk(wp, GALLERY) == gallery


def test_a_package_whose_own_header_asks_for_another_php(wp, paired, item) -> None:
    """The available update does not mention the requirement."""
    update(wp, "contact-desk", "2.6.2")
    header = (
        "<?php\n/*\n * Plugin Name: Contact Desk\n * Version: 2.6.2\n * Requires PHP: 99\n */\n"
    )
    publish(wp, "plugin/contact-desk.2.6.2.zip", {"contact-desk/contact-desk.php": header})
    refused("requires_php", ApprovedChange.of(wp, paired, {**item, "to": "2.6.2"}))


def test_a_package_that_is_not_there_cannot_be_fetched(wp, paired, item) -> None:
    update(wp, "contact-desk", "2.6.3")
    result = ApprovedChange.of(wp, paired, {**item, "to": "2.6.3"}).send()
    assert (result["outcome"], result["reason"]) == ("failed", "download_failed")


def test_a_package_that_holds_nothing(wp, paired, item) -> None:
    update(wp, "contact-desk", "2.6.4")
    publish(wp, "plugin/contact-desk.2.6.4.zip", {})
    refused("package_not_one_folder", ApprovedChange.of(wp, paired, {**item, "to": "2.6.4"}))


# ---- stored results ----


def test_a_refusal_stays_the_result_of_its_op_id(wp, paired, item) -> None:
    change = ApprovedChange.of(wp, paired, item, home=ELSEWHERE)
    first = refused("wrong_site", change)
    assert refused("wrong_site", change)["evidence"] == first["evidence"]
    status = change.status()
    assert (status["state"], status["reason"]) == ("done", "wrong_site")
    entries = wp.evaluate("return siteagent()->audit_log_reader()->recent(12, 0);")
    answered = [entry for entry in entries if entry["event"] == "update_answered"]
    assert json.dumps(answered).count("wrong_site") == 1
