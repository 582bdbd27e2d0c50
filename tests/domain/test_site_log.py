"""Read a site's own log completely and byte for byte, or raise an alert about what is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from peewee import DatabaseError

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.audit.checkpoints import Checkpoint
from app.domain.connection import calls, rotation
from app.domain.crosscheck import site_log
from app.domain.crosscheck.site_log import Batch, Cursor, LogBroken, LogEntry
from app.domain.errors import Forbidden, NotPaired
from app.http.errors import ErrorCode
from app.models.alerts import Alert
from app.models.base import db
from app.models.call_log import SiteCall
from app.models.site_log import SiteLog, SiteLogEntry
from app.models.sites import EXCESSIVE, Site
from app.models.visibility import EVERYTHING
from app.protocol import SentRequest, chain_genesis, site_log_hash
from tests.support.factories import pair, read_log, read_report
from tests.support.fakes import FakeSite, RecordingQueue

pytestmark = pytest.mark.both_databases

LOG = "5d2f9f5e-0000-4000-8000-00000000000a"
GENESIS = chain_genesis(LOG).hex()


def stored(site: Site) -> list[tuple[int, str, str]]:
    rows = (
        SiteLogEntry.select()
        .where(SiteLogEntry.site == site)
        .order_by(SiteLogEntry.branch, SiteLogEntry.seq)
    )
    return [(row.seq, row.body, row.hash) for row in rows]


def open_alert_kinds() -> list[str]:
    return [alert.kind for alert in Alert.unresolved(EVERYTHING)]


# ---- reading ----


def queues_log_read(site: Site, fake: FakeSite, config: Config, jobs: RecordingQueue) -> bool:
    """Return whether an hourly sync queues a read of the site's log."""
    jobs.jobs.clear()
    fake.clock.advance(hours=1)
    assert read_report(site, fake, config=config).state == "done"
    return ("read_log", (site.id,), 0) in jobs.jobs


def test_the_log_is_read_after_the_first_report(
    paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue
) -> None:
    assert queues_log_read(paired, fake, config, jobs)


def test_entries_of_auras_own_calls_are_not_read_until_the_next_day(
    paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue
) -> None:
    read_log(paired, fake, config)
    queued = [queues_log_read(paired, fake, config, jobs) for _ in range(24)]
    assert queued == [False] * 23 + [True]
    assert read_log(paired, fake, config) == "read"
    assert stored(paired) == [(one.seq, one.body, one.hash) for one in fake.log]
    assert open_alert_kinds() == []
    assert not queues_log_read(paired, fake, config, jobs)


def steal_a_call(site: Site, fake: FakeSite, config: Config) -> None:
    fake.call(calls.channel_to(site, config), "ping", {}, by="Mallory")


def lose_entry(site: Site, fake: FakeSite, config: Config) -> None:
    del fake.log[-1]


def act_as_owner(site: Site, fake: FakeSite, config: Config) -> None:
    fake.write("permissions_changed", "user:1")


def lose_an_answer(site: Site, fake: FakeSite, config: Config) -> None:
    fake.losing.add("report")
    read_report(site, fake, config=config)
    fake.losing.clear()


@pytest.mark.parametrize("change", [steal_a_call, lose_entry, act_as_owner, lose_an_answer])
def test_any_other_entry_makes_the_next_sync_read_the_log(
    change: Callable[[Site, FakeSite, Config], None],
    paired: Site,
    fake: FakeSite,
    config: Config,
    jobs: RecordingQueue,
) -> None:
    read_log(paired, fake, config)
    assert not queues_log_read(paired, fake, config, jobs)
    change(paired, fake, config)
    assert queues_log_read(paired, fake, config, jobs)


def test_new_entries_are_stored_byte_for_byte(paired: Site, fake: FakeSite, config: Config) -> None:
    read_report(paired, fake, config=config)
    assert read_log(paired, fake, config) == "read"
    assert stored(paired) == [(one.seq, one.body, one.hash) for one in fake.log]
    read_report(paired, fake, config=config)
    assert read_log(paired, fake, config) == "read"
    assert stored(paired) == [(one.seq, one.body, one.hash) for one in fake.log]
    read = SiteLog.get_or_create_for(paired)
    assert (read.n, read.hash, read.read_at) == (*fake.head.values(), fake.clock())
    assert open_alert_kinds() == []


def test_a_long_log_is_read_in_batches_and_the_rest_by_the_next_job(
    paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue
) -> None:
    for number in range(40):
        fake.write("permissions_changed", "user:1", number=number)
    fake.batch = 4
    jobs.jobs.clear()
    assert read_log(paired, fake, config) == "more"
    assert len(stored(paired)) == 4 * site_log.MAX_BATCHES
    assert jobs.names() == ["read_log"]
    while read_log(paired, fake, config) == "more":
        pass
    assert stored(paired) == [(one.seq, one.body, one.hash) for one in fake.log]
    assert open_alert_kinds() == []


