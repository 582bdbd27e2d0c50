"""See which updates are available and what blocks the others, and propose updates."""

from __future__ import annotations

import re

import pytest

from app.domain.changes import outcomes
from app.domain.inventory import eligibility
from app.domain.inventory.eligibility import Reason
from app.models.auto_update_rules import UpdateHold
from app.models.base import utcnow
from app.models.changes import NEVER_ARRIVED, STATES, Change
from tests.support.factories import AKISMET, check, make_site, pair, plugin, read_report, report
from tests.support.fake_changes import SITEAGENT
from tests.support.fakes import FakeSite

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"
WANT = f"plugin|{AKISMET}|5.3|5.3.1"
CORE_MINOR = "core|core|6.8.1|6.8.2"


def core_update(version, kind):
    return {
        "version": version,
        "kind": kind,
        "requires_php": "7.2",
        "requires_mysql": "5.5",
        "package": True,
    }


# ---- before a proposal ----


def test_the_sites_page_says_what_may_be_updated_and_why_not(as_ben, today, fake, config):
    fake.report["plugins"].append(plugin("shop/shop.php", name="Shop", auto_update=True))
    update = {**fake.report["updates"]["plugins"][0], "id": "shop/shop.php", "requires_php": "8.4"}
    fake.report["updates"]["plugins"].append(update)
    read_report(today, fake, config=config)
    text = as_ben.get(f"/sites/{today.id}/updates").text
    assert "Requires PHP 8.4. The site has 8.2.36." in text
    assert "WordPress updates this automatically." in text
    assert "Update 1…" in text


def test_a_site_that_reports_no_permissions_allows_nothing(as_ben, paired, fake, config):
    fake.report.pop("agent")
    read_report(paired, fake, config=config)
    text = as_ben.get(f"/sites/{paired.id}/updates").text
    assert "owner allows plugin updates. Update SiteAgent." in text
    assert "Update 1…" not in text


def test_blocked_updates_are_listed_with_their_reasons(as_ben, today, fake, config):
    fake.report["agent"]["permissions"]["plugins"] = False
    read_report(today, fake, config=config)
    text = as_ben.get(f"/updates?site={today.id}").text
    assert "1 update is blocked" in text
    assert 'name="want"' not in text
    blocked = as_ben.get("/updates/blocked").text
    assert "1 blocked update" in blocked
    assert "Not allowed on this site: plugin updates. Turn this on" in blocked
    assert "Turn on in wp-admin" in blocked


# ---- proposals ----


def test_an_update_is_reviewed_and_its_page_follows_it(as_ben, today, fake, config, jobs):
    page = as_ben.get(f"/updates?site={today.id}&all=1").text
    assert f'name="want" value="{WANT}" data-count="1" checked' in page
    assert "Only updates of 1 selected site." in page
    answer = as_ben.post("/updates/review", data={"want": WANT, "site": today.id})
    assert answer.status_code == 303
    change = Change.get()
    assert answer.location.endswith(f"/updates/{change.batch}")
    assert jobs.names() == ["check_change"]
    assert (change.proposer, change.requested_at) == ("Ben", None)
    review = as_ben.get(answer.location).text
    assert "Pre-checks: 0 of 1 answered" in review
    assert "every 3s" in review
    assert "Approve and update" not in review
    shown = as_ben.get(f"/changes/{change.id}").text
    assert "Pre-check on the site" in shown
    assert "data-poll" in shown
    assert "Approve update" not in shown
    fake.clock.now = utcnow()
    check(change, fake, config)
    shown = as_ben.get(f"/changes/{change.id}").text
    assert change.digest in shown
    assert "every 3s" not in shown
    assert "It is active: visitors see the new version immediately." in shown
    assert "wordpress.org/plugins/akismet/#developers" in shown
    assert "Approve and update 1 site" in as_ben.get(answer.location).text


def test_several_sites_at_once_share_a_page(as_ben, today, ana, fake, config):
    other = make_site(ana, now=fake.clock(), url="https://florist.example", name="Florist")
    other_fake = FakeSite(other.url, fake.clock, report())
    pair(other, other_fake, by=ana, config=config)
    read_report(other, other_fake, config=config)
    page = as_ben.get("/updates").text
    assert "2 updates ready on 2 sites" in page
    by_site = as_ben.get("/updates?by=site").text
    assert "Bakery" in by_site
    assert "Florist" in by_site
    answer = as_ben.post("/updates/review", data={"want": WANT})
    assert re.search(r"/updates/[0-9a-f-]{36}$", answer.location)
    both = as_ben.get(answer.location).text
    assert "Update Akismet to 5.3.1 on 2 sites" in both
    assert {change.site_id for change in Change.select()} == {today.id, other.id}


