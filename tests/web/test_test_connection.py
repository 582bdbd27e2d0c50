"""Test the connection to a site, and read what blocks it."""

from __future__ import annotations

import html
import re

import pytest

from app.domain.connection import revocation
from app.domain.diagnostics import runs
from app.http.errors import CallError, ErrorCode
from app.models.base import db
from app.models.diagnostics import ABANDONED, DIAGNOSING, QUEUED, DiagnosticRun
from app.views.diagnostics import as_text
from tests.support.fake_looks import Eyes
from tests.support.fakes import FakeSite
from tests.support.hostile.server import HostileServer
from tests.support.hostile.wordpress import WordPress

HOSTILE = "<script>alert(1)</script>"


def diagnosed(site, fake: FakeSite, config, by, eyes: Eyes) -> DiagnosticRun:
    requested = runs.request_diagnostics(site, by=by, now=fake.clock())
    runs.run_diagnostics(requested.id, config=config, call=fake.call, look=eyes, now=fake.clock)
    return DiagnosticRun.get_by_id(requested.id)


def card(text: str) -> str:
    """Return the markup of the card, up to the next card."""
    inside = text.split('<section class="section" id="connection-check"', 1)[1]
    return re.split(r'<section class="section[^>]* id="', inside, maxsplit=1)[0]


def copyable(text: str) -> str:
    found = re.search(r'<textarea id="c-diagnostic_run"[^>]*>\n(.*?)</textarea>', text, re.DOTALL)
    assert found, text
    return html.unescape(found.group(1))


def test_a_request_queues_one_run_and_shows_its_progress(as_ben, paired, jobs):
    answer = as_ben.post(f"/sites/{paired.id}/examine")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/sites/{paired.id}/connection#connection-check"
    assert jobs.names() == ["run_diagnostics_on_site"]
    text = as_ben.get(f"/sites/{paired.id}/connection").text
    assert "Requested by Ben" in text
    assert f'hx-get="/sites/{paired.id}/diagnostic_run?seen=queued"' in text
    assert "Test connection" not in text
    as_ben.post(f"/sites/{paired.id}/examine")
    assert DiagnosticRun.select().count() == 1


def test_each_step_is_shown_until_polling_stops(as_ben, paired, ana, clock):
    requested = runs.request_diagnostics(paired, by=ana, now=clock())
    path = f"/sites/{paired.id}/diagnostic_run"
    waiting = as_ben.get(f"{path}?seen=queued")
    assert "HX-Refresh" not in waiting.headers
    assert waiting.headers["Cache-Control"] == "no-store"
    requested.move(to=DIAGNOSING, when=(QUEUED,), started_at=clock())
    assert as_ben.get(f"{path}?seen=queued").headers["HX-Refresh"] == "true"
    now = as_ben.get(f"{path}?seen=diagnosing")
    assert "HX-Refresh" not in now.headers
    step = now.text.split('aria-current="step"', 1)[1]
    assert "Testing DNS, HTTPS" in step.split("</li>", 1)[0]
    requested.move(to=ABANDONED, when=(DIAGNOSING,), ended_at=clock())
    ended = as_ben.get(f"{path}?seen=diagnosing")
    assert ended.headers["HX-Refresh"] == "true"
    assert "hx-get" not in ended.text
    assert "interrupted before it had a result" in ended.text


def test_a_site_without_a_problem(as_ben, paired, fake, config, ana):
    diagnosed(paired, fake, config, ana, Eyes())
    text = as_ben.get(f"/sites/{paired.id}/connection").text
    assert "No problem found: the site answered a signed call" in card(text)
    assert "All 18 checks" in text
    assert "The site answered a signed call" in text
    assert "Test connection" in text
    whole = copyable(text)
    assert whole.startswith("Aura: connection test\nSite: https://bakery.example\n")
    assert "[ok] Signed call: The site answered a signed call" in whole


def test_a_blocker_is_named_with_evidence_and_remedy(as_ben, paired, fake, config, ana):
    error = CallError(
        ErrorCode.tls_expired, {"not_after": "2026-11-01T00:00:00Z", "issuer": HOSTILE}
    )
    diagnosed(paired, fake, config, ana, Eyes(error))
    text = as_ben.get(f"/sites/{paired.id}/connection").text
    shown = card(text)
    assert "Encryption: The site&#39;s certificate has expired" in shown
    assert "Renew the certificate at the host" in shown
    assert "2026-11-01T00:00:00Z" in shown
    assert "Not tested because of: Encryption" in shown
    assert HOSTILE not in text
    assert "(tls, tls_expired)" in copyable(text)
    assert HOSTILE in copyable(text)


def test_page_and_command_show_the_same_text(app, as_ben, paired, fake, config, ana):
    done = diagnosed(paired, fake, config, ana, Eyes())
    with app.app_context():
        assert copyable(as_ben.get(f"/sites/{paired.id}/connection").text) == as_text(
            runs.found_by(done)
        )


def test_a_viewer_reads_a_result_and_cannot_request_a_test(as_cleo, paired, fake, config, ana):
    diagnosed(paired, fake, config, ana, Eyes())
    text = as_cleo.get(f"/sites/{paired.id}/connection").text
    assert "No problem found" in text
    assert "Test connection" not in text
    assert as_cleo.post(f"/sites/{paired.id}/examine").status_code == 403


def test_a_site_that_is_not_paired_can_be_diagnosed(as_ben, site, fake, config, ana):
    text = as_ben.get(f"/sites/{site.id}/connection").text
    assert "Not tested yet" in card(text)
    diagnosed(site, fake, config, ana, Eyes())
    text = as_ben.get(f"/sites/{site.id}/connection").text
    assert "Reachable, and SiteAgent answers" in card(text)
    assert "Test again after pairing" in card(text)


def test_a_revoked_site_offers_no_connection_test(as_ben, paired, fake, config, ana):
    diagnosed(paired, fake, config, ana, Eyes())
    revocation.revoke_access(paired, by=ana, now=fake.clock())
    assert 'id="connection-check"' not in as_ben.get(f"/sites/{paired.id}/connection").text
    assert as_ben.post(f"/sites/{paired.id}/examine").status_code == 409


def test_a_removed_site_has_no_connection_test(as_ben):
    assert as_ben.post("/sites/4711/examine").status_code == 404
    assert as_ben.get("/sites/4711/diagnostic_run").status_code == 404


def test_a_connection_test_needs_a_post(as_ben, paired):
    assert as_ben.get(f"/sites/{paired.id}/examine").status_code == 405


# ---- on the command line


@pytest.fixture
def run(app):
    return app.test_cli_runner().invoke


def test_the_command_names_the_problem_and_exits_with_1(run):
    result = run(args=["test-connection", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "Result: Blocked: " in result.output
    assert result.output.startswith("Aura: connection test\nSite: http://127.0.0.1:9\n")
    assert "&" not in result.output


@pytest.mark.parametrize("address", ["ftp://x.example", "", "https://", "https://a b"])
def test_the_command_refuses_an_invalid_address_with_2(run, address):
    refused = run(args=["test-connection", address])
    assert refused.exit_code == 2
    assert "Invalid value for URL" in refused.output


def test_the_command_exits_with_0_without_a_problem(run, app):
    db.close()
    with HostileServer(WordPress()) as server:
        result = run(args=["test-connection", f"{server.url}/wp-admin/"])
    assert result.exit_code == 0
    assert "Result: Reachable, and SiteAgent answers" in result.output
    assert "Not paired: signed calls were not tested. Test again after pairing." in result.output
