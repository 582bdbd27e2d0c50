"""SiteAgent updates itself by an operation of its own, and stays answered whatever comes of it.

The versions are made here from the plugin's own folder: the same plugin under another number,
good or spoilt.
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
    Spoilt,
    available,
    mixed,
    put_back,
)
from tests.support.selection import WORDPRESSES
from tests.wordpress.engine import docker
from tests.wordpress.site import WordPress

ITEM = {"kind": "siteagent", "id": AGENT, "from": HERE, "to": NEXT}

FATAL: Spoilt = {"hooks.php": ("register_activation_hook(", "nobody_wrote_this(")}
DEAF: Spoilt = {
    "includes/http/class-siteagent-rest-controller.php": (
        "private function authenticate( bool $is_slashed ) {",
        "private function authenticate( bool $is_slashed ) { echo 'Hello.'; exit;",
    )
}
NAMELESS: Spoilt = {"siteagent.php": (f"SITEAGENT_VERSION = '{NEXT}'", "SITEAGENT_VERSION = '9'")}
KEYLESS: Spoilt = {
    "includes/connection/class-siteagent-connection-store.php": (
        "public function channel( string $keyid ): ?array {",
        "public function channel( string $keyid ): ?array { return null;",
    )
}
BROKEN_ANSWER: Spoilt = {
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
    """SiteAgent as it is in this repository, whatever a test made of it."""
    put_back(wp)
    before = disk(wp, AGENT, kind="siteagent")
    assert (before["version"], before["active"], before["left"]) == (HERE, True, [])
    yield before
    assert disk(wp, AGENT, kind="siteagent")["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


def update(wp, paired: Paired, **changed: Any) -> ApprovedChange:
    item = {**ITEM, "package_host": "aura.example"}
    return ApprovedChange.of(wp, paired, item, op="agent.update", **changed)


def answering(paired: Paired) -> str:
    """The version that answers the dashboard under the keys of this pairing."""
    return str(paired.ask("ping").document["plugin"])


def assert_back(wp, paired: Paired, before: dict[str, Any]) -> None:
    after = disk(wp, AGENT, kind="siteagent")
    assert same_files(before, after)
    assert (after["version"], after["active"]) == (HERE, True)
    assert answering(paired) == HERE


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
    told = change.send()
    assert (told["outcome"], told["reason"]) == ("succeeded", None), told
    evidence = told["evidence"]
    assert evidence["before"] == {"version": HERE, "active": True, "probe": "ok"}
    assert evidence["after"] == {"version": NEXT, "active": True, "probe": "ok"}
    assert (evidence["kept_copy"], evidence["watched_until"]) == (True, None)
    assert answering(paired) == NEXT
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


def test_what_the_site_logged_before_is_in_the_new_version_s_log(wp, paired, agent) -> None:
    available(wp)
    first = head_of(paired.ask("ping"))
    assert update(wp, paired).send()["outcome"] == "succeeded"
    there = paired.ask("ping", log=first)
    assert there.document["knows"] is True
    assert head_of(there)["n"] > first["n"]


# ---- a version that is no good ----


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (FATAL, "fatal_after"),
        (DEAF, "no_answer_after"),
        (NAMELESS, "no_answer_after"),
        (KEYLESS, "no_answer_after"),
        (BROKEN_ANSWER, "no_answer_after"),
    ],
    ids=["fatal", "deaf", "nameless", "keyless", "broken answer"],
)
def test_a_version_that_does_not_answer_is_taken_back(wp, paired, agent, spoilt, reason) -> None:
    available(wp, spoilt=spoilt)
    change = update(wp, paired)
    told = change.send()
    assert (told["outcome"], told["reason"]) == ("rolled_back", reason), told
    assert told["evidence"]["after"] == {"version": HERE, "active": True, "probe": "ok"}
    assert_back(wp, paired, agent)
    assert change.status()["outcome"] == "rolled_back"
    assert mixed(wp) is False


def test_where_the_site_cannot_ask_itself_the_dashboard_s_question_is_the_word_of_it(
    wp, paired, agent
) -> None:
    available(wp)
    change = update(wp, paired)
    with injected_faults(wp, loopback="blocked"):
        told = change.send()
        assert told["outcome"] == "succeeded"
        assert told["evidence"]["after"]["probe"] == "could_not_tell"
        assert told["evidence"]["watched_until"] > 0
        status = change.status()
    assert (status["state"], status["outcome"]) == ("done", "succeeded")
    assert status["evidence"]["watched_until"] is None
    assert answering(paired) == NEXT


def test_a_silent_version_goes_back_by_itself_where_nobody_could_ask(wp, paired, agent) -> None:
    """The connection dies with it; the truth is told by the version that comes back."""
    available(wp, spoilt=DEAF)
    change = update(wp, paired)
    with injected_faults(wp, loopback="blocked"):
        assert change.send()["evidence"]["watched_until"] > 0
        for ask_again in (change.status, lambda: answering(paired)):
            with pytest.raises(CallError):
                ask_again()
        docker(
            "exec",
            wp.container,
            "sh",
            "-c",
            "for one in /var/www/wordpress/wp-content/siteagent-probation/*/settled;"
            " do echo 1 > $one; done",
        )
        assert requests.get(wp.url, timeout=60).status_code == 200
        status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "no_answer_after")
    assert_back(wp, paired, agent)


@pytest.mark.parametrize("when", ["before", "half_way", "behind"])
def test_an_update_that_is_killed_is_taken_back(wp, paired, agent, when) -> None:
    available(wp)
    change = update(wp, paired)
    with injected_faults(wp, sleep={when: 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        assert isinstance(running.exception(30), CallError)
        assert requests.get(wp.url, timeout=60).status_code == 200
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "interrupted")
    assert_back(wp, paired, agent)


# ---- what is refused, with nothing touched ----


def test_a_package_that_lies_touches_nothing(wp, paired, agent) -> None:
    available(wp, header="0.1.9")
    told = update(wp, paired).send()
    assert (told["outcome"], told["reason"]) == ("refused", "package_mismatch")
    assert disk(wp, AGENT, kind="siteagent") == agent


@pytest.mark.parametrize("said", ["Data format:       2", "Text: none"])
def test_a_version_whose_data_this_one_could_not_read_touches_nothing(
    wp, paired, agent, said
) -> None:
    available(wp, spoilt={"siteagent.php": ("Data format:       1", said)})
    told = update(wp, paired).send()
    assert (told["outcome"], told["reason"]) == ("refused", "rollback_impossible")
    assert disk(wp, AGENT, kind="siteagent") == agent


def test_it_is_a_permission_of_its_own(wp, paired, agent) -> None:
    available(wp)
    grant(wp, "plugins", "themes", "translations", "core_minor", "core_major")
    try:
        assert ask(paired, "change.check", item=ITEM)["reasons"] == ["permission_off"]
        told = update(wp, paired).send()
        assert (told["outcome"], told["reason"]) == ("refused", "permission_off")
    finally:
        grant(wp, "siteagent")
    assert disk(wp, AGENT, kind="siteagent") == agent


def test_the_general_operation_goes_on_refusing_it(wp, paired, agent) -> None:
    available(wp)
    grant(wp, "siteagent", "plugins")
    try:
        for kind in ("plugin", "siteagent"):
            told = ApprovedChange.of(wp, paired, {**ITEM, "kind": kind}).send()
            assert (told["outcome"], told["reason"]) == ("refused", "is_siteagent")
        asked = ask(paired, "change.check", item={**ITEM, "kind": "plugin"})
        assert "is_siteagent" in asked["reasons"]
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
def test_nothing_else_is_updated_in_its_name(wp, paired, agent, item) -> None:
    grant(wp, "siteagent", "plugins")
    try:
        with pytest.raises(CallError) as caught:
            ApprovedChange.of(wp, paired, item, op="agent.update").send()
        assert caught.value.evidence["code"] == "invalid_arguments"
        assert caught.value.evidence["argument"] == "item"
    finally:
        grant(wp, "siteagent")


def test_an_order_of_one_operation_is_none_for_the_other(wp, paired, agent) -> None:
    available(wp)
    change = update(wp, paired)
    with pytest.raises(CallError) as caught:
        ask(paired, "change.run", **change.signed())
    assert caught.value.evidence["argument"] == "do"
    assert disk(wp, AGENT, kind="siteagent") == agent


# ---- an older version than the one that stored ----


def test_what_a_newer_version_stored_is_neither_used_nor_lost(wp, paired, agent) -> None:
    """Somebody uploads an older SiteAgent by hand."""
    change = (
        'global $wpdb; $all = maybe_unserialize($wpdb->get_var("SELECT option_value FROM'
        " $wpdb->options WHERE option_name = 'siteagent'\")); $all['format'] = %d;"
        "return $wpdb->update($wpdb->options, array('option_value' => serialize($all)),"
        " array('option_name' => 'siteagent'));"
    )
    wp.evaluate(change % 2)
    try:
        with pytest.raises(CallError):
            answering(paired)
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
    assert answering(paired) == HERE


# ---- a network of sites ----


@pytest.fixture(params=WORDPRESSES)
def network(request: pytest.FixtureRequest) -> Iterator[RealWordPress]:
    """Sites that share one connection."""
    site = WordPress.start(request.param, siteagent="installed", network="paths")
    try:
        main = RealWordPress(site)
        main.evaluate(f"activate_plugin('{AGENT}', '', true);")
        yield main
    finally:
        site.stop()


def test_active_on_a_whole_network_it_stays_so_whatever_comes_of_it(network) -> None:
    paired = connect(network, DASHBOARD)
    trust_test_key(network)
    grant(network, "siteagent")
    for version, spoilt, outcome in ((NEXT, KEYLESS, "rolled_back"), (NEXT, None, "succeeded")):
        available(network, version, spoilt)
        told = update(network, paired).send()
        assert told["outcome"] == outcome, told
        expected = HERE if spoilt else NEXT
        assert told["evidence"]["after"] == {"version": expected, "active": True, "probe": "ok"}
        assert answering(paired) == expected
        assert network.evaluate(f"return is_plugin_active_for_network('{AGENT}');") is True
    assert disk(network, AGENT, kind="siteagent")["left"] == []


def test_a_check_that_outlives_its_sender_has_loaded_all_before_others_act(wp, paired) -> None:
    """Another plugin may wait for its server until the sender gives up and updates SiteAgent."""
    with must_use(wp, LOADED_FILES):
        wp.evaluate(
            "delete_site_transient('update_plugins');"
            " delete_site_transient(Siteagent_Admin_Update_Check::RESULT_TRANSIENT);"
        )
        assert wp.evaluate("return Siteagent_Admin_Update_Check::request_check(['plugins'], 30);")
    with_plugins, at_the_end = wp.evaluate("return file_get_contents('/tmp/loaded');").split()
    assert int(with_plugins) == int(at_the_end) > 20
