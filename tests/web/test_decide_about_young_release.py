"""Young releases: their age on pages, and a decision to let rules install a fix at once."""

from __future__ import annotations

import html
import io
from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import SYSTEM, Actor
from app.domain.changes import auto_update_rules
from app.domain.vulnerabilities import source, upkeep
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.releases import ReleaseSighting, RestLift
from app.models.sites import Site
from app.models.wordpress_org import DirectoryEntry
from tests.support.factories import AKISMET, read_report
from tests.support.fakes import FakeSite
from tests.support.rules import terms
from tests.support.vulnerability_feeds import bounds, feed, record, software

RELEASE = {"kind": "plugin", "ident": AKISMET, "version": "5.3.1"}


def text_of(response: Any) -> str:
    return " ".join(html.unescape(response.text).split())


@pytest.fixture
def rule(today: Site, ana: Actor, fake: FakeSite) -> AutoUpdateRule:
    return auto_update_rules.create_rule(
        terms(fake.clock, rest_hours=None), by=ana, confirmed_at=utcnow(), now=utcnow()
    )


@pytest.fixture
def vulnerable(today: Site, config: Config, fake: FakeSite) -> Site:
    """The installed version of Akismet has a vulnerability that 5.3.1 fixes."""
    file = io.BytesIO(feed(record(1, software("akismet", bounds("5.3"), patched=("5.3.1",)))))
    source.accept_file_from_cli(file, by=SYSTEM, config=config, now=fake.clock())
    upkeep.update(config, now=fake.clock)
    return today


def page_of(person: Any, site: Site) -> Any:
    return person.get(f"/sites/{site.id}/component?kind=plugin&ident={AKISMET}")


def lift(person: Any, site: Site, **changes: str) -> Any:
    fields = {**RELEASE, "rest": "Exploited since this morning", **changes}
    return person.post(f"/sites/{site.id}/component/lift", data=fields)


# ---- the age on pages ----


def test_the_page_says_until_when_a_rule_waits(as_ben: Any, rule: Any, today: Site) -> None:
    text = text_of(page_of(as_ben, today))
    assert "The auto-update rule “Patches” covers this update. It rests until " in text
    assert "48 hours after it was first seen. You can approve the update yourself before." in text


def test_the_page_names_the_wordpress_org_date_where_it_counts(
    as_ben: Any, rule: Any, today: Site
) -> None:
    entry = {"state": "listed", "version": "5.3.1", "last_updated": utcnow()}
    DirectoryEntry.create(kind="plugin", slug="akismet", **entry)
    ReleaseSighting.update(first_seen_at=utcnow() - timedelta(days=3)).execute()
    text = text_of(page_of(as_ben, today))
    assert "48 hours after WordPress.org last changed it." in text


def test_a_rested_release_is_only_dated(as_ben: Any, rule: Any, today: Site) -> None:
    ReleaseSighting.update(first_seen_at=utcnow() - timedelta(days=3)).execute()
    text = text_of(page_of(as_ben, today))
    assert "First seen 3 days ago" in text
    assert "It rests until" not in text
    assert "would wait until" not in text


def test_approving_a_young_release_shows_a_warning(as_ben: Any, proposed: Change) -> None:
    ReleaseSighting.update(first_seen_at=utcnow() - timedelta(hours=3)).execute()
    text = text_of(as_ben.get(f"/changes/{proposed.id}"))
    assert "This release is young" in text
    assert "Auto-update rules would wait until" in text
    assert "A person may approve it at any time." in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"disable_autoupdate": True}, "its source asks not to install it automatically yet."),
        ({}, "the site has not said since when it knows this one."),
        ({"first_seen": 1}, ""),
    ],
)
def test_the_page_names_other_reasons_why_a_rule_waits(
    as_ben: Any, rule: Any, today: Site, fake: FakeSite, config: Config, fields: Any, words: str
) -> None:
    ReleaseSighting.update(first_seen_at=utcnow() - timedelta(days=3)).execute()
    fake.report["updates"]["plugins"][0].update(fields)
    fake.report["agent"]["limits"]["min_age_hours"] = 24
    read_report(today, fake, config=config)
    text = text_of(page_of(as_ben, today))
    assert words in text
    assert ("covers this update" in text) == bool(words)


