"""A person or the schedule requests a sync, and Aura stores the site report."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from app import queue
from app.config import Config
from app.domain.actor import SCHEDULE, Actor
from app.domain.errors import Forbidden, NotPaired
from app.domain.inventory import received_report, site_sync
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.base import db
from app.models.notices import NoticeNonce
from app.models.reports import Component, Report, Sync
from app.models.sites import ACTIVE, NEW, STATES, Site
from tests.support.audit_entries import events
from tests.support.config import make_config
from tests.support.factories import make_site, plugin, read_report, report, theme
from tests.support.fakes import Clock, FakeSite, RecordingQueue

UNPAIRED = [s for s in STATES if s not in ("active", "disconnected_unconfirmed")]


def snapshot(site: Site) -> list[object]:
    """Return all rows stored from the site's report."""
    kept = [Report.select().where(Report.site == site), Component.for_site(site)]
    return [[row.__data__ for row in rows] for rows in kept]


def of_kind(site: Site, kind: str) -> list[Component]:
    return [row for row in Component.for_site(site) if row.kind == kind]


# ---- reports ----


def test_a_first_report_is_stored_with_components_and_updates(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    sync = read_report(paired, fake, config=config)
    assert (sync.state, sync.unchanged, sync.error_code) == ("done", False, "")
    stored = Report.of(paired)
    assert stored.digest == received_report.digest_of(fake.report)
    assert (stored.wordpress, stored.php) == ("6.8.1", "8.2.36")
    found = {c.ident: c for c in Component.for_site(paired)}
    assert set(found) == {
        "akismet/akismet.php",
        "twentytwentyfour",
        "loader.php",
        "object-cache.php",
    }
    akismet = found["akismet/akismet.php"]
    assert (akismet.version, akismet.update_version) == ("5.3", "5.3.1")
    assert (akismet.update_has_package, akismet.update_requires_php) == (True, "7.2")
    assert not found["twentytwentyfour"].is_outdated
    assert paired.update_count == 1
    assert (paired.connection, paired.last_success_at) == ("healthy", clock())
    assert events(paired)[-1] == "report_received"
    assert events(paired).count("site_called") == 2, "only the two calls of the pairing"


def test_a_person_gets_a_full_report_and_the_schedule_only_changes(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    read_report(paired, fake, config=config)
    sent: list[object] = []
    answer = fake._report
    fake._report = lambda document, body: sent.append(document["have"]) or answer(document, body)
    digest = received_report.digest_of(fake.report)
    for by in ("Ana", SCHEDULE.name):
        clock.advance(hours=1)
        sync = Sync.ask(paired, requested_by=by, now=clock())
        site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock)
        assert Sync.get_by_id(sync.id).unchanged
    assert sent == [None, digest]
    assert events(paired).count("report_received") == 1


def test_an_unchanged_report_only_updates_its_time(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    read_report(paired, fake, config=config)
    before = Component.for_site(paired)
    clock.advance(hours=1)
    sync = read_report(paired, fake, config=config)
    assert (sync.state, sync.unchanged) == ("done", True)
    assert Report.of(paired).received_at == clock()
    assert [c.id for c in Component.for_site(paired)] == [c.id for c in before]


def test_a_changed_report_replaces_the_former_one(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    fake.report = report(plugins=[plugin("hello.php", name="Hello")], themes=[])
    read_report(paired, fake, config=config)
    assert [c.ident for c in of_kind(paired, "plugin")] == ["hello.php"]
    assert of_kind(paired, "theme") == []
    assert paired.update_count == 0


def test_components_with_an_update_come_first(paired: Site, fake: FakeSite, config: Config) -> None:
    listed = [plugin("a.php", name="Aardvark"), plugin()]
    fake.report = report(plugins=listed)
    read_report(paired, fake, config=config)
    names = [c.name for c in of_kind(paired, "plugin")]
    assert names == ["Akismet", "Aardvark"]


# ---- requests ----


def test_a_viewer_cannot_request_a_sync(paired: Site, cleo: Actor, clock: Clock) -> None:
    with pytest.raises(Forbidden):
        site_sync.request_sync(paired, by=cleo, now=clock())


@pytest.mark.parametrize("state", UNPAIRED)
def test_a_site_without_connection_is_not_synced(
    site: Site, ana: Actor, clock: Clock, jobs: RecordingQueue, state: str
) -> None:
    site.move(to=state, when=(NEW,))
    with pytest.raises(NotPaired):
        site_sync.request_sync(site, by=ana, now=clock())
    assert jobs.jobs == []


@pytest.mark.parametrize("state", UNPAIRED)
def test_a_queued_sync_without_connection_calls_no_site(
    paired: Site, fake: FakeSite, config: Config, clock: Clock, state: str
) -> None:
    paired.move(to=state, when=(ACTIVE,))
    fake.calls.clear()
    sync = Sync.open_for(paired)
    assert site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock) == "failed"
    assert fake.calls == []


def test_two_requests_are_one_sync(
    paired: Site, ben: Actor, config: Config, fake: FakeSite, clock: Clock, jobs: RecordingQueue
) -> None:
    read_report(paired, fake, config=config)
    jobs.jobs.clear()
    first = site_sync.request_sync(paired, by=ben, now=clock())
    second = site_sync.request_sync(paired, by=ben, now=clock())
    assert first == second
    assert jobs.jobs == [("sync_site", (first.id,), 0)]
    assert Sync.get_by_id(first.id).requested_by == "Ben"


def test_the_schedule_syncs_sites_with_an_old_report(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    read_report(paired, fake, config=config)
    assert site_sync.request_due(clock.advance(minutes=59), every_minutes=60) == []
    (sync_id,) = site_sync.request_due(clock.advance(minutes=1), every_minutes=60)
    sync = Sync.get_by_id(sync_id)
    assert (sync.site_id, sync.requested_by, sync.requested_at) == (
        paired.id,
        SCHEDULE.name,
        clock(),
    )
    assert (sync.state, sync.evidence, sync.unchanged, sync.ended_at) == ("queued", {}, False, None)


# ---- failures ----


@pytest.mark.parametrize(
    ("error_code", "connection"),
    [
        (ErrorCode.dns, "degraded"),
        (ErrorCode.too_slow, "degraded"),
        (ErrorCode.web_page, "blocked"),
        (ErrorCode.blocked, "blocked"),
        (ErrorCode.identity_changed, "quarantined"),
        (ErrorCode.reply_too_large, "degraded"),
    ],
)
def test_a_failed_call_is_shown_and_keeps_the_stored_report(
    paired: Site,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    error_code: ErrorCode,
    connection: str,
) -> None:
    read_report(paired, fake, config=config)
    before, good = snapshot(paired), paired.last_success_at
    clock.advance(hours=1)
    fake.failing = [error_code] * 4  # at every address the site has
    sync = read_report(paired, fake, config=config)
    assert (sync.state, sync.error_code) == ("failed", error_code)
    assert (paired.error_code, paired.error_at, paired.consecutive_failures) == (
        error_code,
        clock(),
        1,
    )
    assert paired.error_evidence == {"detail": "as the test wants it"}
    assert paired.connection == connection
    assert (snapshot(paired), paired.last_success_at, paired.update_count) == (before, good, 1)


def test_three_failures_make_a_site_unreachable_until_a_success(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    for expected in ("degraded", "degraded", "unreachable"):
        fake.failing = [ErrorCode.connect_timeout]
        read_report(paired, fake, config=config)
        assert paired.connection == expected
    read_report(paired, fake, config=config)
    assert (paired.connection, paired.error_code, paired.error_evidence) == ("healthy", "", {})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"plugins": [plugin(active=1)]}, "plugins[0].active"),
        ({"plugins": [plugin(version=None)]}, "plugins[0].version"),
        ({"plugins": {"a": plugin()}}, "plugins"),
        ({"plugins": [plugin(name="x" * 301)]}, "plugins[0].name"),
        ({"plugins": [plugin(), plugin()]}, "plugins"),
        ({"themes": [{"name": "no id"}]}, "themes[0].id"),
        ({"wordpress": "6.8"}, "wordpress"),
        ({"wordpress": {}}, "wordpress.version"),
        ({"php": {"version": "8", "max_execution_time": "30"}}, "php.max_execution_time"),
        ({"php": {"version": "8", "max_execution_time": True}}, "php.max_execution_time"),
        ({"v": 2}, "v"),
        ({"plugins": [plugin(f"p{i}.php") for i in range(2001)]}, "plugins"),
    ],
)
def test_a_report_that_contradicts_the_manifest_is_refused(
    paired: Site, fake: FakeSite, config: Config, change: dict, field: str
) -> None:
    read_report(paired, fake, config=config)
    before = snapshot(paired)
    fake.report = report(**change)
    sync = read_report(paired, fake, config=config)
    assert (sync.state, sync.error_code) == ("failed", ErrorCode.report_invalid)
    assert sync.evidence["field"] == field
    assert snapshot(paired) == before
    assert paired.error_code == ErrorCode.report_invalid
    assert "report_refused" in events(paired)


