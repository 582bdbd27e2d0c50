"""Fetch known vulnerabilities with the agency's key; a failure keeps the stored data."""

from __future__ import annotations

import errno
import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.errors import Conflict, Forbidden, Invalid
from app.domain.vulnerabilities import source, upkeep
from app.domain.vulnerabilities.feed_import import ImportResult, import_file
from app.models.audit import AuditEntry
from app.models.sites import Site
from app.models.vulnerabilities import Vulnerability, VulnerabilityFeed
from tests.support.config import make_config
from tests.support.fakes import Clock, RecordingQueue
from tests.support.vulnerability_feeds import feed, record

KEY = "wf-key-0123456789"


class Wordfence:
    """A server in place of Wordfence: `answer` is a status, headers and a body."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {"ETag": '"one"'}, feed(record(1)))
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append({"path": self.path, **self.headers})
                status, headers, body = server.answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep the output of the tests clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api/vulnerabilities/production"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def wordfence() -> Iterator[Wordfence]:
    server = Wordfence()
    yield server
    server.stop()


@pytest.fixture
def aura(config: Config, wordfence: Wordfence) -> Config:
    """Return the configuration of this test's database, with the feed of this server."""
    return make_config(
        config.var_dir, database_url=config.database_url, vulnerability_feed_url=wordfence.url
    )


def events(name: str) -> list[dict[str, Any]]:
    return [entry_document(entry)["facts"] for entry in AuditEntry.select() if entry.event == name]


def fetch(aura: Config, clock: Clock) -> str:
    """Let a day pass, and fetch the feed."""
    clock.advance(days=1, minutes=1)
    assert upkeep.request_due(clock()) == 1
    return upkeep.update(aura, now=clock)


@pytest.fixture
def fetched(
    ready: Site, ana: Actor, aura: Config, clock: Clock, wordfence: Wordfence, jobs: RecordingQueue
) -> None:
    """Set a key, and fetch one vulnerability of the site."""
    source.set_key(KEY, by=ana, config=aura, now=clock())
    assert upkeep.update(aura, now=clock) == "imported"
    assert Vulnerability.select().count() == 1


@pytest.mark.usefixtures("fetched")
def test_the_key_is_sealed_and_sent_in_one_header(wordfence: Wordfence) -> None:
    (headers,) = wordfence.requests
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert "Cookie" not in headers
    stored = VulnerabilityFeed.read()
    assert KEY not in stored.key_sealed
    assert stored.digest == events("vulnerability_feed_imported")[0]["digest"]
    assert not any(KEY in entry.body for entry in AuditEntry.select())


@pytest.mark.usefixtures("fetched")
def test_the_feed_is_fetched_once_a_day_and_not_if_unchanged(
    aura: Config, clock: Clock, wordfence: Wordfence
) -> None:
    assert upkeep.request_due(clock()) == 0
    wordfence.answer = (304, {}, b"")
    assert fetch(aura, clock) == "imported"
    assert wordfence.requests[-1]["If-None-Match"] == '"one"'
    assert VulnerabilityFeed.read().checked_at == clock()
    assert len(events("vulnerability_feed_imported")) == 1


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((401, {}, b"{}"), "key_refused"),
        ((403, {}, b""), "key_refused"),
        ((410, {}, b""), "not_found"),
        ((429, {}, b""), "too_many_requests"),
        ((503, {}, b""), "server_error"),
        ((400, {}, b""), "refused"),
        ((301, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), "redirected"),
        ((200, {"Content-Encoding": "gzip"}, b"x"), "encoded_reply"),
        ((200, {"Content-Length": "99999"}, feed(record(2))), "broken_off"),
        ((200, {}, feed(record(2))[:-1]), "feed_invalid"),
        ((200, {}, b"<html>Checking your browser</html>"), "feed_invalid"),
        ((200, {}, b"{}"), "feed_invalid"),
    ],
)
def test_a_failure_keeps_the_stored_data_and_its_reason(
    aura: Config,
    clock: Clock,
    wordfence: Wordfence,
    answer: tuple[int, dict[str, str], bytes],
    problem: str,
) -> None:
    wordfence.answer = answer
    assert fetch(aura, clock) == "failed"
    assert VulnerabilityFeed.read().problem == problem
    assert Vulnerability.get().record_id == record(1)["id"]
    assert [fact["problem"] for fact in events("vulnerability_feed_failed")] == [problem]
    assert not list(aura.var_dir.glob("vulnerabilities.part"))
    # The same failure on the next day adds no entry, and its end adds one.
    assert fetch(aura, clock) == "failed"
    assert len(events("vulnerability_feed_failed")) == 1
    wordfence.answer = (200, {}, feed(record(1)))
    assert fetch(aura, clock) == "imported"
    assert [fact["problem"] for fact in events("vulnerability_feed_recovered")] == [problem]
    assert VulnerabilityFeed.read().problem == ""


@pytest.mark.usefixtures("fetched")
def test_a_feed_of_less_than_half_the_size_counts_as_incomplete(
    aura: Config, clock: Clock, wordfence: Wordfence
) -> None:
    wordfence.answer = (200, {}, feed(*(record(number) for number in range(1, 6))))
    assert fetch(aura, clock) == "imported"
    wordfence.answer = (200, {}, feed(record(1), record(2)))
    assert fetch(aura, clock) == "failed"
    assert "taken for a part" in VulnerabilityFeed.read().problem_detail
    assert Vulnerability.select().count() == 5