def test_entries_about_another_dashboard_are_not_read(
    site: Site, fake: FakeSite, ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    for _ in range(3):
        fake.write("answered", operation="report", by="Somebody at another agency", nonce="x")
    pair(site, fake, by=ana, config=config)
    assert read_log(site, fake, config) == "read"
    assert [seq for seq, _, _ in stored(site)] == [4, 5]
    assert open_alert_kinds() == []


def test_a_failed_call_stores_nothing_and_returns_its_error(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.failing = [ErrorCode.dns]
    assert read_log(paired, fake, config) == ErrorCode.dns
    assert stored(paired) == []
    assert open_alert_kinds() == []


def test_only_a_person_who_may_sync_reads_the_log_of_a_paired_site(
    site: Site, ana: Actor, cleo: Actor, jobs: RecordingQueue
) -> None:
    with pytest.raises(Forbidden):
        site_log.request_site_log(site, by=cleo)
    with pytest.raises(NotPaired):
        site_log.request_site_log(site, by=ana)
    assert site_log.read_site_log(site.id, config=None) == "not paired"


def test_two_reads_at_once_store_each_entry_once(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    def read_again(op: str) -> None:
        fake.during = None
        assert read_log(paired, fake, config) == "read"

    fake.during = read_again
    assert read_log(paired, fake, config) in ("read", "read elsewhere", "broken")
    assert [seq for seq, _, _ in stored(paired)] == sorted({seq for seq, _, _ in stored(paired)})
    assert open_alert_kinds() == []


def test_the_nonce_is_stored_before_the_call_is_sent(
    paired: Site, fake: FakeSite, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_stored: list[bool] = []
    receive = fake.receive

    def look_first(request: SentRequest) -> tuple[int, dict[str, str], bytes]:
        is_stored.append(SiteCall.select().where(SiteCall.nonce == request.nonce).exists())
        return receive(request)

    monkeypatch.setattr(fake, "receive", look_first)
    read_log(paired, fake, config)
    assert is_stored == [True]


# ---- stored entries never change ----


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE site_log_entry SET body = 'x'",
        "DELETE FROM site_log_entry",
        "INSERT INTO site_log_entry SELECT site_id, branch, 1, log, prev, body, hash, received_at"
        " FROM site_log_entry WHERE seq = 2",
        "REPLACE INTO site_log_entry SELECT site_id, branch, seq, log, prev, 'x', hash, received_at"
        " FROM site_log_entry",
    ],
)
def test_the_database_refuses_to_change_a_stored_site_entry(
    paired: Site, fake: FakeSite, config: Config, statement: str
) -> None:
    read_log(paired, fake, config)
    before = stored(paired)
    with pytest.raises(DatabaseError), db.atomic():
        db.execute_sql(statement)
    assert stored(paired) == before


# ---- altered and missing entries ----


def test_an_edited_entry_is_found_and_the_entries_before_it_are_stored(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    for name in ("permissions_changed", "update_approved", "kept_paused"):
        fake.write(name, "user:1")
    real = fake.log[2]
    fake.entries_after = with_changed_entry(fake, real.seq, body="eyJ2IjoxfQ")
    assert read_log(paired, fake, config) == "broken"
    (alert,) = Alert.unresolved(EVERYTHING)
    assert alert.kind == alerts.LOG_BROKEN
    assert alert.evidence["site"] == {
        "entry": 3,
        "why": "was altered",
        "signed_up_to": fake.head["n"],
    }
    assert [seq for seq, _, _ in stored(paired)] == [1, 2]


def with_changed_entry(fake: FakeSite, number: int, **changed: object) -> object:
    """Return a replacement for the site's `log` answer in which one entry is changed."""
    honest = fake.entries_after

    def answer(document: dict[str, object], body: bytes) -> dict[str, object]:
        reply = honest(document, body)
        reply["entries"] = [
            {**one, **changed} if one["seq"] == number else one for one in reply["entries"]
        ]
        return reply

    return answer


@pytest.mark.parametrize(
    "changed",
    [
        *({"prev": "0" * 64}, {"hash": "0" * 64}, {"prev": "zz"}, {"seq": 77}, {"seq": "3"}),
        *({"body": "_w"}, {"body": "bm8"}, {"body": None}, {"hash": 5}),
    ],
)
def test_an_invalid_entry_raises_one_alert(
    paired: Site, fake: FakeSite, config: Config, changed: dict[str, object]
) -> None:
    fake.write("permissions_changed", "user:1")
    fake.write("permissions_changed", "user:1")
    fake.entries_after = with_changed_entry(fake, 3, **changed)
    assert read_log(paired, fake, config) == "broken"
    assert read_log(paired, fake, config) == "broken"
    assert open_alert_kinds() == [alerts.LOG_BROKEN]


def test_a_missing_entry_is_found(paired: Site, fake: FakeSite, config: Config) -> None:
    fake.write("permissions_changed", "user:1")
    fake.write("update_approved", "user:1")
    honest = fake.entries_after

    def answer_without_second(document: dict[str, object], body: bytes) -> dict[str, object]:
        reply = honest(document, body)
        reply["entries"] = [one for one in reply["entries"] if one["seq"] != 2]
        return reply

    fake.entries_after = answer_without_second
    assert read_log(paired, fake, config) == "broken"
    assert Alert.unresolved(EVERYTHING)[0].evidence["site"]["why"] == "is missing"


def test_a_log_without_its_newest_entries_is_found(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    honest = fake.entries_after

    def answer_without_last(document: dict[str, object], body: bytes) -> dict[str, object]:
        reply = honest(document, body)
        return {**reply, "entries": reply["entries"][:-1]}

    fake.entries_after = answer_without_last
    assert read_log(paired, fake, config) == "broken"
    assert "this request" in Alert.unresolved(EVERYTHING)[0].evidence["site"]["why"]


@pytest.mark.parametrize(
    "changed", [{"entries": None}, {"entries": [1] * 501}, {"from": "1"}, {"entries": [7]}]
)
def test_an_answer_that_is_no_part_of_a_log_raises_an_alert(
    paired: Site, fake: FakeSite, config: Config, changed: dict[str, object]
) -> None:
    honest = fake.entries_after
    fake.entries_after = lambda document, body: {**honest(document, body), **changed}
    assert read_log(paired, fake, config) == "broken"
    assert open_alert_kinds() == [alerts.LOG_BROKEN]


def test_after_the_alert_is_closed_reading_goes_on_from_the_last_checkpoint(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    fake.write("permissions_changed", "user:1")
    honest = fake.entries_after
    fake.entries_after = with_changed_entry(fake, 2, hash="0" * 64)
    read_log(paired, fake, config)
    fake.entries_after = honest
    signed_up_to, now = fake.head["n"], fake.clock()
    closing = {"note": "A plugin edited it.", "with_others": False, "confirmed_at": now, "now": now}
    alerts.close_alert(Alert.unresolved(EVERYTHING)[0], by=ana, **closing)
    read_report(paired, fake, config=config)
    assert read_log(paired, fake, config) == "read"
    assert open_alert_kinds() == []
    rows = SiteLogEntry.select().order_by(SiteLogEntry.branch, SiteLogEntry.seq)
    assert [(row.branch, row.seq) for row in rows] == [
        (0, 1),
        *((1, seq) for seq in range(signed_up_to + 1, fake.head["n"] + 1)),
    ]


def test_a_log_with_another_id_starts_a_new_branch(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_log(paired, fake, config)
    fake.log_uuid, fake.log = "5d2f9f5e-0000-4000-8000-00000000000b", []
    fake.write("connected", fingerprint=paired.fingerprint)
    assert read_log(paired, fake, config) == "read"
    assert [row.branch for row in SiteLogEntry.select().order_by(SiteLogEntry.branch)] == [
        0,
        0,
        1,
        1,
        1,
    ]


# ---- the verification, without a site ----


def chain(first: int, count: int, prev: str = GENESIS, event: str = "answered") -> list[LogEntry]:
    links = []
    for seq in range(first, first + count):
        body = f'{{"event":"{event}","facts":{{}}}}'
        of_body = hashlib.sha256(body.encode()).digest()
        digest = site_log_hash(seq, bytes.fromhex(prev), of_body).hex()
        links.append(LogEntry(seq, prev, body, digest))
        prev = digest
    return links


def checkpoint_at(n: int, digest: str) -> Checkpoint:
    return Checkpoint(LOG, n, digest, 0)


def follow(
    links: list[LogEntry], first: int, checkpoint: Checkpoint, start: Cursor | None = None
) -> object:
    verified, broken = site_log.verify_batch(
        Batch(links, first, False), start or Cursor(0, GENESIS), checkpoint, {}
    )
    return broken.why if isinstance(broken, LogBroken) else [link.seq for link in verified]


def test_an_unbroken_chain_up_to_the_checkpoint_is_verified() -> None:
    links = chain(1, 5)
    assert follow(links, 1, checkpoint_at(5, links[-1].hash)) == [1, 2, 3, 4, 5]


def test_the_last_entry_must_be_the_one_in_the_checkpoint() -> None:
    links = chain(1, 5)
    assert "last entry that the site named" in str(follow(links, 1, checkpoint_at(5, "0" * 64)))
    assert "last entry that the site named" in str(
        follow(links, 1, checkpoint_at(4, links[3].hash))
    )


def test_an_entry_in_another_checkpoint_must_match_it() -> None:
    links = chain(1, 5)
    checkpoint, start = checkpoint_at(5, links[-1].hash), Cursor(0, GENESIS)
    _, broken = site_log.verify_batch(Batch(links, 1, False), start, checkpoint, {3: "0" * 64})
    assert broken is not None
    assert "signed" in broken.why


def test_old_entries_may_be_missing_only_in_a_log_long_enough_to_trim() -> None:
    links = chain(501, 3, prev="1" * 64)
    assert follow(links, 501, checkpoint_at(10_500, "2" * 64)) == [501, 502, 503]
    assert follow(links, 501, checkpoint_at(9_000, "2" * 64)) == "is missing"
    assert follow(links, 500, checkpoint_at(10_500, "2" * 64)) == "is missing"


def test_the_log_of_a_new_connection_may_start_anywhere() -> None:
    links = chain(40, 1, prev="1" * 64, event="connected")
    assert follow(links, 40, checkpoint_at(40, links[0].hash)) == [40]


def test_a_log_without_new_entries_is_verified() -> None:
    assert follow([], 1, checkpoint_at(3, "a" * 64), Cursor(3, "a" * 64)) == []
    assert "last entry that the site named" in str(
        follow([], 1, checkpoint_at(2, "a" * 64), Cursor(3, "a" * 64))
    )


# ---- limits on the size of a log ----


def flood(fake: FakeSite, count: int, size: int = 1000) -> None:
    for number in range(count):
        fake.write("permissions_changed", "user:1", number=number, more="x" * size)


def test_a_log_over_the_daily_limit_is_not_stored_and_quarantines_the_site(
    paired: Site,
    fake: FakeSite,
    config: Config,
    jobs: RecordingQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site_log, "DAY_BYTES", 30_000)
    fake.batch = 10
    flood(fake, 100)
    jobs.jobs.clear()
    assert read_log(paired, fake, config) == "too much"
    assert 0 < len(stored(paired)) < 30
    assert (paired.quarantine, paired.quarantine_evidence["sent_today"] > 30_000) == (
        EXCESSIVE,
        True,
    )
    assert open_alert_kinds() == [alerts.LOG_EXCESSIVE]
    calls = len(fake.calls)
    assert read_log(paired, fake, config) == "too much"
    assert (len(fake.calls), jobs.names()) == (calls, [])


def test_short_entries_count_with_the_size_of_a_whole_row(
    paired: Site, fake: FakeSite, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_log, "DAY_BYTES", 30_000)
    fake.batch = 20
    flood(fake, 200, size=1)
    while read_log(paired, fake, config) == "more":
        pass
    assert paired.quarantine == EXCESSIVE
    assert len(stored(paired)) <= 30_000 / 300


def test_the_daily_limit_resets_and_the_total_limit_does_not(
    paired: Site, fake: FakeSite, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_log, "DAY_BYTES", 30_000)
    monkeypatch.setattr(site_log, "TOTAL_BYTES", 50_000)
    for _ in range(2):
        flood(fake, 15)
        assert read_log(paired, fake, config) == "read"
        fake.clock.advance(days=1)
    assert paired.quarantine == ""
    flood(fake, 15)
    assert read_log(paired, fake, config) == "too much"
    assert paired.quarantine == EXCESSIVE


def test_renewed_keys_resume_reading(
    paired: Site,
    fake: FakeSite,
    ana: Actor,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site_log, "DAY_BYTES", 30_000)
    flood(fake, 25)
    assert read_log(paired, fake, config) == "too much"
    task = rotation.request_rotation(paired, by=ana, config=config, now=fake.clock())
    assert rotation.run_rotation(task.id, config=config, call=fake.call, now=fake.clock) == "done"
    paired.refresh()
    assert paired.quarantine == ""
    monkeypatch.setattr(site_log, "DAY_BYTES", 60_000)
    assert read_log(paired, fake, config) == "read"
    assert stored(paired) == [(one.seq, one.body, one.hash) for one in fake.log]


def test_the_rest_of_a_long_log_is_read_after_a_pause(
    paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue
) -> None:
    flood(fake, 40)
    fake.batch = 4
    jobs.jobs.clear()
    assert read_log(paired, fake, config) == "more"
    assert jobs.jobs == [("read_log", (paired.id,), site_log.PAUSE_S)]
