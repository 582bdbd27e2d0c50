"""Approve an update: who may, what the form proves, and what the pages show afterwards."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from app.domain.changes import proposals
from app.models.accounts import UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.changes import APPROVED, PROPOSED, Change
from app.models.clients import FOUR_EYES, Client
from app.models.sites import Site
from tests.support.factories import (
    AKISMET,
    PASSWORD,
    approve,
    check,
    propose,
    read_report,
    run_change,
)
from tests.support.fakes import FakeSite

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def approve_as(person, change, *, referer="", **fields):
    return person.post(
        f"/changes/{change.id}/approve",
        data={"digest": change.digest, **fields},
        headers={"Referer": referer or f"http://localhost/changes/{change.id}"},
    )


def state(change):
    return Change.get_by_id(change.id).state


def expire_confirmation():
    UserSession.update(confirmed_at=utcnow() - timedelta(minutes=16)).execute()


def test_an_approval_queues_the_change_and_the_page_says_who(as_ana, proposed, fake, config, jobs):
    jobs.jobs.clear()
    page = as_ana.get(f"/changes/{proposed.id}").text
    assert "Approve update to 5.3.1" in page
    assert "Risks" in page
    response = approve_as(as_ana, proposed)
    assert response.status_code == 303
    assert response.location.endswith(f"/changes/{proposed.id}")
    assert state(proposed) == APPROVED
    assert jobs.jobs == [("run_change", (proposed.id,), 0)]
    assert "a second person approved it" in as_ana.get(f"/changes/{proposed.id}").text
    fake.clock.now = utcnow()
    assert run_change(Change.get_by_id(proposed.id), fake, config) == "succeeded"
    text = as_ana.get(f"/changes/{proposed.id}").text
    assert "Succeeded" in text
    assert "ab" * 32 in text
    assert "Checked by the site" in text
    assert "data-poll" not in text


def test_an_approval_works_without_javascript(as_ana, proposed):
    """Send exactly the fields of the form, as a browser does."""
    page = as_ana.get(f"/changes/{proposed.id}").text
    action = f"/changes/{proposed.id}/approve"
    form = re.search(rf'<form[^>]*action="{action}".*?</form>', page, re.DOTALL)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form.group()))
    response = as_ana.post(f"/changes/{proposed.id}/approve", data=fields)
    assert response.status_code == 303
    assert state(proposed) == APPROVED
    assert "Refresh now" in as_ana.get(f"/changes/{proposed.id}").text


def test_the_decision_buttons_are_in_one_row(as_ana, proposed):
    text = as_ana.get(f"/changes/{proposed.id}").text
    row = text.split('class="buttons decisions"', 1)[1].split("</section>", 1)[0]
    places = [
        row.index(words) for words in ("Approve update to", "Reject update…", "Cancel update")
    ]
    assert places == sorted(places)
    assert text.count("Cancel update") == 1


def test_hashes_and_references_are_folded(as_ana, proposed):
    text = as_ana.get(f"/changes/{proposed.id}").text
    shown = re.sub(r"<details.*?</details>|<input[^>]*>", "", text, flags=re.DOTALL)
    for detail in (proposed.digest, proposed.digest[:12], proposed.op_id):
        assert detail in text
        assert detail not in shown


def test_an_unknown_change_is_not_found(as_ana):
    assert as_ana.post("/changes/4711/approve", data={"digest": "x"}).status_code == 404


def test_a_viewer_is_refused(as_cleo, proposed):
    assert approve_as(as_cleo, proposed).status_code == 403
    assert state(proposed) == PROPOSED


def test_a_visitor_is_sent_to_sign_in(anonymous, proposed):
    response = anonymous.post(f"/changes/{proposed.id}/approve", data={"digest": proposed.digest})
    assert response.status_code == 303
    assert response.location.startswith("/sign-in")
    assert state(proposed) == PROPOSED


def test_an_old_session_asks_for_the_password_first(as_ana, proposed):
    expire_confirmation()
    assert "Aura asks for your password first." in as_ana.get(f"/changes/{proposed.id}").text
    prompt = approve_as(as_ana, proposed)
    assert (prompt.status_code, state(proposed)) == (403, PROPOSED)
    fields = hidden_fields(prompt)
    assert fields["digest"] == proposed.digest
    wrong = approve_as(as_ana, proposed, **fields, own_password="wrong")
    assert (wrong.status_code, state(proposed)) == (422, PROPOSED)
    assert hidden_fields(wrong) == fields
    done = approve_as(as_ana, proposed, **fields, own_password=PASSWORD)
    assert done.location.endswith(f"/changes/{proposed.id}")
    assert state(proposed) == APPROVED
    assert [e.event for e in AuditEntry.newest(event="identity_confirmed")] == [
        "identity_confirmed"
    ]


def hidden_fields(page) -> dict[str, str]:
    """Return the hidden fields of the password prompt, without its CSRF token."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    return {name: html.unescape(value) for name, value in fields if name != "csrf_token"}


