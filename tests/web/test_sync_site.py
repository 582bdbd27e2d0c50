"""Request a sync of a site and follow its progress."""

from __future__ import annotations

from datetime import timedelta

from app.domain.connection.health import UNCONFIRMED_AFTER
from app.http.errors import ErrorCode
from app.models.base import utcnow
from app.models.reports import ASKING, QUEUED, READING, Sync
from app.models.sites import Site
from tests.support.factories import read_report


def test_a_request_queues_one_sync_and_shows_its_progress(as_ben, paired, fake, config, jobs):
    read_report(paired, fake, config=config)
    jobs.jobs.clear()
    answer = as_ben.post(f"/sites/{paired.id}/sync")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/sites/{paired.id}")
    assert jobs.names() == ["sync_site"]
    text = as_ben.get(f"/sites/{paired.id}").text
    assert "Requested by Ben" in text
    assert f'hx-get="/sites/{paired.id}/progress?seen=sync&amp;tab=overview"' in text
    assert "Sync now" not in text
    assert "Akismet" in text


def test_a_second_click_queues_no_second_sync(as_ben, paired):
    as_ben.post(f"/sites/{paired.id}/sync")
    as_ben.post(f"/sites/{paired.id}/sync")
    assert Sync.select().where(Sync.site == paired).count() == 1


def test_each_step_is_shown_as_it_happens(as_ben, paired):
    sync = Sync.open_for(paired)
    path = f"/sites/{paired.id}/progress?seen=sync"
    shown = [_step_now(as_ben.get(path).text)]
    sync.move(to=ASKING, when=(QUEUED,))
    shown.append(_step_now(as_ben.get(path).text))
    sync.move(to=READING, when=(ASKING,))
    shown.append(_step_now(as_ben.get(path).text))
    assert shown == ["Queued", "Requesting data from the site", "Checking and saving the data"]


def _step_now(text: str) -> str:
    return text.split('aria-current="step"', 1)[1].split("<span>", 1)[1].split("</span>", 1)[0]


def test_polling_stops_when_the_sync_is_done(as_ben, paired, fake, config):
    path = f"/sites/{paired.id}/progress?seen=sync"
    assert "HX-Redirect" not in as_ben.get(path).headers
    read_report(paired, fake, config=config)
    ended = as_ben.get(path)
    assert ended.headers["HX-Redirect"] == f"/sites/{paired.id}"
    assert "every 3s" not in ended.text
    assert "every 3s" not in as_ben.get(f"/sites/{paired.id}").text


def test_an_open_page_follows_its_connection(as_ben, today):
    text = as_ben.get(f"/sites/{today.id}").text
    assert 'seen=healthy&amp;tab=overview" hx-trigger="every 30s"' in text
    path = f"/sites/{today.id}/progress?seen=healthy"
    assert "HX-Redirect" not in as_ben.get(path).headers
    today.move(to="disconnected", when=("active",))
    assert as_ben.get(path).headers["HX-Redirect"] == f"/sites/{today.id}"


def test_a_viewer_cannot_request_a_sync(as_cleo, paired, fake, config):
    read_report(paired, fake, config=config)
    assert "Sync now" not in as_cleo.get(f"/sites/{paired.id}").text
    assert as_cleo.post(f"/sites/{paired.id}/sync").status_code == 403


def test_a_site_that_is_not_paired_cannot_be_synced(as_ben, site):
    assert as_ben.post(f"/sites/{site.id}/sync").status_code == 409


def test_a_site_that_cannot_write_is_not_shown_as_disconnected(as_ben, paired, fake, config):
    fake.refusing["report"] = "nonce_store_unavailable"
    for _ in range(UNCONFIRMED_AFTER + 1):
        sync = read_report(paired, fake, config=config)
        assert (sync.state, sync.error_code) == ("failed", "nonce_store_unavailable")
    assert (paired.state, paired.connection) == ("active", "degraded")
    text = as_ben.get(f"/sites/{paired.id}").text
    assert "The site cannot write to its database" in text
    assert "The connection works and nothing was changed." in text
    assert "pair again" not in text
    assert "does not know this key" not in text
    fake.refusing.clear()
    assert read_report(paired, fake, config=config).state == "done"
    assert paired.connection == "healthy"


def test_the_page_of_a_failing_site_says_when_it_is_tried_again(as_ben, ready, fake, config):
    fake.failing = [ErrorCode.connect_timeout]
    read_report(ready, fake, config=config)
    Site.update(next_sync_at=utcnow() + timedelta(hours=2, minutes=30)).execute()
    text = as_ben.get(f"/sites/{ready.id}").text
    assert "1 call in a row failed. Next attempt" in text
    assert "<span>in 2 hours</span>" in text
    assert "Sync now" in text


def test_the_page_of_a_failing_site_that_is_due_promises_no_time(as_ben, ready, fake, config):
    fake.failing = [ErrorCode.connect_timeout]
    read_report(ready, fake, config=config)
    Site.update(next_sync_at=utcnow() - timedelta(minutes=1)).execute()
    text = as_ben.get(f"/sites/{ready.id}").text
    assert "Aura keeps trying on schedule." in text
    assert "Next attempt" not in text