def test_all_updates_of_a_site_are_reviewed_together(as_ben, today):
    as_ben.post("/updates/review", data={"want": f"site:{today.id}"})
    assert Change.get().ident == AKISMET


def test_siteagent_itself_is_reviewed_apart_with_its_own_risks(as_ben, today, fake, config):
    fake.report["plugins"].append(plugin(SITEAGENT, name="SiteAgent", version="0.1.0"))
    update = {**fake.report["updates"]["plugins"][0], "id": SITEAGENT, "version": "0.2.0"}
    fake.report["updates"]["plugins"].append(update)
    read_report(today, fake, config=config)
    choice = f"siteagent|{SITEAGENT}|0.1.0|0.2.0"
    page = as_ben.get("/updates").text
    assert f'name="only" value="{choice}"' in page
    assert f'name="want" value="{choice}"' not in page
    as_ben.post("/updates/review", data={"want": f"site:{today.id}"})
    assert [change.ident for change in Change.select()] == [AKISMET]
    made = as_ben.post("/updates/review", data={"only": choice, "want": WANT})
    change = Change.get(Change.ident == SITEAGENT)
    fake.clock.now = utcnow()
    check(change, fake, config)
    assert "the site restores the old one" in as_ben.get(made.location).text
    shown = as_ben.get(f"/changes/{change.id}").text
    assert "SiteAgent itself" in shown
    assert "If the new SiteAgent does not respond" in shown
    assert "agent.update" in shown
    # Both lists lead to the same history.
    for kind in ("plugin", "siteagent"):
        history = as_ben.get(
            f"/sites/{today.id}/component", query_string={"kind": kind, "ident": SITEAGENT}
        ).text
        assert f"Update {change.id}" in history
    held = {"kind": "plugin", "ident": SITEAGENT, "hold_reason": "not yet", "until": ""}
    as_ben.post(f"/sites/{today.id}/component/hold", data=held)
    assert UpdateHold.get().kind == "siteagent"


def test_wordpress_itself_is_reviewed_apart(as_ben, today, fake, config):
    available_updates = [core_update("6.8.2", "minor"), core_update("6.9", "major")]
    fake.report["updates"]["core"] = available_updates
    read_report(today, fake, config=config)
    page = as_ben.get("/updates").text
    for version in ("6.8.2", "6.9"):
        assert f'name="only" value="core|core|6.8.1|{version}"' in page
        assert f'name="want" value="core|core|6.8.1|{version}"' not in page
    assert as_ben.post("/updates/review", data={"want": [WANT, CORE_MINOR]}).status_code == 422
    made = as_ben.post("/updates/review", data={"only": CORE_MINOR})
    change = Change.get()
    assert change.permission == "core_minor"
    fake.clock.now = utcnow()
    check(change, fake, config)
    assert "without keeping a copy" in as_ben.get(made.location).text
    Change.update(state="cancelled").execute()
    fake.report["updates"]["core"] = [core_update("6.9", "major")]
    read_report(today, fake, config=config)
    made = as_ben.post("/updates/review", data={"only": "core|core|6.8.1|6.9"})
    fake.clock.now = utcnow()
    check(Change.get(Change.to_version == "6.9"), fake, config)
    assert "Test it on a staging copy" in as_ben.get(made.location).text


# ---- refusals ----


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 422),
        ({"want": "x"}, 422),
        ({"want": "site:x"}, 422),
        ({"want": "site:" + "9" * 30}, 422),
        ({"want": "odd|akismet/akismet.php|5.3|5.3.1"}, 422),
        ({"want": "dropin|object-cache.php|2|5.3.1"}, 422),
        ({"want": "site:4711"}, 409),
        ({"want": f"plugin|{AKISMET}|5.3|9.9"}, 409),
        ({"want": WANT, "site": "4711"}, 409),
    ],
)
def test_a_choice_that_no_form_offers_is_refused(as_ben, today, form, status):
    assert as_ben.post("/updates/review", data=form).status_code == status
    assert Change.select().count() == 0