@pytest.mark.usefixtures("fetched")
def test_attempts_become_rarer_up_to_once_a_day(
    aura: Config, clock: Clock, wordfence: Wordfence
) -> None:
    wordfence.answer = (503, {}, b"")
    waits = []
    clock.advance(days=2)
    for _ in range(7):
        assert upkeep.update(aura, now=clock) == "failed"
        waits.append(VulnerabilityFeed.read().next_fetch_at - clock())
        clock.now = VulnerabilityFeed.read().next_fetch_at
    assert waits[:3] == [timedelta(hours=1), timedelta(hours=2), timedelta(hours=4)]
    assert waits[-1] == timedelta(days=1)


@pytest.mark.usefixtures("fetched")
def test_a_full_disk_is_reported_and_the_feed_is_fetched_later(aura: Config, clock: Clock) -> None:
    def write(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    clock.advance(days=1, minutes=1)
    assert upkeep.update(aura, fetch=write, now=clock) == "failed"
    stored = VulnerabilityFeed.read()
    assert (stored.problem, stored.problem_detail) == ("disk", "No space left on device")
    assert stored.next_fetch_at - clock() == timedelta(hours=1)


@pytest.mark.usefixtures("fetched")
def test_a_killed_job_does_not_fetch_again_in_the_next_minute(aura: Config, clock: Clock) -> None:
    def die(*_: object, **__: object) -> str:
        raise RuntimeError("the worker ended")

    clock.advance(days=1, minutes=1)
    with pytest.raises(RuntimeError):
        upkeep.update(aura, fetch=die, now=clock)
    clock.advance(minutes=1)
    assert upkeep.request_due(clock()) == 0
    clock.advance(hours=1)
    assert upkeep.request_due(clock()) == 1


@pytest.mark.usefixtures("fetched")
def test_a_key_entered_during_a_fetch_is_used_at_once(
    ana: Actor, aura: Config, clock: Clock
) -> None:
    def fetch_slowly(*_: object, **__: object) -> None:
        source.set_key("wf-key-another-one", by=ana, config=aura, now=clock())

    clock.advance(days=1, minutes=1)
    assert upkeep.update(aura, fetch=fetch_slowly, now=clock) == "imported"
    assert upkeep.request_due(clock()) == 1


def test_a_file_uploaded_during_an_import_is_imported_next(
    ready: Site,
    ana: Actor,
    aura: Config,
    clock: Clock,
    jobs: RecordingQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def upload(number: int) -> None:
        file = io.BytesIO(feed(record(number)))
        source.accept_file(file, by=ana, config=aura, now=clock.advance(seconds=1))

    def import_slowly(path: Path, **options: Any) -> ImportResult:
        result = import_file(path, **options)
        monkeypatch.setattr(upkeep, "import_file", import_file)
        upload(2)
        return result

    monkeypatch.setattr(upkeep, "import_file", import_slowly)
    upload(1)
    assert upkeep.update(aura, now=clock) == "imported"
    assert Vulnerability.get().record_id == record(1)["id"]
    assert upkeep.request_due(clock()) == 1
    assert upkeep.update(aura, now=clock) == "imported"
    assert [row.record_id for row in Vulnerability.select()] == [record(2)["id"]]
    assert upkeep.request_due(clock()) == 0


def test_a_forbidden_address_is_not_called(
    ready: Site, ana: Actor, aura: Config, clock: Clock, wordfence: Wordfence, config: Config
) -> None:
    strict = make_config(
        config.var_dir,
        database_url=config.database_url,
        vulnerability_feed_url=wordfence.url,
        allow_nets=(),
    )
    source.set_key(KEY, by=ana, config=strict, now=clock())
    assert upkeep.update(strict, now=clock) == "failed"
    assert VulnerabilityFeed.read().problem == "address_refused"
    assert wordfence.requests == []


@pytest.mark.usefixtures("fetched")
def test_without_the_key_nothing_is_fetched_and_the_data_stays(
    ana: Actor, ben: Actor, aura: Config, clock: Clock, wordfence: Wordfence
) -> None:
    with pytest.raises(Forbidden):
        source.remove_key(by=ben, now=clock())
    source.remove_key(by=ana, now=clock())
    clock.advance(days=3)
    assert upkeep.request_due(clock()) == 0
    assert upkeep.update(aura, now=clock) == "unchanged"
    assert len(wordfence.requests) == 1
    assert Vulnerability.select().count() == 1
    with pytest.raises(Conflict):
        source.request_fetch(by=ana, now=clock())
    with pytest.raises(Conflict):
        source.remove_key(by=ana, now=clock())


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "käse", "x" * 501])
def test_an_invalid_key_is_refused(database: Config, ana: Actor, clock: Clock, key: str) -> None:
    with pytest.raises(Invalid):
        source.set_key(key, by=ana, config=database, now=clock())
    assert VulnerabilityFeed.read().key_sealed is None
