"""Update SiteAgent itself: the site keeps answering whether or not the new version works.

The versions are built from the plugin's own folder under another number, working or broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.changing import (
    ApprovedChange,
    ask,
    disk,
    grant,
    injected_faults,
    reached,
    same_files,
)
from tests.plugin.support.dashboard import Paired, head_of
from tests.plugin.support.probe import LOADED_FILES, must_use
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.releases import DASHBOARD, trust_test_key
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.siteagent_release import (
    AGENT,
    HERE,
    NEXT,
    Broken,
    available,
    mixed,
    put_back,
)
from tests.support.selection import WORDPRESSES
from tests.wordpress.engine import docker
from tests.wordpress.site import WordPress

ITEM = {"kind": "siteagent", "id": AGENT, "from": HERE, "to": NEXT}

FATAL: Broken = {"hooks.php": ("register_activation_hook(", "undefined_function(")}
SILENT: Broken = {
    "includes/http/class-siteagent-rest-controller.php": (
        "private function authenticate( bool $is_slashed ) {",
        "private function authenticate( bool $is_slashed ) { echo 'Hello.'; exit;",
    )
}
WRONG_VERSION: Broken = {
    "siteagent.php": (f"SITEAGENT_VERSION = '{NEXT}'", "SITEAGENT_VERSION = '9'")
}
WITHOUT_KEYS: Broken = {
    "includes/connection/class-siteagent-connection-store.php": (
        "public function channel( string $keyid ): ?array {",
        "public function channel( string $keyid ): ?array { return null;",
    )
}
FAILING_PING: Broken = {
    "includes/operations/class-siteagent-operation-registry.php": (
        "case 'ping':",
        "case 'ping': throw new LogicException( 'broken' );",
    )
}


@pytest.fixture(scope="module")
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    connected = connect(wp, DASHBOARD)
    trust_test_key(wp)
    grant(wp, "siteagent")
    yield connected
    put_back(wp)
    forget(wp)


@pytest.fixture
def agent(wp, paired) -> Iterator[dict[str, Any]]:
    """Restore SiteAgent as it is in this repository and check that the test leaves nothing."""
    put_back(wp)
    before = disk(wp, AGENT, kind="siteagent")
    assert (before["version"], before["active"], before["left"]) == (HERE, True, [])
    yield before
    assert disk(wp, AGENT, kind="siteagent")["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


def update(wp, paired: Paired, **changed: Any) -> ApprovedChange:
    item = {**ITEM, "package_host": "aura.example"}
    return ApprovedChange.of(wp, paired, item, op="agent.update", **changed)


def answering_version(paired: Paired) -> str:
    """Return the version that answers the dashboard with the keys of this pairing."""
    return str(paired.ask("ping").document["plugin"])


def assert_back(wp, paired: Paired, before: dict[str, Any]) -> None:
    after = disk(wp, AGENT, kind="siteagent")
    assert same_files(before, after)
    assert (after["version"], after["active"]) == (HERE, True)
    assert answering_version(paired) == HERE


# ---- what works ----


def test_the_new_version_answers_under_the_same_keys(wp, paired, agent) -> None:
    kept = wp.evaluate(
        "global $wpdb; return array(siteagent()->permissions()->all(), "
        "siteagent()->site_identity()->uuid(),"
        ' (int) $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->prefix}siteagent_operation"));'
    )
    available(wp)
    checked = ask(paired, "change.check", item=ITEM)
    assert (checked["eligible"], checked["facts"]["permission"]) == (True, "siteagent")
    change = update(wp, paired)
    assert change.status()["state"] == "never"
    reply = change.send()
    assert (reply["outcome"], reply["reason"]) == ("succeeded", None), reply
    evidence = reply["evidence"]
    assert evidence["before"] == {"version": HERE, "active": True, "probe": "ok"}
    assert evidence["after"] == {"version": NEXT, "active": True, "probe": "ok"}
    assert (evidence["kept_copy"], evidence["watched_until"]) == (True, None)
    assert answering_version(paired) == NEXT
    status = change.status()
    assert (status["state"], status["outcome"]) == ("done", "succeeded")
    assert change.send()["evidence"] == evidence
    after = wp.evaluate(
        "global $wpdb; return array(siteagent()->permissions()->all(), "
        "siteagent()->site_identity()->uuid(),"
        ' (int) $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->prefix}siteagent_operation"));'
    )
    assert after == [kept[0], kept[1], kept[2] + 1]
    assert mixed(wp) is False


def test_the_new_version_keeps_the_log(wp, paired, agent) -> None:
    available(wp)
    first = head_of(paired.ask("ping"))
    assert update(wp, paired).send()["outcome"] == "succeeded"
    reply = paired.ask("ping", log=first)
    assert reply.document["knows"] is True
    assert head_of(reply)["n"] > first["n"]


# ---- a version that does not work ----


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (FATAL, "fatal_after"),
        (SILENT, "no_answer_after"),
        (WRONG_VERSION, "no_answer_after"),
        (WITHOUT_KEYS, "no_answer_after"),
        (FAILING_PING, "no_answer_after"),
    ],
    ids=["fatal", "silent", "wrong version", "no keys", "failing ping"],
)
def test_a_version_that_does_not_answer_is_rolled_back(wp, paired, agent, broken, reason) -> None:
    available(wp, broken=broken)
    change = update(wp, paired)
    reply = change.send()
    assert (reply["outcome"], reply["reason"]) == ("rolled_back", reason), reply
    assert reply["evidence"]["after"] == {"version": HERE, "active": True, "probe": "ok"}
    assert_back(wp, paired, agent)
    assert change.status()["outcome"] == "rolled_back"
    assert mixed(wp) is False


def test_without_loopback_the_dashboards_request_confirms_the_update(wp, paired, agent) -> None:
    available(wp)
    change = update(wp, paired)
    with injected_faults(wp, loopback="blocked"):
        reply = change.send()
        assert reply["outcome"] == "succeeded"
        assert reply["evidence"]["after"]["probe"] == "could_not_tell"
        assert reply["evidence"]["watched_until"] > 0
        status = change.status()
    assert (status["state"], status["outcome"]) == ("done", "succeeded")
    assert status["evidence"]["watched_until"] is None
    assert answering_version(paired) == NEXT


def test_without_loopback_a_visit_rolls_a_silent_version_back(wp, paired, agent) -> None:
    """The silent version breaks the connection; the restored version reports the result."""
    available(wp, broken=SILENT)
    change = update(wp, paired)
    with injected_faults(wp, loopback="blocked"):
        assert change.send()["evidence"]["watched_until"] > 0
        for request in (change.status, lambda: answering_version(paired)):
            with pytest.raises(CallError):
                request()
        docker(
            "exec",
            wp.container,
            "sh",
            "-c",
            "for file in /var/www/wordpress/wp-content/siteagent-probation/*/settled;"
            " do echo 1 > $file; done",
        )
        assert requests.get(wp.url, timeout=60).status_code == 200
        status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "no_answer_after")
    assert_back(wp, paired, agent)


@pytest.mark.parametrize("when", ["before", "half_way", "behind"])
def test_a_killed_update_is_rolled_back(wp, paired, agent, when) -> None:
    available(wp)
    change = update(wp, paired)
    with injected_faults(wp, sleep={when: 30}), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(change.send)
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        assert isinstance(sent.exception(30), CallError)
        assert requests.get(wp.url, timeout=60).status_code == 200
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "interrupted")
    assert_back(wp, paired, agent)


# ---- what is refused without changing a file ----


def test_a_package_with_another_version_changes_nothing(wp, paired, agent) -> None:
    available(wp, header="0.1.9")
    reply = update(wp, paired).send()
    assert (reply["outcome"], reply["reason"]) == ("refused", "package_mismatch")
    assert disk(wp, AGENT, kind="siteagent") == agent


@pytest.mark.parametrize("header", ["Data format:       2", "Text: none"])
def test_a_version_with_another_data_format_changes_nothing(wp, paired, agent, header) -> None:
    available(wp, broken={"siteagent.php": ("Data format:       1", header)})
    reply = update(wp, paired).send()
    assert (reply["outcome"], reply["reason"]) == ("refused", "rollback_impossible")
    assert disk(wp, AGENT, kind="siteagent") == agent


def test_updating_siteagent_needs_its_own_permission(wp, paired, agent) -> None:
    available(wp)
    grant(wp, "plugins", "themes", "translations", "core_minor", "core_major")
    try:
        assert ask(paired, "change.check", item=ITEM)["reasons"] == ["permission_off"]
        reply = update(wp, paired).send()
        assert (reply["outcome"], reply["reason"]) == ("refused", "permission_off")
    finally:
        grant(wp, "siteagent")
    assert disk(wp, AGENT, kind="siteagent") == agent


def test_change_run_refuses_to_update_siteagent(wp, paired, agent) -> None:
    available(wp)
    grant(wp, "siteagent", "plugins")
    try:
        for kind in ("plugin", "siteagent"):
            reply = ApprovedChange.of(wp, paired, {**ITEM, "kind": kind}).send()
            assert (reply["outcome"], reply["reason"]) == ("refused", "is_siteagent")
        check = ask(paired, "change.check", item={**ITEM, "kind": "plugin"})
        assert "is_siteagent" in check["reasons"]
    finally:
        grant(wp, "siteagent")
    assert disk(wp, AGENT, kind="siteagent") == agent


@pytest.mark.parametrize(
    "item",
    [
        {**ITEM, "kind": "plugin"},
        {"kind": "plugin", "id": "contact-desk/contact-desk.php", "from": "2.3.1", "to": "2.4.0"},
        {**ITEM, "id": "contact-desk/contact-desk.php", "from": "2.3.1", "to": "2.4.0"},
        {**ITEM, "id": "siteagent/hooks.php"},
    ],
)
def test_agent_update_refuses_other_components(wp, paired, agent, item) -> None:
    grant(wp, "siteagent", "plugins")
    try:
        with pytest.raises(CallError) as caught:
            ApprovedChange.of(wp, paired, item, op="agent.update").send()
        assert caught.value.evidence["code"] == "invalid_arguments"
        assert caught.value.evidence["argument"] == "item"
    finally:
        grant(wp, "siteagent")


def test_change_run_refuses_a_plan_for_agent_update(wp, paired, agent) -> None:
    available(wp)
    change = update(wp, paired)
    with pytest.raises(CallError) as caught:
        ask(paired, "change.run", **change.signed())
    assert caught.value.evidence["argument"] == "do"
    assert disk(wp, AGENT, kind="siteagent") == agent


# ---- data of a newer version ----


def test_data_of_a_newer_version_is_neither_used_nor_lost(wp, paired, agent) -> None:
    """An administrator uploads an older SiteAgent by hand."""
    change = (
        'global $wpdb; $all = maybe_unserialize($wpdb->get_var("SELECT option_value FROM'
        " $wpdb->options WHERE option_name = 'siteagent'\")); $all['format'] = %d;"
        "return $wpdb->update($wpdb->options, array('option_value' => serialize($all)),"
        " array('option_name' => 'siteagent'));"
    )
    wp.evaluate(change % 2)
    try:
        with pytest.raises(CallError):
            answering_version(paired)
        state = (
            "return array(siteagent()->connection_store()->state(), "
            "siteagent()->permissions()->all());"
        )
        assert wp.evaluate(state)[0] == "newer"
        assert True not in wp.evaluate(state)[1].values()
        with pytest.raises(Exception, match="newer version"):
            wp.evaluate("return siteagent()->site_identity()->uuid();")
    finally:
        wp.evaluate(change % 1)
    assert answering_version(paired) == HERE


# ---- a network of sites ----


@pytest.fixture(params=WORDPRESSES)
def network(request: pytest.FixtureRequest) -> Iterator[RealWordPress]:
    """Start a network of sites that share one connection."""
    site = WordPress.start(request.param, siteagent="installed", network="paths")
    try:
        main = RealWordPress(site)
        main.evaluate(f"activate_plugin('{AGENT}', '', true);")
        yield main
    finally:
        site.stop()


def test_an_update_keeps_siteagent_active_on_the_network(network) -> None:
    paired = connect(network, DASHBOARD)
    trust_test_key(network)
    grant(network, "siteagent")
    for version, broken, outcome in (
        (NEXT, WITHOUT_KEYS, "rolled_back"),
        (NEXT, None, "succeeded"),
    ):
        available(network, version, broken)
        reply = update(network, paired).send()
        assert reply["outcome"] == outcome, reply
        expected = HERE if broken else NEXT
        assert reply["evidence"]["after"] == {"version": expected, "active": True, "probe": "ok"}
        assert answering_version(paired) == expected
        assert network.evaluate(f"return is_plugin_active_for_network('{AGENT}');") is True
    assert disk(network, AGENT, kind="siteagent")["left"] == []


def test_a_background_check_loads_all_files_before_other_plugins_run(wp, paired) -> None:
    """Another plugin may delay the check until its sender gives up and updates SiteAgent."""
    with must_use(wp, LOADED_FILES):
        wp.evaluate(
            "delete_site_transient('update_plugins');"
            " delete_site_transient(Siteagent_Admin_Update_Check::RESULT_TRANSIENT);"
        )
        assert wp.evaluate("return Siteagent_Admin_Update_Check::request_check(['plugins'], 30);")
    with_plugins, at_the_end = wp.evaluate("return file_get_contents('/tmp/loaded');").split()
    assert int(with_plugins) == int(at_the_end) > 20
