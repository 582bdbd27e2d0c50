"""Permissions and approvals that a site's owner gives in wp-admin, and only there."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.plugin.support.changing import (
    DESK,
    GALLERY,
    ApprovedChange,
    disk,
    grant,
    reset,
    update,
    version,
)
from tests.plugin.support.dashboard import Paired, new_token, pair
from tests.plugin.support.forms import agree, nonce_of, user_with_role
from tests.plugin.support.rotation_plan import Plan
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

OFF = dict.fromkeys(
    ["translations", "plugins", "themes", "core_minor", "core_major", "database", "siteagent"],
    False,
)
ITEM = {"kind": "plugin", "id": GALLERY, "from": "1.0.0", "to": "1.1.0"}


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    reset(wp, "tide-gallery", "1.0.0")
    yield connect(wp)
    forget(wp)


@pytest.fixture
def ana(wp) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def save(ana: Person, *permissions: str, approval_on_site: bool = False) -> str:
    """Submit the permissions form and return the text of the next page."""
    fields = {f"permissions[{index}]": permission for index, permission in enumerate(permissions)}
    fields |= {"approval_on_site": "1"} if approval_on_site else {}
    return words(ana.submit(ana.page("&tab=permissions").text, "siteagent_permissions", **fields))


def permissions(wp) -> dict[str, bool]:
    return wp.evaluate("return siteagent()->permissions()->all();")


def audit_entries(wp, event: str) -> list[dict]:
    entries = wp.evaluate("return siteagent()->audit_log_reader()->recent(40, 0);")
    return [entry for entry in entries if entry["event"] == event]


def refused(change: ApprovedChange) -> str:
    result = change.send()
    assert result["outcome"] == "refused"
    return result["reason"]


# ---- permissions ----


def test_at_first_nothing_is_allowed_and_the_screen_says_so(wp, ana, paired) -> None:
    assert permissions(wp) == OFF
    assert "It can change nothing unless you allow it." in words(ana.page().text)
    assert "checked" not in ana.page("&tab=permissions").text.split("siteagent-permissions")[1]
    assert refused(ApprovedChange.of(wp, paired, ITEM)) == "permission_off"


def test_saved_permissions_are_reported_and_logged(wp, ana, paired) -> None:
    assert "Permissions saved" in save(ana, "plugins", "translations")
    assert permissions(wp) == {**OFF, "plugins": True, "translations": True}
    assert "Can update: Translations, Plugins." in words(ana.page().text)
    report = paired.ask("report", have=None).document["report"]["agent"]
    assert report["permissions"] == {**OFF, "plugins": True, "translations": True}
    assert report["approval_on_site"] is False
    assert report["rollback"] is True
    entry = audit_entries(wp, "permissions_changed")[0]
    assert entry["actor"] == "user:1"
    assert entry["facts"] == {
        "before": {"granted": "", "approval_on_site": False},
        "after": {"granted": "translations, plugins", "approval_on_site": False},
    }
    assert ApprovedChange.of(wp, paired, ITEM).send()["outcome"] == "succeeded"


def test_a_revoked_permission_is_refused_from_the_next_request(wp, ana, paired) -> None:
    save(ana, "plugins")
    save(ana)
    assert permissions(wp) == OFF
    assert refused(ApprovedChange.of(wp, paired, ITEM)) == "permission_off"
    assert "No changes to save" in save(ana)


def test_an_unknown_permission_is_ignored(wp, ana, paired) -> None:
    save(ana, "everything", "core")
    assert permissions(wp) == OFF


@pytest.mark.parametrize("role", ["subscriber", "author", "editor"])
def test_only_an_administrator_grants_permissions(wp, paired, role) -> None:
    person = user_with_role(wp, role)
    for action in ("siteagent_permissions", "siteagent_decide"):
        nonce = nonce_of(wp, person, action)
        response = person.send(action, _wpnonce=nonce, **{"permissions[0]": "plugins"})
        assert response.status_code == 403
    assert permissions(wp) == OFF


def test_a_form_with_a_wrong_nonce_grants_nothing(wp, ana, paired) -> None:
    for nonce in ("", "0123456789", nonce_of(wp, ana, "siteagent_decide")):
        answer = ana.send("siteagent_permissions", _wpnonce=nonce, **{"permissions[0]": "plugins"})
        assert answer.status_code == 403
    assert Person(wp.url).send("siteagent_permissions").status_code in (302, 400)
    assert permissions(wp) == OFF


def test_new_keys_keep_the_permissions_and_a_new_pairing_resets_them(wp, ana, paired) -> None:
    save(ana, "plugins", approval_on_site=True)
    plan = Plan.of(wp, paired)
    rotated = plan.next(plan.send())
    rotated.ask("ping")
    assert permissions(wp)["plugins"] is True
    assert wp.evaluate("return siteagent()->permissions()->requires_approval();") is True
    token = new_token(wp.url)
    agree(ana, token.text(), replace="1")
    assert permissions(wp) == OFF
    pair(token)
    assert permissions(wp) == OFF
    assert wp.evaluate("return siteagent()->permissions()->requires_approval();") is False


def test_without_a_dashboard_no_permission_is_granted(wp, ana) -> None:
    forget(wp)
    assert "At first it can update nothing." in words(ana.page("&tab=permissions").text)
    answer = ana.send("siteagent_permissions", _wpnonce=nonce_of(wp, ana, "siteagent_permissions"))
    assert answer.status_code == 303
    assert permissions(wp) == OFF


# ---- approval on the site ----


def test_a_change_waits_for_approval_on_the_site(wp, ana, paired) -> None:
    save(ana, "plugins", approval_on_site=True)
    assert "No updates are waiting for your approval." in words(ana.page("&tab=permissions").text)
    before = disk(wp, GALLERY)
    change = ApprovedChange.of(wp, paired, ITEM)
    for _ in range(2):
        result = change.send()
        assert (result["outcome"], result["reason"]) == ("waiting", "approval_on_site")
        assert change.status()["state"] == "waiting"
    assert disk(wp, GALLERY) == before
    page = ana.page("&tab=permissions").text
    assert "Plugin tide-gallery from 1.0.0 to 1.1.0" in words(page)
    assert "Approved in the dashboard by" in words(page)
    assert "Ben" in words(page)
    after = words(ana.submit(page, "siteagent_decide", verdict="approved"))
    assert "Update approved. It is installed within minutes" in after
    assert disk(wp, GALLERY) == before
    assert change.send()["outcome"] == "succeeded"
    entry = audit_entries(wp, "update_approved")[0]
    assert entry["actor"] == "user:1"
    assert (entry["facts"]["id"], entry["facts"]["to"]) == (GALLERY, "1.1.0")


def test_a_change_refused_on_the_site_is_not_installed(wp, ana, paired) -> None:
    save(ana, "plugins", approval_on_site=True)
    change = ApprovedChange.of(wp, paired, ITEM)
    change.send()
    page = ana.page("&tab=permissions").text
    assert "Update refused." in words(ana.submit(page, "siteagent_decide", verdict="refused"))
    assert refused(change) == "approval_on_site"
    assert change.status()["state"] == "done"
    assert version(wp, GALLERY) == "1.0.0"
    # A decision is final, so submitting the same form again changes nothing.
    assert "This update is no longer pending." in words(
        ana.submit(page, "siteagent_decide", verdict="approved")
    )
    assert refused(change) == "approval_on_site"


def test_an_approval_on_the_site_is_for_one_plan(wp, ana, paired) -> None:
    save(ana, "plugins", approval_on_site=True)
    change = ApprovedChange.of(wp, paired, ITEM)
    change.send()
    ana.submit(ana.page("&tab=permissions").text, "siteagent_decide", verdict="approved")
    altered = ApprovedChange(
        paired, {**change.plan, "not_after": change.plan["not_after"] + 1}, change.seed
    )
    assert altered.send()["outcome"] == "waiting"
    assert ApprovedChange.of(wp, paired, ITEM).send()["outcome"] == "waiting"
    assert version(wp, GALLERY) == "1.0.0"


def test_an_approval_ends_with_its_window_and_its_permission(wp, ana, paired) -> None:
    save(ana, "plugins", approval_on_site=True)
    change = ApprovedChange.of(wp, paired, ITEM, not_after=int(time.time()) + 4)
    change.send()
    ana.submit(ana.page("&tab=permissions").text, "siteagent_decide", verdict="approved")
    time.sleep(max(0.0, change.plan["not_after"] + 1.2 - time.time()))
    assert refused(change) == "outside_window"
    later = ApprovedChange.of(wp, paired, ITEM)
    later.send()
    ana.submit(ana.page("&tab=permissions").text, "siteagent_decide", verdict="approved")
    save(ana, approval_on_site=True)
    assert refused(later) == "permission_off"


def test_pending_approvals_are_limited_and_deleted_with_the_connection(wp, ana, paired) -> None:
    save(ana, "plugins", approval_on_site=True)
    grant(wp, "plugins", here=True)
    wp.evaluate(
        "global $wpdb; $store = new Siteagent_Option_Store($wpdb, false);"
        "$store->change(function ($data) { for ($n = 0; $n < 80; $n++) {"
        " $data['connection']['plans'][str_pad((string) $n, 64, 'a')] = array('kind' => 'plugin',"
        " 'id' => 'x/x.php', 'from' => '1', 'to' => '2', 'op_id' => 'x', 'by' => 'Ben',"
        " 'requested_at' => 1, 'not_after' => time() + 900, 'state' => 'waiting'); } return "
        "$data; });"
    )
    update(wp, "contact-desk", "2.4.0")
    reset(wp, "contact-desk", "2.3.1")
    desk = {"kind": "plugin", "id": DESK, "from": "2.3.1", "to": "2.4.0"}
    assert ApprovedChange.of(wp, paired, desk).send()["outcome"] == "waiting"
    waiting = "return count(siteagent()->pending_approvals()->waiting(time()));"
    assert wp.evaluate(waiting) == 50
    assert "Plugin contact-desk from 2.3.1 to 2.4.0" in words(ana.page("&tab=permissions").text)
    forget(wp)
    assert wp.evaluate(waiting) == 0
