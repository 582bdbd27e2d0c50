"""Allow updates: only a user who may install an update may let the dashboard install it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.plugin.support.changing import (
    GALLERY,
    ApprovedChange,
    disk,
    grant,
    injected_faults,
    reached,
    reset,
    wake,
)
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

PASSWORD = "correct horse battery staple"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


@pytest.fixture
def manager(wp) -> Iterator[Person]:
    """Return an agency's client, who may change options but not install updates."""
    wp.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/user.php';"
        "add_role('manager', 'Manager', array('read' => true, 'manage_options' => true));"
        f"$id = wp_create_user('mia', '{PASSWORD}', 'mia@bakery.example');"
        "(new WP_User($id))->set_role('manager');"
    )
    yield Person(wp.url, "mia", PASSWORD)
    wp.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/user.php';"
        "wp_delete_user(get_user_by('login', 'mia')->ID); remove_role('manager');"
    )


def permissions(wp: Any) -> list[str]:
    return wp.evaluate("return array_keys(array_filter(siteagent()->permissions()->all()));")


def submit(person: Person, *, here: str = "", **fields: Any) -> str:
    page = person.page("&tab=permissions").text
    return words(person.submit(page, "siteagent_permissions", approval_on_site=here, **fields))


def test_a_user_who_may_not_install_updates_cannot_allow_them(wp, paired, manager) -> None:
    assert "disabled" in manager.page("&tab=permissions").text
    page = submit(manager, **{"permissions[]": "plugins"})
    assert "you are not allowed to install such updates" in page
    assert permissions(wp) == []


def test_a_user_who_may_not_install_updates_can_disallow_them(wp, paired, manager) -> None:
    grant(wp, "plugins", "themes")
    submit(manager, **{"permissions[]": "plugins"})
    assert permissions(wp) == ["plugins"]


def test_a_user_who_may_not_install_updates_cannot_turn_off_approval(wp, paired, manager) -> None:
    grant(wp, "plugins", here=True)
    page = submit(manager, **{"permissions[]": "plugins"})
    assert "you are not allowed to install such updates" in page
    assert wp.evaluate("return siteagent()->permissions()->requires_approval();") is True


def test_an_administrator_can_allow_updates(wp, paired) -> None:
    page = submit(Person(wp.url, wp.admin, wp.password), **{"permissions[]": "core_major"})
    assert "Permissions saved" in page
    assert permissions(wp) == ["core_major"]


WAITING = """
$store = new Siteagent_Option_Store($GLOBALS['wpdb'], false);
$store->change(function (array $data) {
    $data['connection']['plans'] = array('%s' => array('kind' => 'plugin', 'id' => 'a/a.php',
        'from' => '1', 'to' => '2', 'op_id' => 'x', 'by' => 'Ben', 'requested_at' => time(),
        'not_after' => time() + 600, 'state' => 'waiting'));
    return $data;
});
"""
DIGEST = "ab" * 32


def test_a_waiting_update_is_announced_in_wp_admin(wp, paired) -> None:
    wp.evaluate(WAITING % DIGEST)
    ana = Person(wp.url, wp.admin, wp.password)
    dashboard = ana.session.get(f"{wp.url}/wp-admin/index.php", timeout=60).text
    assert "1 update is waiting for your approval" in dashboard
    assert "awaiting-mod count-1" in dashboard
    assert "1 update is waiting for your approval" in words(ana.page().text)


def test_a_user_who_may_not_install_an_update_can_only_refuse_it(wp, paired, manager) -> None:
    wp.evaluate(WAITING % DIGEST)
    fields = {"plan": DIGEST, "verdict": "approved"}
    page = words(
        manager.submit(manager.page("&tab=permissions").text, "siteagent_decide", **fields)
    )
    assert "you are not allowed to install such updates" in page
    assert len(wp.evaluate("return siteagent()->pending_approvals()->waiting(time());")) == 1
    fields["verdict"] = "refused"
    manager.submit(manager.page("&tab=permissions").text, "siteagent_decide", **fields)
    assert wp.evaluate("return siteagent()->pending_approvals()->waiting(time());") == []


@pytest.mark.parametrize(
    "decision",
    ["permissions()->grant(array('themes'), false)", "pairing()->disconnect('user:1')"],
    ids=["withdrawn", "disconnected"],
)
@pytest.mark.parametrize("moment", ["download", "before"])
def test_withdrawing_a_permission_stops_an_update_that_begins(wp, paired, moment, decision) -> None:
    """The package is downloaded or even unpacked, but no file of the site is replaced."""
    reset(wp, "tide-gallery", "1.0.0", available="1.1.0")
    admin = "require_once ABSPATH . 'wp-admin/includes/admin.php';"
    # Use an inactive plugin because a site in maintenance mode accepts no form.
    wp.evaluate(f"{admin} deactivate_plugins('{GALLERY}', true);")
    grant(wp, "plugins", "themes")
    before = disk(wp, GALLERY)
    item = {"kind": "plugin", "id": GALLERY, "from": "1.0.0", "to": "1.1.0"}
    with injected_faults(wp, sleep={moment: 30}), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(ApprovedChange.of(wp, paired, item).send)
        reached(wp)
        wp.evaluate(f"siteagent()->{decision};")
        wake(wp)
        reply = sent.result()
    assert (reply["outcome"], reply["reason"]) == ("refused", "permission_off")
    assert disk(wp, GALLERY) == before
    wp.evaluate(f"{admin} activate_plugin('{GALLERY}', '', false, true);")