def test_the_password_prompt_links_back_to_aura_alone(as_ana, proposed):
    expire_confirmation()
    prompt = approve_as(as_ana, proposed)
    assert hidden_fields(prompt)["back"] == f"/changes/{proposed.id}"
    for elsewhere in ("https://evil.example/changes/1", "http://localhost//evil.example"):
        prompt = approve_as(as_ana, proposed, referer=elsewhere)
        assert hidden_fields(prompt)["back"] == "/"
    prompt = approve_as(as_ana, proposed, back="//evil.example")
    assert hidden_fields(prompt)["back"] == "/"


def test_the_password_prompt_escapes_the_fields_it_keeps(as_ana, proposed):
    expire_confirmation()
    prompt = approve_as(as_ana, proposed, digest='"><script>alert(1)</script>')
    assert "<script>alert" not in prompt.text
    assert hidden_fields(prompt)["digest"] == '"><script>alert(1)</script>'


@pytest.mark.usefixtures("slow_guessing")
def test_guessing_in_the_password_prompt_is_slow(as_ana, proposed):
    expire_confirmation()
    for _ in range(6):
        approve_as(as_ana, proposed, own_password="wrong")
    assert approve_as(as_ana, proposed, own_password=PASSWORD).status_code == 422
    assert state(proposed) == PROPOSED
    assert len(AuditEntry.newest(event="password_refused")) == 7


def test_a_password_adds_no_permission_to_the_role(as_cleo, proposed):
    assert approve_as(as_cleo, proposed, own_password=PASSWORD).status_code == 403
    assert not AuditEntry.newest(event="identity_confirmed")


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_another_digest_is_a_conflict(as_ana, proposed, digest):
    assert approve_as(as_ana, proposed, digest=digest).status_code == 409
    assert state(proposed) == PROPOSED


def test_a_link_approves_nothing(as_ana, proposed):
    assert as_ana.get(f"/changes/{proposed.id}/approve").status_code == 405
    assert state(proposed) == PROPOSED


def test_a_form_of_another_page_approves_nothing(as_ana, proposed):
    response = as_ana.post(
        f"/changes/{proposed.id}/approve",
        data={"digest": proposed.digest, "csrf_token": "made-up"},
    )
    assert response.status_code == 400
    assert state(proposed) == PROPOSED


def test_a_second_click_is_harmless(as_ana, proposed, jobs):
    jobs.jobs.clear()
    assert approve_as(as_ana, proposed).status_code == 303
    assert approve_as(as_ana, proposed).status_code == 409
    assert jobs.names() == ["run_change"]


def test_the_page_says_that_the_proposer_approved(as_ben, proposed):
    assert "Approve and update to 5.3.1" in as_ben.get(f"/changes/{proposed.id}").text
    approve_as(as_ben, proposed)
    assert "the person who proposed it approved it" in as_ben.get(f"/changes/{proposed.id}").text