def test_a_closed_plugin_is_named_as_such(as_ben: Any, rule: Any, today: Site) -> None:
    DirectoryEntry.create(kind="plugin", slug="akismet", state="closed")
    text = text_of(page_of(as_ben, today))
    assert "It waits because WordPress.org has closed this plugin." in text
    assert "Find out why before you install the release." in text


# ---- a release that fixes a known vulnerability ----


def test_a_manager_lets_rules_install_a_fix_now(
    as_mia: Any, as_ben: Any, rule: Any, vulnerable: Site, fake: FakeSite
) -> None:
    assert auto_update_rules.propose_due(fake.clock()) == 0
    assert "Let rules install it now" in text_of(page_of(as_mia, vulnerable))
    assert "Let rules install it now" not in text_of(page_of(as_ben, vulnerable))
    assert lift(as_mia, vulnerable).status_code == 303
    assert AuditEntry.head().event == "rest_lifted"
    text = text_of(page_of(as_ben, vulnerable))
    assert "Mia let rules install it without a rest" in text
    assert "“Exploited since this morning”" in text
    assert "let auto-update rules install 5.3.1 of" in text_of(as_mia.get("/activity"))
    assert auto_update_rules.propose_due(fake.clock()) == 1


def test_the_decision_covers_one_version_alone(
    as_mia: Any, rule: Any, vulnerable: Site, fake: FakeSite, config: Config
) -> None:
    lift(as_mia, vulnerable)
    fake.report["updates"]["plugins"][0]["version"] = "5.3.2"
    read_report(vulnerable, fake, config=config)
    assert auto_update_rules.propose_due(fake.clock()) == 0


def test_a_release_that_fixes_nothing_rests(as_mia: Any, rule: Any, today: Site) -> None:
    assert "Let rules install it now" not in text_of(page_of(as_mia, today))
    response = lift(as_mia, today)
    assert response.status_code == 409
    assert "You can approve the update yourself." in text_of(response)
    assert RestLift.select().count() == 0


def test_a_reason_is_needed(as_mia: Any, vulnerable: Site) -> None:
    response = lift(as_mia, vulnerable, rest="  ")
    assert response.status_code == 422
    assert "Enter a reason of at most 500 characters." in response.text
    assert RestLift.select().count() == 0


@pytest.mark.parametrize("changes", [{"version": "5.3.9"}, {"ident": "other/other.php"}])
def test_another_release_is_refused(as_mia: Any, vulnerable: Site, changes: dict[str, str]) -> None:
    assert lift(as_mia, vulnerable, **changes).status_code == 409
    assert RestLift.select().count() == 0


def test_a_second_decision_is_refused(as_mia: Any, vulnerable: Site) -> None:
    assert lift(as_mia, vulnerable).status_code == 303
    before = AuditEntry.head()
    assert lift(as_mia, vulnerable).status_code == 409
    assert AuditEntry.head() == before


def test_other_roles_cannot_lift_the_rest_period(
    as_ben: Any, as_cleo: Any, as_dora: Any, vulnerable: Site
) -> None:
    for person in (as_ben, as_cleo, as_dora):
        assert lift(person, vulnerable).status_code in (403, 404)
    assert RestLift.select().count() == 0


def test_a_manager_of_some_clients_cannot_decide_for_all(
    as_mia: Any, mia: Actor, vulnerable: Site
) -> None:
    client = Client.named("Bakery Ltd")
    Site.update(client=client).execute()
    User.update(limited_to=[client.id]).where(User.id == mia.id).execute()
    text = text_of(page_of(as_mia, vulnerable))
    assert "Age of release 5.3.1" in text
    assert "Let rules install it now" not in text
    response = lift(as_mia, vulnerable)
    assert response.status_code == 403
    assert "This is about all clients" in text_of(response)
    assert RestLift.select().count() == 0


def test_no_decision_overrides_the_minimum_age_of_the_site_owner(
    as_mia: Any, rule: Any, vulnerable: Site, fake: FakeSite, config: Config
) -> None:
    fake.report["agent"]["limits"]["min_age_hours"] = 24
    fake.report["updates"]["plugins"][0]["first_seen"] = int(fake.clock().timestamp())
    read_report(vulnerable, fake, config=config)
    lift(as_mia, vulnerable)
    assert auto_update_rules.propose_due(fake.clock()) == 0
    text = text_of(page_of(as_mia, vulnerable))
    assert "the owner of Bakery requires that the site has known a release for 24 hours" in text
