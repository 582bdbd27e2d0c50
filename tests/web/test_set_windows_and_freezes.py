"""Stop all updates, add and end freezes, and set maintenance windows."""

from __future__ import annotations

import html
import re
from datetime import date, timedelta

import pytest

from app.models.base import utcnow
from app.models.change_stops import ChangeStop
from app.models.changes import APPROVED, Change
from app.models.clients import Client
from app.models.freezes import Freeze
from app.models.sites import Site
from app.views import site_choices
from tests.support.clicking import Clicker

PAGE = "/settings/windows"


def this_day() -> date:
    return utcnow().date()


def freeze(**changes: str) -> dict[str, str]:
    first, last = this_day(), this_day() + timedelta(1)
    days = {"first_day": first.isoformat(), "last_day": last.isoformat()}
    return {"name": "Black Friday", **days, "covers": "", **changes}


def window(owner: str, **changes: object) -> dict[str, object]:
    hours = {"weekdays": ["0", "3"], "from_hour": "2", "to_hour": "5"}
    return {"owner": owner, **hours, "time_zone": "Europe/Berlin", **changes}


def offered(text: str) -> list[str]:
    return re.findall(r'<option value="(site:\d+)"', text)


def test_with_many_sites_the_form_offers_the_linked_site(as_ana, today, monkeypatch):
    assert offered(as_ana.get(PAGE).text) == [f"site:{today.id}"] * 2
    monkeypatch.setattr(site_choices, "MOST_OFFERED", 0)
    assert not offered(as_ana.get(PAGE).text)
    path = re.search(r'href="(/settings/windows\?[^"]+)"', as_ana.get(f"/sites/{today.id}").text)
    assert path
    text = as_ana.get(html.unescape(path[1])).text
    assert offered(text) == [f"site:{today.id}"] * 2
    assert text.count(f'value="site:{today.id}" selected') == 2
    for wrong in ("site:4711", "site:%C2%B2", f"site:{10**30}", "site:", "client:1"):
        assert not offered(as_ana.get(f"{PAGE}?owner={wrong}").text)


# ---- stop ----


def test_an_operator_stops_everything_and_every_page_says_so(
    as_ana, as_ben, as_cleo, as_dora, today
):
    page = Clicker(as_ben, PAGE)
    page.press("Stop all updates", reason="the host was broken into")
    assert "All updates stopped. None was running." in page.text
    assert ChangeStop.current().stopped_by == "Ben"
    for person, path in ((as_ana, "/"), (as_ben, "/updates"), (as_cleo, f"/sites/{today.id}")):
        text = person.get(path).text
        assert "All updates are stopped</strong>. Ben," in " ".join(text.split())
        assert "“the host was broken into”" in text
    assert "You can start them again" in " ".join(as_ana.get("/").text.split())
    assert "An owner or manager can start them again" in " ".join(as_ben.get("/").text.split())
    seen_by_client = as_dora.get("/sites").text
    assert "All updates are stopped</strong> by your agency" in seen_by_client
    assert "broken into" not in seen_by_client


def test_an_operator_cannot_start_updates_again(as_ana, as_ben, today):
    as_ben.post(f"{PAGE}/stop", data={"reason": "why"})
    assert "Start updates again" not in as_ben.get(PAGE).text
    assert as_ben.post(f"{PAGE}/start").status_code == 403
    page = Clicker(as_ana, PAGE)
    page.press("Start updates again")
    assert "Updates started. 0 approved updates may now run." in page.text
    assert "All updates are stopped" not in as_ana.get("/").text
    assert as_ana.post(f"{PAGE}/start").status_code == 409


def test_without_a_reason_nothing_is_stopped(as_ana):
    answer = as_ana.post(f"{PAGE}/stop", data={"reason": " "})
    assert answer.status_code == 422
    assert "Enter a reason" in answer.text
    assert ChangeStop.current() is None


def test_stopping_twice_is_refused_and_changes_nothing(as_ana, as_ben):
    as_ben.post(f"{PAGE}/stop", data={"reason": "first"})
    assert as_ana.post(f"{PAGE}/stop", data={"reason": "second"}).status_code == 409
    assert ChangeStop.get().reason == "first"


def test_the_page_says_what_cannot_be_recalled_and_what_waits(as_ana, proposed):
    Change.update(state="running").execute()
    as_ana.post(f"{PAGE}/stop", data={"reason": "why"})
    text = " ".join(as_ana.get(PAGE).text.split())
    assert "1 update is already sent. Aura cannot recall them" in text
    Change.update(state="approved").execute()
    text = " ".join(as_ana.get(PAGE).text.split())
    assert "1 approved update waits. One whose time passes meanwhile expires" in text