def test_the_proposer_gets_no_button_under_four_eyes_approval(as_ben, as_ana, proposed):
    client = Client.named("Bakery Ltd")
    client.set_approval_mode(FOUR_EYES)
    Site.update(client=client).execute()
    page = as_ben.get(f"/changes/{proposed.id}").text
    assert "This client requires a second person." in page
    assert "/approve" not in page
    assert approve_as(as_ben, proposed).status_code == 403
    assert state(proposed) == PROPOSED
    assert approve_as(as_ana, proposed).status_code == 303


def test_a_rejection_needs_a_reason_and_shows_it(as_ana, proposed):
    path = f"/changes/{proposed.id}/reject"
    assert as_ana.post(path, data={"reason": " "}).status_code == 422
    assert as_ana.post(path, data={"reason": HOSTILE}).status_code == 303
    text = as_ana.get(f"/changes/{proposed.id}").text
    assert "Rejected by Ana" in text
    assert "<img src=x" not in text
    assert as_ana.post(path, data={"reason": "again"}).status_code == 409


def test_an_approved_change_can_be_cancelled_until_it_starts(as_ben, as_ana, proposed):
    approve_as(as_ana, proposed)
    assert "Cancel update" in as_ben.get(f"/changes/{proposed.id}").text
    assert as_ben.post(f"/changes/{proposed.id}/cancel").status_code == 303
    assert as_ben.post(f"/changes/{proposed.id}/cancel").status_code == 409
    assert "Nothing was changed on the site." in as_ben.get(f"/changes/{proposed.id}").text


def test_an_open_page_reloads_when_a_colleague_decides(as_ana, proposed):
    text = as_ana.get(f"/changes/{proposed.id}").text
    assert 'seen=proposed" hx-trigger="every 30s"' in text
    path = f"/changes/{proposed.id}/progress?seen=proposed"
    assert "HX-Redirect" not in as_ana.get(path).headers
    approve_as(as_ana, proposed)
    assert as_ana.get(path).headers["HX-Redirect"] == f"/changes/{proposed.id}"


def test_a_batch_page_refreshes_when_a_state_changes(as_ana, proposed, fake, config, today, ben):
    page = as_ana.get(f"/updates/{proposed.batch}").text
    refresh = re.search(r'hx-get="([^"]+)" hx-trigger="every 30s"', page).group(1)
    same = as_ana.get(refresh.replace("&amp;", "&"))
    assert (same.status_code, same.text) == (204, "")
    approve_as(as_ana, proposed)
    part = as_ana.get(refresh.replace("&amp;", "&"))
    assert part.status_code == 200
    assert "<h1>" not in part.text
    assert "Not started" in part.text
    assert "1 queued" in part.text.split('hx-swap-oob="innerHTML"', 1)[1]
    assert "every 3s" in part.text
    fake.clock.now = utcnow()
    run_change(Change.get_by_id(proposed.id), fake, config)
    ended = as_ana.get(f"/updates/{proposed.batch}").text
    assert "1 succeeded" in ended
    assert "data-poll" not in ended


def test_a_batch_is_approved_as_a_whole(as_ana, proposed, fake, config):
    page = as_ana.get(f"/updates/{proposed.batch}").text
    assert f'name="seen" value="{proposed.id}:{proposed.digest}"' in page
    path = f"/updates/{proposed.batch}/approve"
    assert as_ana.post(path, data={}).status_code == 409
    assert as_ana.post(path, data={"seen": "x"}).status_code == 409
    assert as_ana.post(path, data={"seen": f"{proposed.id}:{'0' * 64}"}).status_code == 409
    response = as_ana.post(path, data={"seen": f"{proposed.id}:{proposed.digest}"})
    assert response.status_code == 303
    assert state(proposed) == APPROVED
    unknown = "00000000-0000-4000-8000-000000000000"
    assert as_ana.get(f"/updates/{unknown}").status_code == 404


# ---- results ----


