"""What the owner of a site lets a dashboard change: said in wp-admin, and nowhere else."""

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
from tests.plugin.support.forms import agree, nonce_of, somebody
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


def save(ana: Person, *permissions: str, here: bool = False) -> str:
    fields = {f"permissions[{at}]": permission for at, permission in enumerate(permissions)}
    fields |= {"approval_on_site": "1"} if here else {}
    return words(ana.submit(ana.page("&tab=permissions").text, "siteagent_permissions", **fields))


def permissions(wp) -> dict[str, bool]:
    return wp.evaluate("return siteagent()->permissions()->all();")


def told(wp, event: str) -> list[dict]:
    entries = wp.evaluate("return siteagent()->audit_log_reader()->recent(40, 0);")
    return [one for one in entries if one["event"] == event]


def refused(change: ApprovedChange) -> str:
    answer = change.send()
    assert answer["outcome"] == "refused"
    return answer["reason"]


# ---- kinds of changes ----


def test_at_first_nothing_is_allowed_and_the_screen_says_so(wp, ana, paired) -> None:
    assert permissions(wp) == OFF
    assert "It can change nothing unless you allow it." in words(ana.page().text)
    assert "checked" not in ana.page("&tab=permissions").text.split("siteagent-permissions")[1]
    assert refused(ApprovedChange.of(wp, paired, ITEM)) == "permission_off"


def test_the_owner_allows_plugins_and_it_is_told_and_written_down(wp, ana, paired) -> None:
    assert "Permissions saved" in save(ana, "plugins", "translations")
    assert permissions(wp) == {**OFF, "plugins": True, "translations": True}
    assert "Can update: Translations, Plugins." in words(ana.page().text)
    report = paired.ask("report", have=None).document["report"]["agent"]
    assert report["permissions"] == {**OFF, "plugins": True, "translations": True}
    assert report["approval_on_site"] is False
    assert report["rollback"] is True
    entry = told(wp, "permissions_changed")[0]
    assert entry["actor"] == "user:1"
    assert entry["facts"] == {
        "before": {"granted": "", "approval_on_site": False},
        "after": {"granted": "translations, plugins", "approval_on_site": False},
    }
    assert ApprovedChange.of(wp, paired, ITEM).send()["outcome"] == "succeeded"


def test_taking_it_back_holds_from_the_next_request_on(wp, ana, paired) -> None:
    save(ana, "plugins")
    save(ana)
    assert permissions(wp) == OFF
    assert refused(ApprovedChange.of(wp, paired, ITEM)) == "permission_off"
    assert "No changes to save" in save(ana)


def test_what_is_no_permission_is_dropped(wp, ana, paired) -> None:
    save(ana, "everything", "core")
    assert permissions(wp) == OFF


@pytest.mark.parametrize("role", ["subscriber", "author", "editor"])
def test_nobody_but_an_administrator_allows_anything(wp, paired, role) -> None:
    person = somebody(wp, role)
    for action in ("siteagent_permissions", "siteagent_decide"):
        nonce = nonce_of(wp, person, action)
        answer = person.send(action, _wpnonce=nonce, **{"permissions[0]": "plugins"})
        assert answer.status_code == 403
    assert permissions(wp) == OFF


def test_a_form_from_elsewhere_allows_nothing(wp, ana, paired) -> None:
    for nonce in ("", "0123456789", nonce_of(wp, ana, "siteagent_decide")):
        answer = ana.send("siteagent_permissions", _wpnonce=nonce, **{"permissions[0]": "plugins"})
        assert answer.status_code == 403
    assert Person(wp.url).send("siteagent_permissions").status_code in (302, 400)
    assert permissions(wp) == OFF


def test_new_keys_keep_what_the_owner_said_and_a_new_pairing_does_not(wp, ana, paired) -> None:
    save(ana, "plugins", here=True)
    plan = Plan.of(wp, paired)
    fresh = plan.next(plan.send())
    fresh.ask("ping")
    assert permissions(wp)["plugins"] is True
    assert wp.evaluate("return siteagent()->permissions()->requires_approval();") is True
    token = new_token(wp.url)
    agree(ana, token.text(), replace="1")
    assert permissions(wp) == OFF
    pair(token)
    assert permissions(wp) == OFF
    assert wp.evaluate("return siteagent()->permissions()->requires_approval();") is False


def test_without_a_dashboard_there_is_nobody_to_allow_anything(wp, ana) -> None:
    forget(wp)
    assert "At first it can update nothing." in words(ana.page("&tab=permissions").text)
    answer = ana.send("siteagent_permissions", _wpnonce=nonce_of(wp, ana, "siteagent_permissions"))
    assert answer.status_code == 303
    assert permissions(wp) == OFF


# ---- every single change ----


def test_a_change_waits_until_it_is_approved_here(wp, ana, paired) -> None:
    save(ana, "plugins", here=True)
    assert "No updates are waiting for your approval." in words(ana.page("&tab=permissions").text)
    before = disk(wp, GALLERY)
    change = ApprovedChange.of(wp, paired, ITEM)
    for _ in range(2):
        answer = change.send()
        assert (answer["outcome"], answer["reason"]) == ("waiting", "approval_on_site")
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
    entry = told(wp, "update_approved")[0]
    assert entry["actor"] == "user:1"
    assert (entry["facts"]["id"], entry["facts"]["to"]) == (GALLERY, "1.1.0")


def test_a_change_that_is_refused_here_is_not_made(wp, ana, paired) -> None:
    save(ana, "plugins", here=True)
    change = ApprovedChange.of(wp, paired, ITEM)
    change.send()
    page = ana.page("&tab=permissions").text
    assert "Update refused." in words(ana.submit(page, "siteagent_decide", verdict="refused"))
    assert refused(change) == "approval_on_site"
    assert change.status()["state"] == "done"
    assert version(wp, GALLERY) == "1.0.0"
    # The same form once more: it was decided about.
    assert "This update is no longer pending." in words(
        ana.submit(page, "siteagent_decide", verdict="approved")
    )
    assert refused(change) == "approval_on_site"


def test_an_approval_here_is_for_that_plan_alone(wp, ana, paired) -> None:
    save(ana, "plugins", here=True)
    change = ApprovedChange.of(wp, paired, ITEM)
    change.send()
    ana.submit(ana.page("&tab=permissions").text, "siteagent_decide", verdict="approved")
    altered = ApprovedChange(
        paired, {**change.plan, "not_after": change.plan["not_after"] + 1}, change.seed
    )
    assert altered.send()["outcome"] == "waiting"
    assert ApprovedChange.of(wp, paired, ITEM).send()["outcome"] == "waiting"
    assert version(wp, GALLERY) == "1.0.0"


def test_an_approval_here_does_not_outlive_its_window_or_the_permission(wp, ana, paired) -> None:
    save(ana, "plugins", here=True)
    change = ApprovedChange.of(wp, paired, ITEM, not_after=int(time.time()) + 4)
    change.send()
    ana.submit(ana.page("&tab=permissions").text, "siteagent_decide", verdict="approved")
    time.sleep(max(0.0, change.plan["not_after"] + 1.2 - time.time()))
    assert refused(change) == "outside_window"
    later = ApprovedChange.of(wp, paired, ITEM)
    later.send()
    ana.submit(ana.page("&tab=permissions").text, "siteagent_decide", verdict="approved")
    save(ana, here=True)
    assert refused(later) == "permission_off"


def test_what_waits_is_forgotten_with_the_connection_and_never_fills_the_database(
    wp, ana, paired
) -> None:
    save(ana, "plugins", here=True)
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