def test_nothing_can_be_approved_while_all_is_stopped(as_ana, proposed):
    as_ana.post(f"{PAGE}/stop", data={"reason": "why"})
    text = as_ana.get(f"/changes/{proposed.id}").text
    assert "can be approved when they are started again" in text
    assert "Approve update" not in text
    batch = as_ana.get(f"/updates/{proposed.batch}").text
    assert "These can be approved when updates are started again." in batch
    assert 'name="seen"' not in batch
    seen = {"digest": proposed.digest}
    assert as_ana.post(f"/changes/{proposed.id}/approve", data=seen).status_code == 409


# ---- freezes ----


def test_a_freeze_is_added_shown_and_ended_early_and_stays_listed(as_ana, as_ben, as_cleo):
    assert as_ben.post(f"{PAGE}/freezes", data=freeze()).status_code == 303
    assert "Freeze “Black Friday” until" in as_cleo.get("/").text
    assert "In force" in as_cleo.get(PAGE).text
    assert "End freeze" not in as_ben.get(PAGE).text
    assert as_ben.post(f"{PAGE}/freezes/{Freeze.get().id}/end").status_code == 403
    page = Clicker(as_ana, PAGE)
    page.press("End freeze")
    assert "Freeze “Black Friday” ended." in page.text
    assert "Ended early" in page.text
    assert "Black Friday" not in as_cleo.get("/").text.partition("Last 24 hours")[0]


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"first_day": "soon"}, {"last_day": ""}, {"last_day": "2020-01-01"}],
)
def test_a_freeze_without_a_name_or_days_is_not_added(as_ana, wrong):
    answer = as_ana.post(f"{PAGE}/freezes", data=freeze(**wrong))
    assert answer.status_code == 422
    assert f"#f-{next(iter(wrong))}" in answer.text
    assert not Freeze.select().exists()


@pytest.mark.parametrize("covers", ["site:999", "client:x", "all"])
def test_a_freeze_for_an_unknown_site_or_client_is_not_added(as_ana, covers):
    assert as_ana.post(f"{PAGE}/freezes", data=freeze(covers=covers)).status_code == 404
    assert not Freeze.select().exists()


def test_a_freeze_of_one_client_is_shown_there_and_nowhere_else(as_ana, today):
    frozen, other = Client.named("Bakery Ltd"), Client.named("Florist Ltd")
    Site.update(client=frozen).execute()
    as_ana.post(f"{PAGE}/freezes", data=freeze(covers=f"client:{frozen.id}"))
    assert "Black Friday" in as_ana.get(f"/clients/{frozen.id}").text
    assert "Black Friday" in as_ana.get(f"/sites/{today.id}").text
    assert "Black Friday" not in as_ana.get(f"/clients/{other.id}").text


def test_a_client_user_sees_only_their_own_freezes(as_ana, as_dora, dora, today):
    other = Client.named("Florist Ltd")
    as_ana.post(f"{PAGE}/freezes", data=freeze(name="Theirs", covers=f"client:{other.id}"))
    as_ana.post(f"{PAGE}/freezes", data=freeze(name="Ours", covers=f"client:{dora.client_id}"))
    as_ana.post(f"{PAGE}/freezes", data=freeze(name="Their site", covers=f"site:{today.id}"))
    assert "Their site" not in as_dora.get("/").text
    Site.update(client=dora.client_id).execute()
    text = as_dora.get("/").text
    assert "Their site" in text
    assert "Ours" in text
    assert "Theirs" not in text


def test_an_owner_approves_a_frozen_update_with_a_reason(as_ana, as_ben, proposed):
    as_ana.post(f"{PAGE}/freezes", data=freeze())
    path = f"/changes/{proposed.id}"
    operator = as_ben.get(path).text
    assert "No update of this site starts in that time." in operator
    assert "Approve for " in operator
    assert "Approve despite the freeze" not in operator
    override = {"digest": proposed.digest, "override": "CVE-2026-1"}
    assert as_ben.post(f"{path}/override", data=override).status_code == 403
    answer = as_ana.post(f"{path}/override", data={**override, "override": ""})
    assert answer.status_code == 422
    page = Clicker(as_ana, path)
    page.press("Approve and update now", override="CVE-2026-1")
    assert "Update approved and queued." in page.text
    assert Change.get_by_id(proposed.id).override == "CVE-2026-1"


def test_a_frozen_update_is_approved_for_after_the_freeze(as_ben, as_ana, proposed):
    as_ana.post(f"{PAGE}/freezes", data=freeze())
    page = Clicker(as_ben, f"/changes/{proposed.id}")
    ends = this_day() + timedelta(2)
    page.press(f"Approve for {ends.day} {ends:%b %Y}, 00:00:00 UTC")
    change = Change.get_by_id(proposed.id)
    assert (change.state, change.not_before.date()) == (APPROVED, ends)


