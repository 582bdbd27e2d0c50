"""Known vulnerabilities on pages: the worst first, what fixes them, and a button for that."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask import Flask

from app.config import Config
from app.domain import attention
from app.domain.actor import SYSTEM, Actor
from app.domain.vulnerabilities import source, upkeep
from app.models.accounts import User
from app.models.base import utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.reports import Report
from app.models.sites import Site
from app.models.vulnerabilities import VulnerabilityFeed
from tests.support.browsers import Person, signed_in
from tests.support.factories import AKISMET
from tests.support.fakes import Clock
from tests.support.vulnerability_feeds import bounds, feed, record, software

UP_TO_5_3 = software("akismet", bounds("5.3"), patched=("5.3.1",))


def import_feed(config: Config, clock: Clock, *records: dict[str, Any]) -> None:
    path = config.var_dir / "some-feed.json"
    path.write_bytes(feed(*records))
    with path.open("rb") as file:
        source.accept_file_from_cli(file, by=SYSTEM, config=config, now=clock())
    assert upkeep.update(config, now=clock) == "imported"


@pytest.fixture
def vulnerable(ready: Site, config: Config, clock: Clock) -> Site:
    """Return a site with a plugin that has a critical and a less severe vulnerability."""
    import_feed(config, clock, record(1, UP_TO_5_3), record(2, UP_TO_5_3, score=5.4))
    # Pages read the real clock, and an update of old site data is blocked.
    Report.update(received_at=utcnow()).execute()
    return ready


def test_the_overview_names_the_version_with_the_fix(vulnerable: Site, as_ben: Person) -> None:
    page = as_ben.get("/").text
    assert "Critical vulnerability in Akismet 5.3: fixed in 5.3.1, Bakery" in page
    assert "CVE-2026-10001 (CVSS 9.8)" in page
    assert "Review update<" in page


def test_one_click_leads_to_the_review(vulnerable: Site, as_ben: Person) -> None:
    answer = as_ben.post("/vulnerabilities/1/review")
    assert answer.status_code == 303
    assert answer.location == f"/updates/{Change.get().batch}"
    # The update is in progress, so a second click says where to look.
    answer = as_ben.post("/vulnerabilities/1/review", follow_redirects=True)
    assert "No update that fixes Akismet is ready" in answer.text


def test_a_viewer_sees_a_vulnerability_and_no_button(vulnerable: Site, as_cleo: Person) -> None:
    page = as_cleo.get("/").text
    assert "Critical vulnerability in Akismet" in page
    assert "/vulnerabilities/1/review" not in page
    assert as_cleo.post("/vulnerabilities/1/review").status_code == 403


def test_the_list_has_all_entries_with_attribution(vulnerable: Site, as_cleo: Person) -> None:
    page = as_cleo.get("/vulnerabilities").text
    assert "2 known vulnerabilities" in page
    assert page.index("CVE-2026-10001") < page.index("CVE-2026-10002")
    assert "Copyright 2012-2026 Defiant Inc." in page
    assert "Copyright 1999-2026 The MITRE Corporation" in page
    assert "https://www.wordfence.com/threat-intel/vulnerabilities/id/1" in page


def test_without_data_the_list_says_how_to_get_it(ready: Site, as_ana: Person) -> None:
    page = as_ana.get("/vulnerabilities").text
    assert "Aura does not know yet" in page
    assert "/settings/vulnerabilities" in page


def test_a_client_user_sees_the_sites_health_only(vulnerable: Site, as_dora: Person) -> None:
    assert as_dora.get("/vulnerabilities").status_code == 403
    assert "vulnerability in Akismet" not in as_dora.get("/").text


def test_the_export_has_a_line_for_each_and_no_formula(
    ready: Site, as_ana: Person, config: Config, clock: Clock
) -> None:
    import_feed(config, clock, record(1, UP_TO_5_3, title="=HYPERLINK(1)"), record(2, UP_TO_5_3))
    answer = as_ana.get("/vulnerabilities/export.csv")
    lines = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [line["cve"] for line in lines] == ["CVE-2026-10002", "CVE-2026-10001"]
    assert lines[1]["title"] == "'=HYPERLINK(1)"
    assert (lines[0]["site"], lines[0]["fixed in"]) == ("Bakery", "5.3.1")
    assert "Defiant" in lines[0]["copyright"]


def test_the_updates_are_sorted_by_what_they_fix(vulnerable: Site, as_ben: Person) -> None:
    page = as_ben.get("/updates").text
    assert "Fixes a critical vulnerability" in page


def test_the_page_of_the_plugin_and_the_health_of_the_site_list_them(
    vulnerable: Site, as_ben: Person
) -> None:
    for page in (f"/plugins/plugin?ident={AKISMET}", f"/sites/{vulnerable.id}/health"):
        text = as_ben.get(page).text
        assert "CVE-2026-10001" in text, page
        assert "5.3.1" in text
        assert "Defiant" in text


def test_the_review_of_an_update_says_what_it_fixes(
    vulnerable: Site, as_ben: Person, proposed: Change
) -> None:
    text = as_ben.get(f"/changes/{proposed.id}").text
    assert "Fixes 2 known vulnerabilities" in text
    assert "CVE-2026-10001" in text


def test_the_review_says_what_the_update_does_not_fix(
    ready: Site, as_ben: Person, proposed: Change, config: Config, clock: Clock
) -> None:
    import_feed(config, clock, record(1, software("akismet", bounds("6.0"), patched=("6.1",))))
    text = as_ben.get(f"/changes/{proposed.id}").text
    assert "5.3.1 has a known vulnerability as well" in text


def test_ignoring_updates_says_what_it_leaves_open(vulnerable: Site, as_ben: Person) -> None:
    choice = f"plugin|{AKISMET}|5.3|5.3.1"
    text = as_ben.post("/updates/ignore", data={"want": choice}).text
    assert "Akismet has a known vulnerability" in text
    as_ben.post(
        "/updates/ignore", data={"want": choice, "scope": "these", "hold_reason": "breaks the shop"}
    )
    assert "Critical vulnerability in Akismet" in as_ben.get("/").text
    assert "ignored on 1" in as_ben.get("/vulnerabilities").text
    assert "Fixes a critical vulnerability" in as_ben.get("/updates/blocked").text


def test_the_list_says_that_its_data_is_old(vulnerable: Site, as_ben: Person, clock: Clock) -> None:
    VulnerabilityFeed.write(checked_at=clock.advance(days=-9) or clock())
    assert "The data is old" in as_ben.get("/vulnerabilities").text


def test_a_limited_user_sees_no_vulnerability_of_other_clients(
    vulnerable: Site, app: Flask, ben: Actor, ana: Actor, config: Config, clock: Clock
) -> None:
    other = Client.named("Other Ltd")
    User.update(limited_to=[other.id]).where(User.id == ben.id).execute()
    person = signed_in(app, ben)
    for address in ("/", "/vulnerabilities", "/vulnerabilities/export.csv", "/updates"):
        assert "Akismet" not in person.get(address).text, address
    assert person.post("/vulnerabilities/1/review").status_code == 404
    assert Change.select().count() == 0
    # E-mails do not mention the vulnerability either.
    findings, limited = attention.read_findings(), Actor.of(User.get_by_id(ben.id))
    assert attention.urgent_from(findings, limited) == []
    assert [vulnerability.id for vulnerability in findings.vulnerabilities] == [1]
    User.update(limited_to=None).where(User.id == ben.id).execute()
    assert "Akismet" in signed_in(app, ben).get("/vulnerabilities").text
