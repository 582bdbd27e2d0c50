"""The client report, as a page and as a PDF."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from pypdf import PdfReader

from app.domain import audit
from app.domain.audit import EntryFilter
from app.domain.audit.documents import entry_document
from app.domain.changes import proposals
from app.http.errors import ErrorCode
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.clients import Client
from app.models.sites import Site
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    make_site,
    propose,
    read_report,
    run_change,
)

pytestmark = [pytest.mark.both_databases, pytest.mark.own_site]

DAYS = {"from": "2026-11-01", "to": "2026-11-30"}
QUERY = "from=2026-11-01&to=2026-11-30"


@pytest.fixture
def site(ana, clock, jobs) -> Site:
    return make_site(ana, now=clock(), client="Bakery Ltd")


@pytest.fixture
def client(ready, ana, ben, fake, config, clock) -> Client:
    """Return a client on whose site an update was proposed, approved and installed."""
    make_site(ana, now=clock(), url="https://rival.example", name="Rival", client="Rival Ltd")
    change = check(propose(ready, ben, clock(), reason="a hole was closed"), fake, config)
    approve(change, ana, config, clock())
    run_change(change, fake, config)
    return ready.client


@pytest.fixture
def shared_rule(ready, ana, clock) -> AutoUpdateRule:
    """Return an auto-update rule for one site of each of two clients."""
    rival = make_site(
        ana, now=clock(), url="https://rival.example", name="Secret Launch", client="Rival Ltd"
    )
    return AutoUpdateRule.create(
        name="Nightly", permissions=["plugins"], release_types=["patch"], weekdays=[0],
        site_ids=[ready.id, rival.id], from_hour=1, to_hour=4, created_by=ana.id, maker="Ana",
        created_at=clock(), reason="x", expires_at=clock() + timedelta(days=30),
    )  # fmt: skip


def pdf_report(person, client, **days):
    return person.post(f"/clients/{client.id}/report.pdf", data={**DAYS, **days})


def text_of(answer) -> str:
    pages = PdfReader(io.BytesIO(answer.data)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


def test_the_page_says_what_was_proposed_approved_and_done(as_ana, client):
    text = as_ana.get(f"/clients/{client.id}/report?{QUERY}").text
    for words in (
        "Ben proposed it: “a hole was closed”",
        "Ana approved exactly this",
        "The site confirmed version 5.3.1",
        "checks (100.0 %)",
        "These are regular connection checks, not uptime monitoring",
        "Who can update your sites",
    ):
        assert words in text, words
    assert "Rival" not in text
    head = AuditEntry.head()
    assert head.hash in text
    assert f'href="/activity/{head.seq}"' in text


def test_a_shared_rule_names_only_sites_of_this_client(as_ana, ready, shared_rule):
    text = as_ana.get(f"/clients/{ready.client.id}/report?{QUERY}").text
    assert f"Nightly: {ready.name}, " in text
    assert "Secret Launch" not in text


def test_only_those_who_see_the_client_are_named_as_approvers(as_ana, client, ben):
    def approvers():
        text = as_ana.get(f"/clients/{client.id}/report?{QUERY}").text
        return re.findall(r"Approvers at the agency</dt><dd>([^<]*)</dd>", text)

    assert approvers() == ["Ana, Ben"]
    rival = Client.get(Client.name == "Rival Ltd")
    User.update(limited_to=[rival.id]).where(User.id == ben.id).execute()
    assert approvers() == ["Ana"]


def test_the_pdf_says_the_same_and_names_the_hash_of_its_entry(as_ana, client):
    answer = pdf_report(as_ana, client)
    assert answer.mimetype == "application/pdf"
    assert "report-bakery-ltd-2026-11-01-2026-11-30.pdf" in answer.headers["Content-Disposition"]
    text = text_of(answer)
    for words in (
        "Ana approved exactly this",
        "The site confirmed version 5.3.1",
        "Report for Bakery Ltd",
    ):
        assert words in text, words
    entry = audit.find_entries(EntryFilter(event="client_report_issued"))[0]
    assert entry == AuditEntry.head()
    assert entry.hash in text.replace(" ", "")
    assert entry_document(entry)["facts"]["digest"] in text.replace(" ", "")
    assert entry.client_id == client.id


def test_the_summary_leaves_out_what_did_not_happen(as_ana, client):
    page = as_ana.get(f"/clients/{client.id}/report?{QUERY}").text
    summary = page.split('id="short"')[1].split("</dl>")[0]
    assert re.search(r"<dt>Succeeded</dt><dd>1</dd>", summary)
    for term in ("Rolled back", "Failed", "Result unknown", "Not carried out", "needed checking"):
        assert term not in summary


def test_page_and_pdf_name_the_agency(app, as_ana, client, config):
    assert "Prepared by" not in as_ana.get(f"/clients/{client.id}/report?{QUERY}").text
    app.config["AURA"] = replace(config, agency="Tide & Partners")
    assert (
        "Prepared by Tide &amp; Partners."
        in as_ana.get(f"/clients/{client.id}/report?{QUERY}").text
    )
    assert "2026-11-01 to 2026-11-30, by Tide & Partners" in text_of(pdf_report(as_ana, client))


def test_reading_the_page_writes_nothing(as_ana, client):
    before = AuditEntry.head().seq
    as_ana.get(f"/clients/{client.id}/report?{QUERY}")
    as_ana.get("/clients")
    assert AuditEntry.head().seq == before


def test_a_client_user_sees_only_their_own_report(as_dora, client):
    rival = Client.get(Client.name == "Rival Ltd")
    assert as_dora.get("/clients").headers["Location"] == f"/clients/{client.id}/report"
    text = as_dora.get(f"/clients/{client.id}/report?{QUERY}").text
    assert "Ana approved exactly this" in text
    assert pdf_report(as_dora, client).status_code == 200
    assert as_dora.get(f"/clients/{rival.id}/report?{QUERY}").status_code == 404
    assert pdf_report(as_dora, rival).status_code == 404


@pytest.mark.parametrize(
    ("plays", "words"),
    [
        (("rolled_back", "fatal_after"), "The site rolled back to the previous version:"),
        (("failed", "version_wrong_after"), "failed and needs checking"),
    ],
)
def test_the_report_says_why_an_update_did_not_succeed(
    as_ana, ready, ana, ben, fake, config, clock, plays, words
):
    fake.changes.plays[AKISMET] = plays
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    run_change(change, fake, config)
    assert words in as_ana.get(f"/clients/{ready.client_id}/report?{QUERY}").text
    assert words in text_of(pdf_report(as_ana, ready.client))


def test_a_time_without_checks_is_named_and_not_counted(as_ana, client, fake, config, clock):
    clock.advance(hours=30)
    read_report(Site.get(Site.name == "Bakery"), fake, config=config)
    text = as_ana.get(f"/clients/{client.id}/report?{QUERY}").text
    assert "Aura did not run them" in text
    assert "the site was not connected" in text


@pytest.mark.parametrize(
    ("days", "field"),
    [
        ({"from": "x"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"from": "2026-12-01", "to": "2026-11-01"}, "to"),
        ({"from": "2999-01-01", "to": "2999-01-02"}, "from"),
        ({"from": "0026-11-01"}, "from"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from"),
        ({"from": "2023-11-01"}, "to"),
        ({"to": "9998-12-31"}, "to"),
    ],
)
def test_invalid_days_are_refused_beside_their_field(as_ana, client, days, field):
    query = "&".join(f"{name}={value}" for name, value in {**DAYS, **days}.items())
    answer = as_ana.get(f"/clients/{client.id}/report?{query}")
    assert (answer.status_code, f'id="f-{field}-error"' in answer.text) == (422, True)
    assert pdf_report(as_ana, client, **days).status_code == 422


def test_hostile_names_stay_text_on_the_page_and_in_the_pdf(as_ana, client):
    hostile = '<script>alert(1)</script>{{7*7}} =1+1 \u202eevil 漢字 "x'
    Site.update(name=hostile[:120]).execute()
    text = as_ana.get(f"/clients/{client.id}/report?{QUERY}").text
    assert "<script>alert" not in text
    pdf_text = text_of(pdf_report(as_ana, client))
    assert "<script>alert(1)</script>{{7*7}}" in pdf_text
    assert "\u202e" not in pdf_text
    assert "Some characters are missing in the font" in pdf_text


def test_a_result_that_stays_unknown_is_open_until_a_person_has_checked(
    as_ana, ready, ana, ben, fake, config, clock
):
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    fake.failing = [ErrorCode.too_slow]
    run_change(change, fake, config)
    # Aura does this after an hour without an answer.
    change.update_if(is_incident=True)
    address, words = f"/clients/{ready.client_id}/report?{QUERY}", "The result of the update of"
    assert words in as_ana.get(address).text
    proposals.close_incident(change, by=ana, note="The website works.", now=clock())
    assert words not in as_ana.get(address).text