def test_the_review_says_which_sites_are_in_a_freeze(as_ana, proposed):
    as_ana.post(f"{PAGE}/freezes", data=freeze())
    text = as_ana.get(f"/updates/{proposed.batch}").text
    assert "In a freeze" in text
    assert "Freeze “Black Friday” until" in text
    assert 'name="seen"' not in text
    answer = as_ana.post(f"/changes/{proposed.id}/approve", data={"digest": proposed.digest})
    assert answer.status_code == 409
    assert "Black Friday" in answer.text


# ---- maintenance windows ----


def test_an_owner_sets_and_removes_the_window_of_a_site(as_ana, as_ben, today):
    owner = f"site:{today.id}"
    assert "At any time." in as_ben.get(f"/sites/{today.id}").text
    assert as_ben.post(f"{PAGE}/maintenance", data=window(owner)).status_code == 403
    assert as_ana.post(f"{PAGE}/maintenance", data=window(owner)).status_code == 303
    words = "Mon, Thu 02:00–05:00 (Europe/Berlin)"
    assert words in as_ana.get(PAGE).text
    assert words in as_ben.get(f"/sites/{today.id}").text
    page = Clicker(as_ana, PAGE)
    page.press("Remove window")
    assert Site.get_by_id(today.id).maintenance_window is None
    assert as_ana.post(f"{PAGE}/maintenance/remove", data={"owner": owner}).status_code == 409


def test_the_window_of_a_client_is_on_its_page_and_on_those_of_its_sites(as_ana, today):
    client = Client.named("Bakery Ltd")
    Site.update(client=client).execute()
    as_ana.post(f"{PAGE}/maintenance", data=window(f"client:{client.id}"))
    assert "Mon, Thu 02:00–05:00" in as_ana.get(f"/clients/{client.id}").text
    assert "as for all sites of this client" in as_ana.get(f"/sites/{today.id}").text


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("owner", {"owner": ""}),
        ("weekdays", {"weekdays": []}),
        ("from_hour", {"from_hour": "5"}),
        ("time_zone", {"time_zone": "Mars/Base"}),
    ],
)
def test_an_invalid_window_is_not_set(as_ana, today, field, wrong):
    data = window(**{"owner": f"site:{today.id}", **wrong})
    answer = as_ana.post(f"{PAGE}/maintenance", data=data)
    assert answer.status_code == 422
    assert f"#f-{field}" in answer.text
    assert Site.get_by_id(today.id).maintenance_window is None


def test_an_update_without_a_window_in_its_time_is_not_offered(as_ana, proposed):
    in_four_days = str((this_day() + timedelta(4)).weekday())
    as_ana.post(f"{PAGE}/maintenance", data=window(
        f"site:{proposed.site_id}", weekdays=[in_four_days], time_zone="UTC"))  # fmt: skip
    text = as_ana.get(f"/updates/{proposed.batch}").text
    assert "No maintenance window in time" in text
    assert 'name="seen"' not in text
    page = as_ana.get(f"/changes/{proposed.id}").text
    assert "No window opens before this update expires" in page
    assert "Approve for the maintenance window" not in page
    answer = as_ana.post(f"/changes/{proposed.id}/approve", data={"digest": proposed.digest})
    assert answer.status_code == 409
    assert "no maintenance window" in answer.text


def test_a_frozen_update_can_still_be_rejected(as_ben, as_ana, proposed):
    as_ana.post(f"{PAGE}/freezes", data=freeze())
    page = Clicker(as_ben, f"/changes/{proposed.id}")
    page.press("Reject update", reason="not this one")
    assert "Update rejected." in page.text


def test_the_review_says_when_a_site_is_updated(as_ana, proposed):
    opens = utcnow().replace(minute=0) + timedelta(hours=3)
    hours = {"from_hour": str(opens.hour), "to_hour": str((opens.hour + 1) % 24 or 24)}
    every_day = [str(day) for day in range(7)]
    as_ana.post(f"{PAGE}/maintenance", data=window(
        f"site:{proposed.site_id}", weekdays=every_day, time_zone="UTC", **hours))  # fmt: skip
    batch = Clicker(as_ana, f"/updates/{proposed.batch}")
    assert "1 update starts later" in batch.text
    assert f"{opens.day} {opens:%b %Y, %H}:00:00 UTC" in batch.text
    page = as_ana.get(f"/changes/{proposed.id}").text
    assert "If you approve it now, it starts" in page
    assert "Approve for the maintenance window" in page
    seen = {"seen": f"{proposed.id}:{proposed.digest}", "start": "0"}
    assert as_ana.post(f"/updates/{proposed.batch}/approve", data=seen).status_code == 303
    change = Change.get_by_id(proposed.id)
    assert change.not_before.hour == opens.hour
    assert "It may start" in as_ana.get(f"/changes/{proposed.id}").text