def test_a_report_with_a_wrong_digest_is_refused(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    original = fake._report
    fake._report = lambda d, b: {**original(d, b), "digest": "0" * 64}
    sync = read_report(paired, fake, config=config)
    assert (sync.error_code, sync.evidence["field"]) == (ErrorCode.report_invalid, "digest")
    assert Report.of(paired) is None


@pytest.mark.parametrize("taken_at", [-1, 2**50, "now", None])
def test_a_report_with_an_impossible_time_is_refused(
    paired: Site, fake: FakeSite, config: Config, taken_at: object
) -> None:
    original = fake._report
    fake._report = lambda d, b: {**original(d, b), "report": {**fake.report, "taken_at": taken_at}}
    sync = read_report(paired, fake, config=config)
    assert (sync.error_code, sync.evidence["field"]) == (ErrorCode.report_invalid, "taken_at")


def test_unchanged_without_a_report_to_compare_with_is_refused(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake._report = lambda d, b: {"digest": "0" * 64, "unchanged": True}
    assert read_report(paired, fake, config=config).error_code == ErrorCode.report_invalid


def test_fields_the_manifest_does_not_name_are_dropped_and_counted(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.report = report(users=["admin"], plugins=[plugin(licence_key="s3cret")])
    assert read_report(paired, fake, config=config).state == "done"
    stored = Report.of(paired)
    assert "s3cret" not in stored.body
    assert "admin" not in stored.body
    received = AuditEntry.newest(site_id=paired.id, event="report_received")[0]
    assert '"dropped_fields":2' in received.body


def test_control_and_direction_characters_are_removed_from_names(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.report = report(plugins=[plugin(name="Nice\u202e\x00 plu\x1bgin <b>\u2066x")])
    read_report(paired, fake, config=config)
    assert [c.name for c in of_kind(paired, "plugin")] == ["Nice plugin <b>x"]


def test_a_theme_keeps_its_parent(paired: Site, fake: FakeSite, config: Config) -> None:
    fake.report = report(themes=[theme("child", parent="twentytwentyfour")])
    read_report(paired, fake, config=config)
    assert of_kind(paired, "theme")[0].parent == "twentytwentyfour"


def test_an_older_plugin_may_leave_out_fields(paired: Site, fake: FakeSite, config: Config) -> None:
    whole = report()
    for name in ("health", "mu_plugins", "dropins", "updates"):
        whole.pop(name)
    fake.report = whole
    assert read_report(paired, fake, config=config).state == "done"
    assert paired.update_count == 0


def test_unreadable_keys_are_reported_as_an_error_of_aura(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    other = make_config(config.var_dir, sealing_keys=(("t2", bytes(32)),))
    fake.calls.clear()
    assert read_report(paired, fake, config=other).error_code == "keys_unreadable"
    assert fake.calls == []


# ---- concurrency and lost jobs ----


def test_due_syncs_are_requested_while_other_processes_write(
    ana: Actor, clock: Clock, jobs: RecordingQueue
) -> None:
    for number in range(4):
        site = make_site(ana, now=clock(), url=f"https://site{number}.example")
        site.move(to=ACTIVE, when=(NEW,))

    class Busy(RecordingQueue):
        def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
            super().put(name, ids, delay_s)
            other = threading.Thread(target=write_something, args=(str(ids[0]), clock()))
            other.start()
            other.join()

    queue.use(Busy())
    assert len(site_sync.request_due(clock(), every_minutes=60)) == 4


def test_many_sites_are_due_in_several_rounds(
    ana: Actor, clock: Clock, jobs: RecordingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_sync, "SITES_AT_ONCE", 2)
    for number in range(7):
        site = make_site(ana, now=clock(), url=f"https://site{number}.example")
        site.move(to=ACTIVE, when=(NEW,))
    rounds = []
    for minute in range(5):
        jobs.jobs.clear()
        site_sync.request_due(clock() + timedelta(minutes=minute), every_minutes=4)
        rounds.append([len(ids) for _, ids, _ in jobs.jobs])
    # No site is called again while its sync is open, even in the fifth minute.
    assert rounds == [[2], [2], [2], [1], []]
    Sync.update(state="done").execute()
    due = site_sync.request_due(clock() + timedelta(minutes=4), every_minutes=4)
    assert [Sync.get_by_id(sync_id).site_id for sync_id in due] == [1, 2]


def write_something(nonce: str, at: datetime) -> None:
    """Write to the database in a connection of its own, as another worker does."""
    with db.connection_context():
        NoticeNonce.create(nonce=nonce, expires_at=at)


def test_a_sync_delivered_twice_calls_once(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    sync = Sync.open_for(paired)
    fake.calls.clear()
    fake.during = lambda op: site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock)
    assert site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock) == "done"
    assert site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock) == "done"
    assert len(fake.calls) == 1


@pytest.fixture
def interrupted(paired: Site, fake: FakeSite, config: Config, clock: Clock) -> Sync:
    """A sync whose worker was killed while it waited for the site."""
    sync = Sync.open_for(paired)

    def die(op: str) -> None:
        raise KeyboardInterrupt

    fake.during = die
    with pytest.raises(KeyboardInterrupt):
        site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock)
    fake.during = None
    return sync


def test_a_sync_of_a_killed_worker_is_queued_again_after_five_minutes(
    interrupted: Sync,
    paired: Site,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> None:
    site_sync.recover(config, clock.advance(minutes=4))
    assert (Sync.get_by_id(interrupted.id).state, jobs.jobs) == ("asking", [])
    site_sync.recover(config, clock.advance(minutes=2))
    assert jobs.jobs == [("sync_sites", (interrupted.id,), 0)]
    # The death of a worker is no evidence about the site.
    paired.refresh()
    assert paired.error_code == ""
    assert site_sync.run_sync(interrupted.id, config=config, call=fake.call, now=clock) == "done"
    assert Report.of(paired) is not None


def test_a_sync_whose_workers_keep_dying_fails_after_half_an_hour(
    interrupted: Sync, paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    site_sync.recover(config, clock.advance(minutes=31))
    ended = Sync.get_by_id(interrupted.id)
    assert (ended.state, ended.error_code) == ("failed", ErrorCode.too_slow)
    assert read_report(paired, fake, config=config).state == "done"


def test_a_sync_whose_job_is_lost_is_queued_again(
    paired: Site, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    sync = Sync.open_for(paired)
    site_sync.recover(config, clock() + site_sync.LOST_AFTER + timedelta(seconds=1))
    assert jobs.jobs == [("sync_sites", (sync.id,), 0)]


@pytest.mark.parametrize(("minutes", "state"), [(6, "queued"), (31, "failed")])
def test_a_worker_that_counts_as_dead_stores_nothing(
    minutes: int, state: str, paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    sync = Sync.open_for(paired)
    fake.during = lambda op: site_sync.recover(config, clock.advance(minutes=minutes))
    assert site_sync.run_sync(sync.id, config=config, call=fake.call, now=clock) == state
    assert Report.of(paired) is None