@pytest.fixture
def ended(proposed, ana, fake: FakeSite, config):
    """Run the change with the outcome that the test chooses, and return it."""

    def run(plays):
        fake.clock.now = utcnow()
        fake.changes.plays[AKISMET] = plays
        approve(proposed, ana, config, fake.clock())
        run_change(proposed, fake, config)
        return proposed

    return run


def test_a_failed_update_blocks_its_site_until_it_is_checked(as_ana, ended, today):
    change = ended(("failed", "version_wrong_after"))
    text = as_ana.get(f"/changes/{change.id}").text
    assert "Failed: another version than approved was installed afterwards" in text
    assert "Needs checking" in as_ana.get("/updates/done").text
    assert "1 update is blocked" in as_ana.get(f"/updates?site={today.id}").text
    path = f"/changes/{change.id}/close"
    assert as_ana.post(path, data={"note": ""}).status_code == 422
    assert as_ana.post(path, data={"note": "put 5.3 back by hand"}).status_code == 303
    assert as_ana.post(path, data={"note": "again"}).status_code == 409
    assert "put 5.3 back by hand" in as_ana.get(f"/changes/{change.id}").text


def test_a_rollback_says_what_was_not_undone(as_ana, ended):
    change = ended(("rolled_back", "fatal_after"))
    text = as_ana.get(f"/changes/{change.id}").text
    assert "Rolled back: the new version crashed the site" in text
    assert "Database changes made by 5.3.1 were not undone." in text
    assert "Review updates of this site" in text


def test_an_unknown_outcome_polls_until_it_is_settled(as_ana, proposed, ana, fake, config):
    fake.clock.now = utcnow()
    approve(proposed, ana, config, fake.clock())
    fake.losing.add("change.run")
    run_change(proposed, fake, config)
    text = as_ana.get(f"/changes/{proposed.id}").text
    assert "Result unknown" in text
    assert "The update does not run twice" in text
    assert "data-poll" in text
    path = f"/changes/{proposed.id}/progress?seen="
    same = as_ana.get(path + "unknown", headers={"HX-Request": "true"})
    assert "HX-Redirect" not in same.headers
    moved = as_ana.get(path + "running", headers={"HX-Request": "true"})
    assert moved.headers["HX-Redirect"] == f"/changes/{proposed.id}"


def test_a_refused_dry_run_names_every_reason(as_ana, today, ben, fake, config):
    change = propose(today, ben, fake.clock())
    fake.report["health"]["file_mods"] = False
    fake.report["updates"]["plugins"][0]["version"] = "5.4"
    check(change, fake, config)
    text = as_ana.get(f"/changes/{change.id}").text
    assert "Refused: the site&#39;s configuration forbids changing files" in text
    assert "Also: WordPress now lists another version" in text


def test_each_change_is_in_the_list_of_its_state(as_cleo, as_ana, proposed, ana):
    link = f'href="/changes/{proposed.id}"'
    assert link in as_cleo.get("/updates/waiting").text
    approve_as(as_ana, proposed)
    assert link not in as_cleo.get("/updates/waiting").text
    assert "Approved, queued" in as_cleo.get("/updates/running").text
    proposals.cancel_change(Change.get_by_id(proposed.id), by=ana, now=utcnow())
    assert "Cancelled" in as_cleo.get("/updates/done").text


def test_hostile_names_stay_text(as_ana, paired, ben, fake, config):
    fake.clock.now = utcnow()
    fake.report["plugins"][0]["name"] = HOSTILE
    read_report(paired, fake, config=config)
    change = check(propose(paired, ben, fake.clock(), reason=HOSTILE), fake, config)
    pages = (f"/changes/{change.id}", "/updates/waiting", f"/updates/{change.batch}")
    for path in (*pages, f"/sites/{paired.id}/component?kind=plugin&ident={AKISMET}", "/activity"):
        text = as_ana.get(path).text
        assert "<img src=x" not in text
        assert "{{7*7}}" in text
