"""An owner enters a key for known vulnerabilities, or imports a file; no one else can."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from flask import Flask

from app.config import Config
from app.domain.vulnerabilities import upkeep
from app.http.errors import ErrorCode, Trait
from app.models.audit import AuditEntry
from app.models.sites import Site
from app.models.vulnerabilities import VulnerabilityFeed
from app.views import authorization
from tests.support.browsers import Person
from tests.support.fakes import Clock, RecordingQueue
from tests.support.vulnerability_feeds import feed, record

PAGE = "/settings/vulnerabilities"
KEY = "wf-key-0123456789"


def upload(person: Person, content: bytes, name: str = "feed.json"):
    return person.post(
        f"{PAGE}/file",
        data={"file": (io.BytesIO(content), name)},
        content_type="multipart/form-data",
        follow_redirects=True,
    )


def test_the_page_says_how_to_get_the_key(as_ana: Person) -> None:
    page = as_ana.get(PAGE).text
    assert "The key is free" in page
    assert "Nothing has been imported" in page


def test_the_key_is_saved_and_never_shown(as_ana: Person, jobs: RecordingQueue) -> None:
    answer = as_ana.post(f"{PAGE}/key", data={"key": f" {KEY} "}, follow_redirects=True)
    assert "Key saved" in answer.text
    assert KEY not in answer.text
    assert ("update_vulnerabilities",) in [job[:1] for job in jobs.jobs]
    assert AuditEntry.newest_of(("vulnerability_key_set",), site_id=None) is not None
    answer = as_ana.post(f"{PAGE}/key/remove", follow_redirects=True)
    assert "Key removed" in answer.text
    assert VulnerabilityFeed.read().key_sealed is None


def test_a_wrong_key_is_refused_at_its_field(as_ana: Person) -> None:
    answer = as_ana.post(f"{PAGE}/key", data={"key": "two words"})
    assert answer.status_code == 422
    assert "This is no key" in answer.text


def test_a_file_is_imported_by_a_job(
    ready: Site, as_ana: Person, config: Config, jobs: RecordingQueue
) -> None:
    assert "File uploaded" in upload(as_ana, feed(record(1), record(2))).text
    assert "being imported" in as_ana.get(PAGE).text
    assert upkeep.update(config) == "imported"
    page = as_ana.get(PAGE).text
    assert "An imported file" in page
    assert "2, of which 2 are about" in page


def test_a_refused_file_says_why_and_changes_nothing(
    ready: Site, as_ana: Person, config: Config
) -> None:
    upload(as_ana, feed(record(1)))
    upkeep.update(config)
    upload(as_ana, feed(record(2))[:-9])
    assert upkeep.update(config) == "failed"
    page = as_ana.get(PAGE).text
    assert "The file is not what Aura can read" in page
    assert "damaged or incomplete after record 1" in page
    assert VulnerabilityFeed.read().records == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not empty"), (b"PK\x03\x04", "begins with"), (b"[1]", "begins with")],
)
def test_a_file_that_is_no_feed_is_refused_at_once(
    as_ana: Person, config: Config, content: bytes, reason: str
) -> None:
    answer = upload(as_ana, content)
    assert answer.status_code == 422
    assert reason in answer.text
    assert VulnerabilityFeed.read().uploaded_at is None
    assert not list(config.var_dir.glob("vulnerabilities.upload*"))


def test_a_form_without_a_file_is_refused(as_ana: Person) -> None:
    assert "Choose a file." in as_ana.post(f"{PAGE}/file", data={}).text


def test_only_an_owner_changes_the_settings(as_ben: Person, as_cleo: Person) -> None:
    for person in (as_ben, as_cleo):
        assert person.get(PAGE).status_code == 403
        assert person.post(f"{PAGE}/key", data={"key": KEY}).status_code == 403
        assert upload(person, feed(record(1))).status_code in (403, 413)
    assert VulnerabilityFeed.read().key_sealed is None


def test_only_an_owner_may_send_a_large_file(
    as_ana: Person, as_ben: Person, anonymous: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = b"{" + b" " * 3_000_000
    assert upload(as_ana, large).status_code == 200
    assert upload(as_ben, large).status_code == 413
    assert upload(anonymous, large).status_code == 413
    monkeypatch.setattr(authorization, "_LARGE_UPLOAD_BYTES", 1_000_000)
    assert upload(as_ana, large).status_code == 413


def test_update_now_needs_a_key(as_ana: Person, clock: Clock) -> None:
    assert as_ana.post(f"{PAGE}/fetch").status_code == 409
    as_ana.post(f"{PAGE}/key", data={"key": KEY})
    assert "Update requested" in as_ana.post(f"{PAGE}/fetch", follow_redirects=True).text


def test_a_problem_is_shown_with_the_next_step(as_ana: Person, clock: Clock) -> None:
    as_ana.post(f"{PAGE}/key", data={"key": KEY})
    VulnerabilityFeed.write(
        problem="key_refused",
        problem_detail="HTTP 401",
        problem_since=clock() - timedelta(days=2),
        next_fetch_at=clock(),
    )
    page = as_ana.get(PAGE).text
    assert "Wordfence does not accept the key" in page
    assert "HTTP 401" in page
    assert "Next attempt" in page


def test_every_problem_has_words(app: Flask) -> None:
    with app.test_request_context():
        words = app.jinja_env.get_template("vulnerabilities/_words.html").module
    of_calls = [
        *ErrorCode.having(Trait.UNANSWERED),
        *(ErrorCode.malformed_reply, ErrorCode.encoded_reply, ErrorCode.reply_too_large),
    ]
    for code in [*of_calls, "key_refused", "feed_invalid", "file_invalid", "file_missing", "disk"]:
        problem = str(words.feed_problem(code))
        assert (problem == "The connection to Wordfence is not secure") == code.startswith("tls_")
        assert str(words.feed_next(code)).endswith(".")
