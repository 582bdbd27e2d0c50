"""Review a batch of updates: request approval, leave one out, stop or ignore updates."""

from __future__ import annotations

import pytest

from app.domain.changes import proposals
from app.models.auto_update_rules import UpdateHold
from app.models.base import utcnow
from app.models.changes import APPROVED, CANCELLED, PROPOSED, Change
from app.models.clients import CLIENT_APPROVAL, FOUR_EYES, Client
from app.models.sites import Site
from tests.support.clicking import Clicker
from tests.support.factories import AKISMET, check

WANT = f"plugin|{AKISMET}|5.3|5.3.1"


@pytest.fixture
def reviewed(as_ben, today, fake, config) -> Change:
    """Return an update that Ben reviews on the page of its batch."""
    as_ben.post("/updates/review", data={"want": WANT})
    fake.clock.now = utcnow()
    return check(Change.get(), fake, config)


def set_approval_mode(site: Site, approvals: str) -> None:
    client = Client.named("Bakery Ltd")
    Client.update(approvals=approvals).where(Client.id == client.id).execute()
    Site.update(client=client).where(Site.id == site.id).execute()


def state(change: Change) -> str:
    return Change.get_by_id(change.id).state


def test_a_second_person_is_asked_and_then_approves(as_ben, as_ana, today, reviewed):
    set_approval_mode(today, FOUR_EYES)
    path = f"/updates/{reviewed.batch}"
    ben = Clicker(as_ben, path)
    assert "Approve and update" not in ben.text
    assert "Approval is not requested yet" in as_ana.get(f"/changes/{reviewed.id}").text
    ben.press("Request approval for 1 update", reason="fixes the form")
    assert "Approval requested for 1 update." in ben.text
    assert "Waiting for a second person" in ben.text
    assert "Request approval" not in ben.text
    ana = Clicker(as_ana, "/updates/waiting")
    assert "In review" not in ana.text
    ana = Clicker(as_ana, path)
    assert "fixes the form" in ana.text
    ana.press("Approve and update 1 site")
    assert state(reviewed) == APPROVED


def test_a_client_sees_an_update_only_after_the_request(as_ben, as_dora, today, reviewed, ben):
    set_approval_mode(today, CLIENT_APPROVAL)
    pages = (f"/updates/{reviewed.batch}", f"/changes/{reviewed.id}")
    assert [as_dora.get(page).status_code for page in pages] == [404, 404]
    assert "Akismet" not in as_dora.get("/updates/waiting").text
    approve = {"seen": f"{reviewed.id}:{reviewed.digest}"}
    assert as_dora.post(f"/updates/{reviewed.batch}/approve", data=approve).status_code == 404
    as_ben.post(f"/updates/{reviewed.batch}/request")
    assert [as_dora.get(page).status_code for page in pages] == [200, 200]
    assert as_dora.get("/updates").location == "/updates/waiting"
    listed = Clicker(as_dora, "/updates/waiting")
    assert "Akismet" in listed.text
    assert 'href="/updates/blocked"' not in listed.text
    assert as_dora.post(f"/updates/{reviewed.batch}/approve", data=approve).status_code == 303
    assert state(reviewed) == APPROVED


def test_the_start_is_delayed_until_the_night(as_ben, reviewed):
    form = {"seen": f"{reviewed.id}:{reviewed.digest}", "start": "tonight"}
    assert as_ben.post(f"/updates/{reviewed.batch}/approve", data=form).status_code == 303
    change = Change.get_by_id(reviewed.id)
    assert (change.not_before.hour, change.not_before.minute) == (2, 0)
    assert change.not_before > utcnow()


@pytest.mark.parametrize("wrong", [{"start": "soon"}, {"start": "336"}, {"reason": "x" * 501}])
def test_invalid_choices_approve_nothing(as_ben, reviewed, wrong):
    form = {"seen": f"{reviewed.id}:{reviewed.digest}", **wrong}
    assert as_ben.post(f"/updates/{reviewed.batch}/approve", data=form).status_code == 422
    assert state(reviewed) == PROPOSED


def test_an_operator_stops_a_batch_and_a_viewer_cannot(as_ben, as_cleo, reviewed):
    path = f"/updates/{reviewed.batch}/stop"
    assert as_cleo.post(path).status_code == 403
    page = Clicker(as_ben, f"/updates/{reviewed.batch}")
    page.press("Cancel review")
    assert "1 update cancelled. Nothing was sent to these sites." in page.text
    assert "Not carried out" in page.text
    assert state(reviewed) == CANCELLED
    assert as_ben.post(path).status_code == 409


def test_live_updates_can_be_stopped(as_ben, reviewed):
    path = f"/updates/{reviewed.batch}"
    assert "data-poll" in as_ben.get(path).text
    page = Clicker(as_ben, path)
    page.follow("stop live updates")
    assert "hx-get" not in page.text
    assert "Live updates are off." in page.text


def test_an_update_with_a_risk_is_left_out(as_ben, today, fake, config):
    fake.report["agent"]["approval_on_site"] = True
    as_ben.post("/updates/review", data={"want": WANT})
    fake.clock.now = utcnow()
    change = check(Change.get(), fake, config)
    Change.update(facts={**change.facts, "approval_on_site": True}).execute()
    page = Clicker(as_ben, f"/updates/{change.batch}")
    assert "With risks" in page.text
    page.press("Leave out")
    assert page.answer.request.path == f"/updates/{change.batch}"
    assert state(change) == CANCELLED


def test_selected_updates_are_ignored_with_a_reason(as_ben, today):
    page = Clicker(as_ben, f"/plugins/plugin?ident={AKISMET}")
    page.press("Ignore")
    assert "On Bakery" in page.text
    page.press("Ignore updates")
    assert "Enter a reason." in page.text
    page.press("Ignore updates", hold_reason="the checkout breaks", scope="everywhere")
    assert UpdateHold.get().reason == "the checkout breaks"
    assert "the checkout breaks" in page.text
    page.press("Stop ignoring")
    assert UpdateHold.select().count() == 0


@pytest.mark.parametrize("path", ["/updates/review", "/updates/ignore"])
def test_an_empty_selection_is_refused(as_ben, today, path):
    answer = as_ben.post(path, data={})
    assert answer.status_code == 422
    assert "Choose at least one update." in answer.text


def test_a_stale_review_approves_nothing(as_ben, ben, reviewed):
    form = {"seen": f"{reviewed.id}:{'0' * 64}"}
    assert as_ben.post(f"/updates/{reviewed.batch}/approve", data=form).status_code == 409
    proposals.cancel_change(reviewed, by=ben, now=utcnow())
    form = {"seen": f"{reviewed.id}:{reviewed.digest}"}
    assert as_ben.post(f"/updates/{reviewed.batch}/approve", data=form).status_code == 409


def test_a_plugin_that_no_site_has_is_not_found(as_ben, today):
    for path in ("/plugins/plugin?ident=gone/gone.php", "/plugins/plugin", "/plugins/odd?ident=x"):
        assert as_ben.get(path).status_code == 404
    page = as_ben.get("/plugins/core")
    assert page.status_code == 200
    assert "6.8.1" in page.text


def test_a_site_that_does_not_answer_the_pre_check_is_named(as_ben, today, fake, config):
    as_ben.post("/updates/review", data={"want": WANT})
    fake.clock.now = utcnow()
    fake.losing.add("change.check")
    change = check(Change.get(), fake, config)
    page = as_ben.get(f"/updates/{change.batch}").text
    assert "No answer yet" in page
    assert "Still checking" not in page
    assert "Next attempt" in page
