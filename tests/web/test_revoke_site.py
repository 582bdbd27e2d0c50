"""Revoke a connection with one click, and see exactly what is proven."""

from __future__ import annotations

import pytest

from app.domain.actor import SYSTEM
from app.domain.connection import health, revocation
from app.http.errors import ErrorCode
from app.models.base import transaction
from app.models.sites import Site
from tests.support.factories import read_report


@pytest.fixture
def disconnect(paired, fake, config):
    """Return a function that delivers the revocation once and returns the site's state."""

    def run() -> str:
        paired.refresh()
        paired.note(when=(paired.state,), revoke_next_at=fake.clock())
        revocation.deliver_revocation(
            paired.id, config=config, call=fake.call, call_bearer=fake.call_bearer, now=fake.clock
        )
        paired.refresh()
        return paired.state

    return run


def test_the_page_says_what_stops_and_what_stays_beside_the_one_button(as_ana, paired):
    text = as_ana.get(f"/sites/{paired.id}/connection").text
    assert "What stops" in text
    assert "What stays" in text
    assert f'action="/sites/{paired.id}/revoke"' in text
    assert "Revoke access to Bakery" in text


def test_one_click_starts_the_revocation(as_ana, paired, jobs):
    answer = as_ana.post(f"/sites/{paired.id}/revoke")
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"/sites/{paired.id}/connection",
    )
    assert jobs.names() == ["deliver_revocation"]
    text = as_ana.get(f"/sites/{paired.id}/connection").text
    assert "Asking the site to delete its keys" in text
    assert f'hx-get="/sites/{paired.id}/progress?seen=revoking&amp;tab=connection"' in text


def test_an_acknowledged_revocation_is_shown_as_confirmed(as_ana, paired, fake, config, disconnect):
    read_report(paired, fake, config=config)
    as_ana.post(f"/sites/{paired.id}/revoke")
    assert disconnect() == "revoked"
    text = as_ana.get(f"/sites/{paired.id}/connection").text
    assert "Revoked, confirmed by the site" in text
    assert "The answer matched the hash stored at pairing" in text
    assert "SiteAgent refused a correctly signed call" in text
    assert "hx-get" not in text
    overview = as_ana.get(f"/sites/{paired.id}").text
    assert "It is no longer updated" in overview
    assert "Akismet" in overview


def test_an_unreached_site_is_not_shown_as_revoked(as_ana, paired, fake, disconnect):
    as_ana.post(f"/sites/{paired.id}/revoke")
    fake.failing = [ErrorCode.connect_timeout] * 4
    assert disconnect() == "revoked_unreached"
    text = as_ana.get(f"/sites/{paired.id}/connection").text
    assert "Revoked in Aura, site not reached yet" in text
    assert "Next attempt" in text
    assert "The server did not respond" in text
    assert "Not seen." in text


def test_a_late_acknowledgement_is_no_proof(as_ana, paired, fake, disconnect):
    as_ana.post(f"/sites/{paired.id}/revoke")
    fake.failing = [ErrorCode.connect_timeout] * 4
    disconnect()
    fake.failing = []
    assert disconnect() == "revoked_unproven"
    text = as_ana.get(f"/sites/{paired.id}/connection").text
    assert "Revoked, not proven" in text
    assert "The answer matched the hash" in text
    assert "Aura has already destroyed the keys for such a call" in text


@pytest.mark.parametrize(
    ("confirmed", "words"),
    [
        (True, "Disconnected by the site, confirmed"),
        (False, "Disconnected by the site, unconfirmed"),
    ],
)
def test_a_disconnected_site_shows_if_this_is_confirmed(as_ana, paired, clock, confirmed, words):
    with transaction():
        health.mark_disconnected(paired, confirmed=confirmed, how="notice", by=SYSTEM, now=clock())
    text = as_ana.get(f"/sites/{paired.id}/connection").text
    assert words in text
    # Without proof Aura still has the keys and offers to revoke access.
    assert ("Revoke access to Bakery" in text) is not confirmed


def test_a_second_click_is_refused(as_ana, paired):
    as_ana.post(f"/sites/{paired.id}/revoke")
    assert as_ana.post(f"/sites/{paired.id}/revoke").status_code == 409


def test_a_viewer_cannot_revoke(as_cleo, paired):
    assert "Revoke access to" not in as_cleo.get(f"/sites/{paired.id}/connection").text
    assert as_cleo.post(f"/sites/{paired.id}/revoke").status_code == 403
    paired.refresh()
    assert paired.state == "active"


def test_a_revoked_site_can_be_connected_again_or_removed(as_ana, paired, disconnect):
    as_ana.post(f"/sites/{paired.id}/revoke")
    disconnect()
    text = as_ana.get(f"/sites/{paired.id}/connection").text
    assert "Connect this site again" in text
    assert "Pairing again resets the site's permissions." in text
    assert f'action="/sites/{paired.id}/forget"' in text
    answer = as_ana.post(f"/sites/{paired.id}/forget")
    assert answer.headers["Location"] == "/sites"
    assert Site.known(paired.id) is None
    assert as_ana.get(f"/sites/{paired.id}").status_code == 404


def test_a_paired_site_cannot_be_removed(as_ana, paired):
    assert (
        f'action="/sites/{paired.id}/forget"'
        not in as_ana.get(f"/sites/{paired.id}/connection").text
    )
    assert as_ana.post(f"/sites/{paired.id}/forget").status_code == 409


# ---- the certificate ----


def test_the_certificate_names_the_evidence_and_the_audit_log(as_ana, paired, disconnect):
    as_ana.post(f"/sites/{paired.id}/revoke")
    disconnect()
    text = as_ana.get(f"/sites/{paired.id}/certificate").text
    for words in ("Certificate of revocation", paired.fingerprint, paired.kid, "Ana", paired.url):
        assert words in text
    assert "What it does not prove" in text
    assert "Newest entry at issue" in text


def test_an_incomplete_proof_is_no_certificate_of_revocation(as_ana, paired, fake, disconnect):
    as_ana.post(f"/sites/{paired.id}/revoke")
    fake.failing = [ErrorCode.dns] * 4
    disconnect()
    text = as_ana.get(f"/sites/{paired.id}/certificate").text
    assert "Certificate of revocation" not in text
    assert "Record of the end of a connection" in text
    assert "It is not proven that the site has deleted its half" in text


def test_an_open_connection_has_no_certificate(as_ana, paired):
    assert as_ana.get(f"/sites/{paired.id}/certificate").status_code == 404
    as_ana.post(f"/sites/{paired.id}/revoke")
    assert as_ana.get(f"/sites/{paired.id}/certificate").status_code == 404
