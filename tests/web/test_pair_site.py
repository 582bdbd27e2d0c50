"""Connect a site: the token, the wait, the fingerprint and every failure."""

from __future__ import annotations

import html
import re

import pytest

from app.domain.connection import pairing
from app.http.errors import ErrorCode
from app.models.base import utcnow
from app.models.site_record import SiteRecord
from app.models.sites import Pairing, Site
from tests.support.factories import make_site
from tests.support.fakes import Clock

pytestmark = pytest.mark.own_site


def token_in(text: str) -> str:
    return html.unescape(re.search(r"<textarea[^>]*>\s*(SA1\.[^<]+)</textarea>", text).group(1))


@pytest.fixture
def clock() -> Clock:
    """Return a clock at the real time, because views read the real clock."""
    return Clock(utcnow())


@pytest.fixture
def attempt(site, fake, config):
    """Return a function that runs one pairing attempt of the worker now."""

    def run() -> str:
        token = SiteRecord.known(site.id).token
        token.note(next_attempt_at=fake.clock(), leased_until=None)
        return pairing.attempt_pairing(token.id, config=config, call=fake.call, now=fake.clock)

    return run


def test_the_token_is_shown_once_with_three_steps(as_ben, site, jobs):
    answer = as_ben.post(f"/sites/{site.id}/token", follow_redirects=True)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert token_in(answer.text).startswith("SA1.")
    assert f"only at {site.url}." in answer.text
    assert f"{site.url}/wp-admin/options-general.php?page=siteagent" in answer.text
    assert 'href="/plugin/siteagent.zip"' in answer.text
    assert "Connect now" in answer.text
    again = as_ben.get(f"/sites/{site.id}").text
    assert "SA1." not in again
    assert "The token was shown once" in again
    assert ("pair_site", (Pairing.get().id,), 0) in jobs.jobs


def test_a_pasted_token_ends_with_the_same_fingerprint_on_both_sides(as_ben, site, fake, attempt):
    fake.paste(token_in(as_ben.post(f"/sites/{site.id}/token", follow_redirects=True).text))
    assert attempt() == "used"
    text = as_ben.get(f"/sites/{site.id}").text
    site.refresh()
    assert f'<code class="fingerprint fingerprint-big">{site.fingerprint}</code>' in text
    assert "Compare this code with the one under Settings" in text
    assert "Queued" in text


def test_the_waiting_page_polls_and_can_be_refreshed_without_scripts(as_ben, site):
    as_ben.post(f"/sites/{site.id}/token")
    text = as_ben.get(f"/sites/{site.id}").text
    assert f'hx-get="/sites/{site.id}/progress?seen=pairing&amp;tab=overview"' in text
    assert f'<a href="/sites/{site.id}">Refresh now</a>' in text


def test_the_page_redirects_when_pairing_has_ended(as_ben, site, fake, attempt):
    fake.paste(token_in(as_ben.post(f"/sites/{site.id}/token", follow_redirects=True).text))
    path = f"/sites/{site.id}/progress?seen=pairing"
    waiting = as_ben.get(path)
    assert "HX-Redirect" not in waiting.headers
    assert "data-poll" in waiting.text
    attempt()
    assert as_ben.get(path).headers["HX-Redirect"] == f"/sites/{site.id}"


def test_an_unpasted_token_differs_from_a_missing_plugin(as_ben, site, fake, attempt):
    as_ben.post(f"/sites/{site.id}/token")
    attempt()
    assert "It does not know the token yet" in as_ben.get(f"/sites/{site.id}").text
    fake.failing[:] = [ErrorCode.not_found, ErrorCode.not_found]
    attempt()
    assert "Install and activate the plugin" in as_ben.get(f"/sites/{site.id}").text


def test_an_unreachable_site_is_named_while_waiting(as_ben, site, fake, attempt):
    as_ben.post(f"/sites/{site.id}/token")
    fake.failing[:] = [ErrorCode.tls_expired, ErrorCode.tls_expired]
    attempt()
    assert "certificate has expired" in as_ben.get(f"/sites/{site.id}").text


def test_connect_now_queues_a_pairing_attempt(as_ben, site, jobs):
    as_ben.post(f"/sites/{site.id}/token")
    jobs.jobs.clear()
    answer = as_ben.post(f"/sites/{site.id}/pairing/try")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/sites/{site.id}")
    assert jobs.names() == ["pair_site"]


def test_a_cancelled_token_is_gone_and_the_page_says_so(as_ben, site):
    as_ben.post(f"/sites/{site.id}/token")
    assert as_ben.post(f"/sites/{site.id}/pairing/cancel").status_code == 303
    text = as_ben.get(f"/sites/{site.id}").text
    assert "The last token was cancelled" in text
    assert "Create pairing token" in text


def test_cancelling_twice_is_refused(as_ben, site):
    as_ben.post(f"/sites/{site.id}/token")
    as_ben.post(f"/sites/{site.id}/pairing/cancel")
    assert as_ben.post(f"/sites/{site.id}/pairing/cancel").status_code == 409
    assert as_ben.post(f"/sites/{site.id}/pairing/try").status_code == 409


def test_the_page_says_that_a_token_expired(as_ben, site, fake, attempt):
    as_ben.post(f"/sites/{site.id}/token")
    fake.clock.advance(minutes=31)
    attempt()
    text = as_ben.get(f"/sites/{site.id}").text
    assert "The last token expired before it was used" in text


def test_a_token_pasted_in_another_site_names_both_addresses(as_ben, site, fake, attempt):
    fake.says_home = "https://copy.example"
    fake.paste(token_in(as_ben.post(f"/sites/{site.id}/token", follow_redirects=True).text))
    assert attempt() == "failed"
    text = as_ben.get(f"/sites/{site.id}").text
    assert "Another site answered" in text
    assert "https://copy.example" in text
    assert Site.get().state == "new"


def test_a_viewer_gets_no_token(as_cleo, site):
    assert "Create pairing token" not in as_cleo.get(f"/sites/{site.id}").text
    for path in ("token", "pairing/try", "pairing/cancel"):
        assert as_cleo.post(f"/sites/{site.id}/{path}").status_code == 403
    assert Pairing.select().count() == 0


def test_a_paired_site_gives_no_second_token(as_ben, paired):
    assert as_ben.post(f"/sites/{paired.id}/token").status_code == 409


def test_following_a_link_changes_nothing(as_ben, site):
    for path in ("pairing/try", "pairing/cancel", "sync", "revoke", "forget"):
        assert as_ben.get(f"/sites/{site.id}/{path}").status_code == 405
    assert as_ben.get(f"/sites/{site.id}/token").headers["Location"] == f"/sites/{site.id}"
    assert Pairing.select().count() == 0


def test_reloading_the_token_page_creates_no_second_token(as_ben, site, fake, attempt):
    page = as_ben.post(f"/sites/{site.id}/token").headers["Location"]
    token = token_in(as_ben.get(page).text)
    again = as_ben.get(page, follow_redirects=True).text
    assert "A pairing token is shown only once." in again
    assert "SA1." not in again
    assert Pairing.select().count() == 1
    fake.paste(token)
    assert attempt() == "used"


def test_a_token_of_another_site_is_not_shown_in_its_place(as_ben, site, ana):
    other = make_site(ana, now=utcnow(), url="https://other.example", name="Other")
    as_ben.post(f"/sites/{site.id}/token")
    assert as_ben.get(f"/sites/{other.id}/token").status_code == 303
