"""Approve a batch in waves, follow the rollout, and decide when it has stopped."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.models.base import utcnow
from app.models.changes import ROLLED_BACK, Change
from app.models.clients import CLIENT_APPROVAL, Client
from app.models.rollouts import ENDED, PAUSED, RUNNING, Rollout, RolloutUpdate
from app.models.sites import Site
from app.models.tags import SiteTag
from app.models.uptime import Outage
from tests.support.clicking import Clicker
from tests.support.factories import AKISMET
from tests.support.page_questions import change_shop, watch_shop
from tests.support.queries import counted_queries
from tests.support.rollouts import RolloutWorld, all_facts


@pytest.fixture
def world(ana, config, clock, jobs) -> RolloutWorld:
    clock.now = utcnow()
    return RolloutWorld.make(ana, config, clock)


@pytest.fixture
def path(world) -> str:
    """Return the page of a batch that Ana reviews."""
    return f"/updates/{world.review()[0].batch}"


def work(world: RolloutWorld) -> None:
    """Run due jobs at the current time, because pages use the real clock."""
    world.clock.now = utcnow()
    world.work()


def stop_rollout(world: RolloutWorld) -> None:
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    work(world)
    world.advance()


def test_a_person_approves_in_waves_and_follows_them(as_ana, world, path):
    SiteTag.create(site=world.site("D"), text="Canary", folded="canary")
    page = Clicker(as_ana, path)
    assert "Tag “Canary”: 1 site" in page.text
    page.press("Approve and update 5 sites", waves="1", first="tag:canary", percent="25", wait="24")
    assert "5 updates approved. They start in waves." in page.text
    assert "0 of 5 updated, in 3 waves" in page.text
    work(world)
    page = Clicker(as_ana, path)
    assert "1 of 5 updated, in 3 waves" in page.text
    assert "if all of wave 1 still works then" in page.text
    assert "Stop and cancel the rest" not in page.text
    assert all_facts("rollout_started")[0]["wait_hours"] == 24


def test_all_updates_start_at_once_by_default(as_ana, world, path):
    Clicker(as_ana, path).press("Approve and update 5 sites")
    assert Rollout.select().count() == 0
    work(world)
    assert world.states().count("succeeded") == 5


def test_two_sites_are_not_divided_into_waves(as_ana, ana, config, clock, jobs):
    clock.now = utcnow()
    world = RolloutWorld.make(ana, config, clock, count=2)
    page = Clicker(as_ana, f"/updates/{world.review()[0].batch}")
    assert "In waves" not in page.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": "many"},
        {"first": "5"},
        {"first": "tag:none"},
        {"percent": "33"},
        {"wait": "9999"},
        {"wait": ""},
        {"first": "1" * 40},
    ],
)
def test_wrong_waves_are_refused_with_a_sentence(as_ana, world, path, wrong):
    seen = [f"{change.id}:{change.digest}" for change in Change.select()]
    form = {"waves": "1", "first": "1", "percent": "25", "wait": "24", "seen": seen} | wrong
    answer = as_ana.post(f"{path}/approve", data=form)
    assert answer.status_code == 422
    assert "Choose" in answer.text or "Wait between" in answer.text
    assert Change.select().where(Change.state == "approved").count() == 0


def test_after_an_error_the_form_keeps_the_choices(as_ana, world, path):
    seen = [f"{change.id}:{change.digest}" for change in Change.select()]
    chosen = {"waves": "1", "percent": "10", "wait": "48", "start": "tonight"}
    form = {**chosen, "first": "5", "reason": "After the sale", "seen": seen}
    answer = as_ana.post(f"{path}/approve", data=form)
    assert (answer.status_code, 'id="f-first-error"' in answer.text) == (422, True)
    assert 'name="reason" value="After the sale"' in answer.text
    for name in ("waves", "start"):
        assert f'name="{name}" value="{chosen[name]}" checked' in answer.text
    for name in ("percent", "wait"):
        assert f'<option value="{chosen[name]}" selected' in answer.text


def test_a_client_resumes_a_rollout_only_where_it_approves(as_ana, as_dora, dora, world, path):
    client = Client.get_by_id(dora.client_id)
    Site.update(client=client).execute()
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="4"
    )
    assert as_ana.post(f"{path}/rollout/pause").status_code == 303
    assert "Resume rollout" not in as_dora.get(path).text
    resumed = as_dora.post(f"{path}/rollout/resume", data={"resume_reason": "Go on"})
    assert (resumed.status_code, Rollout.get().state) == (403, PAUSED)
    client.set_approval_mode(CLIENT_APPROVAL)
    assert "Resume rollout" in as_dora.get(path).text
    resumed = as_dora.post(f"{path}/rollout/resume", data={"resume_reason": "Go on"})
    assert (resumed.status_code, Rollout.get().state) == (303, RUNNING)


def test_a_stopped_rollout_names_the_site_on_its_page_and_the_overview(as_ana, world, path):
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="24"
    )
    stop_rollout(world)
    page = Clicker(as_ana, path)
    assert "Stopped in wave 1 of 2: no further site starts" in page.text
    assert "A: the update was rolled back" in page.text
    overview = as_ana.get("/").text
    assert "The rollout of Akismet 5.3.1 stopped" in overview
    assert "A: the update was rolled back" in overview
    page.press("Resume rollout", resume_reason="")
    assert "Say why it may go on" in page.text
    page.press("Resume rollout", resume_reason="Only this site has an old PHP")
    assert "Rollout resumed." in page.text
    assert Rollout.get().state == RUNNING
    assert "The rollout of Akismet" not in as_ana.get("/").text
    activity = as_ana.get("/activity?about=updates").text
    assert "resumed the rollout of" in activity


def test_a_paused_rollout_shows_what_a_person_accepts_by_resuming_it(as_ana, world, path):
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="24"
    )
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    work(world)
    page = Clicker(as_ana, path)
    page.press("Pause rollout")
    assert "A: the update was rolled back" in page.text
    form = {"resume_reason": "Only this site has an old PHP", "seen": ["1:outage"]}
    assert as_ana.post(f"{path}/rollout/resume", data=form).status_code == 409
    assert Rollout.get().state == PAUSED
    page.press("Resume rollout", resume_reason="Only this site has an old PHP")
    assert Rollout.get().state == RUNNING


def test_pages_that_stopped_a_rollout_are_judged_on_the_linked_page(as_ana, ana, world, path):
    watch_shop(world.site("A"), ana, world.fake("A"))
    change_shop(world.fake("A"))
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="24"
    )
    work(world)
    world.advance()
    text = as_ana.get(path).text
    assert "A: pages that must still work differ after the update, or Aura cannot tell" in text
    change = world.change("A")
    assert f'href="/changes/{change.id}#pages">Look at the pages</a>' in text
    page = Clicker(as_ana, f"/changes/{change.id}")
    page.press("Looks right", pages_note="The new button is meant")
    assert "Pages of A marked as right." in page.text
    world.advance()
    assert "Stopped in wave" not in as_ana.get(path).text
    activity = as_ana.get("/activity?about=updates").text
    assert "goes on in wave 1: the pages that stopped it" in activity
    assert "/shop/ looks right (“The new button is meant”)" in activity


def test_a_person_pauses_a_rollout_leaves_a_site_out_and_ends_it(as_ben, world, path):
    ben = Clicker(as_ben, path)
    ben.press("Approve and update 5 sites", waves="1", first="3", percent="0", wait="4")
    ben.press("Pause rollout")
    assert "Paused in wave 1 of 2" in ben.text
    assert Rollout.get().state == PAUSED
    site = world.site("B")
    answer = as_ben.post(f"{path}/rollout/leave-out", data={"site": site.id})
    assert answer.status_code == 303
    assert Clicker(as_ben, path).text.count("1 left out") == 1
    ben = Clicker(as_ben, path)
    ben.press("End rollout and cancel the rest")
    assert (Rollout.get().state, world.states().count("cancelled")) == (ENDED, 5)
    assert "Rollout ended. 4 updates cancelled." in ben.text


def test_stopping_the_batch_ends_its_rollout(as_ana, world, path):
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="4"
    )
    as_ana.post(f"{path}/stop")
    assert (Rollout.get().state, world.states().count("cancelled")) == (ENDED, 5)


def test_a_rollout_is_paused_once(as_ana, as_ben, world, path):
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="4"
    )
    assert as_ana.post(f"{path}/rollout/pause").status_code == 303
    assert as_ben.post(f"{path}/rollout/pause").status_code == 409
    assert len(all_facts("rollout_paused")) == 1


def test_a_viewer_changes_nothing(as_ana, as_cleo, world, path):
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="4"
    )
    assert "Pause rollout" not in as_cleo.get(path).text
    for act in ("pause", "resume", "leave-out", "end"):
        assert as_cleo.post(f"{path}/rollout/{act}").status_code == 403
    assert Rollout.get().state == RUNNING


def test_a_client_sees_only_its_own_sites_of_a_rollout(as_ana, as_dora, dora, world, path):
    client = Client.get_by_id(dora.client_id)
    Site.update(client=client).where(Site.name << ["A", "D"]).execute()
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="4"
    )
    Change.update(requested_at=utcnow()).execute()
    Outage.create(site=world.site("C"), began_at=utcnow() + timedelta(minutes=1), cause="timeout")
    text = as_dora.get(path).text
    assert ">A</a>" in text
    assert ">C</a>" not in text
    assert "Pause rollout" not in text
    for act in ("pause", "resume", "end"):
        assert as_dora.post(f"{path}/rollout/{act}").status_code in (403, 404)


def test_a_site_that_is_not_in_the_rollout_cannot_be_left_out(as_ana, world, path):
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="4"
    )
    for site in ("999", "", "x"):
        assert as_ana.post(f"{path}/rollout/leave-out", data={"site": site}).status_code == 404
    assert RolloutUpdate.select().where(RolloutUpdate.is_left_out).count() == 0


def test_pages_say_what_the_fleet_has_seen_of_a_version(as_ana, world, path):
    assert "No update to 5.3.1 has ended on your sites yet." in as_ana.get(path).text
    Clicker(as_ana, path).press("Approve and update 5 sites")
    world.fake("B").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    work(world)
    for page in (path, f"/changes/{world.change('C').id}"):
        text = " ".join(as_ana.get(page).text.split())
        assert "1 rolled back, 0 failed. All got identical bytes." in text
        assert "5.3.1 on your sites: 4 updated" in text


@pytest.mark.parametrize("is_stopped", [False, True])
def test_the_page_of_a_rollout_needs_few_queries(as_ana, world, path, is_stopped):
    Clicker(as_ana, path).press(
        "Approve and update 5 sites", waves="1", first="1", percent="0", wait="4"
    )
    if is_stopped:
        stop_rollout(world)
    for page in (path, f"/changes/{world.change('C').id}"):
        as_ana.get(page)
        with counted_queries() as statements:
            as_ana.get(page)
        assert len(statements) <= 12