def test_a_second_click_is_refused_while_an_update_is_in_progress(as_ben, today):
    as_ben.post("/updates/review", data={"want": WANT})
    again = as_ben.post("/updates/review", data={"want": WANT})
    assert again.status_code == 409
    assert "in progress" in again.text
    assert Change.select().count() == 1


def test_a_viewer_sees_no_choices_and_proposes_nothing(as_cleo, today, proposed):
    listed = as_cleo.get("/updates").text
    assert 'name="want"' not in listed
    assert "Review" not in listed
    for path in ("/updates/review", "/updates/ignore"):
        assert as_cleo.post(path, data={"want": WANT}).status_code == 403
    assert "Update 1…" not in as_cleo.get(f"/sites/{today.id}").text
    shown = as_cleo.get(f"/changes/{proposed.id}").text
    assert "A team member with the role operator or higher decides." in shown
    assert "/approve" not in shown
    assert "/approve" not in as_cleo.get(f"/updates/{proposed.batch}").text


def test_a_change_of_a_removed_site_is_gone(as_ben, proposed, today):
    assert as_ben.get("/changes/4711").status_code == 404
    today.note(when=(today.state,), forgotten_at=proposed.proposed_at)
    assert as_ben.get(f"/changes/{proposed.id}").status_code == 404


# ---- one component ----


def test_the_history_of_a_component_is_complete(as_ben, proposed, today):
    text = as_ben.get(f"/sites/{today.id}/component?kind=plugin&ident={AKISMET}").text
    assert f"Update {proposed.id}" in text
    assert "Waiting for approval" in text
    nothing = as_ben.get(f"/sites/{today.id}/component?kind=theme&ident=twentytwentyfour").text
    assert "No updates have been proposed yet." in nothing


def test_updates_of_a_component_are_ignored_and_resumed(as_ben, as_cleo, today):
    place, component = f"/sites/{today.id}/component", {"kind": "plugin", "ident": AKISMET}
    assert as_ben.post(f"{place}/hold", data=component).status_code == 422
    bad = {**component, "hold_reason": "a", "until": "31.12.2026"}
    assert as_ben.post(f"{place}/hold", data=bad).status_code == 422
    good = {**component, "hold_reason": HOSTILE, "until": ""}
    assert as_cleo.post(f"{place}/hold", data=good).status_code == 403
    assert as_ben.post(f"{place}/hold", data=good).status_code == 303
    text = as_ben.get(f"/sites/{today.id}/updates").text
    assert "Updates are ignored" in text
    assert "<img src=x" not in text
    assert as_ben.post(f"{place}/release", data=component).status_code == 303
    assert UpdateHold.select().count() == 0
    assert as_ben.post(f"{place}/release", data=component).status_code == 409


# ---- words ----


@pytest.fixture
def words(app):
    with app.test_request_context():
        yield app.jinja_env.get_template("changes/_words.html").module


def test_every_reason_against_an_update_has_its_sentence(words):
    assert set(words.AGAINST) == set(eligibility.CODES)
    facts = {"needed": "8.4", "present": "8.2", "permission": "plugins", "method": "ftp"}
    facts |= {"available": "1.0", "free": "100", "least": "200", "reason": "it broke", "until": ""}
    for code in eligibility.CODES:
        sentence = str(words.against(Reason(code, facts)))
        assert sentence.endswith((".", "”"))
        assert "%" not in sentence


def test_every_state_and_reason_has_words(words):
    assert set(words.STATES) == set(STATES)
    reasons = {outcomes.NO_EVIDENCE, NEVER_ARRIVED, outcomes.STILL_WATCHED}
    reasons |= {outcomes.BROKE_OUTSIDE, outcomes.CONNECTION_ENDED, *outcomes._NOTHING_DONE}
    assert reasons <= set(words.REASONS)
    assert set(words.PERMISSIONS) == set(eligibility.PERMISSIONS)
    assert set(words.PROBES) == set(outcomes.PROBES)


def test_an_unknown_component_has_no_page(as_ben, today):
    for query in ("kind=plugin", "kind=plugin&ident=gone/gone.php", "kind=odd&ident=x"):
        assert as_ben.get(f"/sites/{today.id}/component?{query}").status_code == 404


def test_a_choice_with_a_zero_byte_is_refused(as_ben, today):
    # The form encodes the value, and the choice encodes each of its parts.
    for choice in (f"{WANT}%00", WANT.replace(AKISMET, "%00")):
        assert as_ben.post("/updates/review", data={"want": choice}).status_code == 422
