"""Quarantine a site that may be a copy, a restored backup or a move, until a person decides."""

from __future__ import annotations

from typing import Any

import pytest

from app import protocol
from app.config import Config
from app.domain.actor import SYSTEM, Actor
from app.domain.inventory import notices, site_sync
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.changes import REFUSED
from app.models.reports import Report, Sync
from app.models.sites import ACTIVE, FORKED, MOVED, Site
from tests.support.audit_entries import events
from tests.support.factories import (
    approve,
    check,
    propose,
    read_log,
    read_report,
    report,
    run_change,
)
from tests.support.fakes import Clock, FakeSite

NEW = "https://new.example"


def receive(sent: Any, config: Config, clock: Clock) -> notices.NoticeResponse:
    return notices.receive_notice(
        method="POST",
        headers=sent.headers,
        body=sent.body,
        config=config,
        ip="192.0.2.9",
        now=clock(),
    )


# ---- the head of the log ----


def test_a_log_that_continues_is_accepted(paired: Site, fake: FakeSite, config: Config) -> None:
    for _ in range(3):
        read_report(paired, fake, config=config)
        assert (paired.log_n, paired.log_hash) == tuple(fake.head.values())
    assert paired.quarantine == ""
    assert paired.connection == "healthy"


def test_a_restored_backup_is_noticed_and_still_synced(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    backup = list(fake.log)
    read_report(paired, fake, config=config)
    read_report(paired, fake, config=config)
    log_length = paired.log_n
    fake.log = backup
    fake.report = report(server={"software": "restored"})
    assert read_report(paired, fake, config=config).state == "done"
    assert (paired.quarantine, paired.connection) == (FORKED, "quarantined")
    assert paired.quarantine_evidence == {"seen": log_length, "answered": 2}
    assert "restored" in Report.of(paired).body
    assert "site_quarantined" in events(paired)
    assert paired.log_n == log_length


def test_a_restored_backup_stops_the_update_that_finds_it(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    """Quarantine comes before the update: the approval was for another state of the site."""
    backup = list(fake.log)
    change = approve(check(propose(ready, ana, clock()), fake, config), ana, config, clock())
    fake.log = backup
    assert run_change(change, fake, config) == REFUSED
    assert change.outcome_reason == "site_log_forked"
    assert fake.changes.installs[change.op_id] == 0
    ready.refresh()
    assert ready.quarantine == FORKED


def test_two_copies_that_answer_in_turn_are_noticed(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    del fake.log[-1]
    fake.write("answered", operation="ping", by="somebody else")
    read_report(paired, fake, config=config)
    assert paired.quarantine == FORKED


def test_a_quarantine_is_recorded_once_and_waits_for_a_person(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    original = list(fake.log)
    fake.log = []
    for _ in range(3):
        read_report(paired, fake, config=config)
    fake.log = original
    read_report(paired, fake, config=config)
    assert events(paired).count("site_quarantined") == 1
    assert paired.quarantine == FORKED


@pytest.mark.parametrize(
    "checkpoint",
    [
        None,
        7,
        {},
        {"body": "e30", "sig": "A" * 86},
        {"body": "e30"},
        {"body": "!", "sig": "A" * 86},
    ],
)
def test_an_answer_without_the_sites_own_checkpoint_counts_as_a_fork(
    paired: Site, fake: FakeSite, config: Config, checkpoint: object
) -> None:
    fake.checkpoint = lambda: checkpoint
    read_report(paired, fake, config=config)
    assert paired.quarantine == FORKED


@pytest.mark.parametrize(
    "changed", [{"n": "1"}, {"n": -1}, {"hash": "0"}, {"log": 7}, {"at": None}, {"v": 2}]
)
def test_a_signed_checkpoint_with_an_impossible_head_counts_as_a_fork(
    paired: Site, fake: FakeSite, config: Config, changed: dict[str, object]
) -> None:
    real = protocol.parse_json(protocol.from_b64u(fake.checkpoint()["body"]))
    fake.checkpoint = lambda: fake.signed({**real, **changed})
    read_report(paired, fake, config=config)
    assert paired.quarantine == FORKED
    assert "names no valid entry" in paired.quarantine_evidence["why"]


def test_a_checkpoint_signed_with_another_key_counts_as_a_fork(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake._signing_key = b"7" * 32
    read_report(paired, fake, config=config)
    assert "not signed with the site's key" in paired.quarantine_evidence["why"]


def test_replies_that_arrive_in_the_other_order_are_no_fork(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    answer_late = fake.checkpoint()
    fake.clock.advance(seconds=3)
    read_report(paired, fake, config=config)
    log_length, make = paired.log_n, fake.checkpoint
    fake.checkpoint = lambda: answer_late
    read_report(paired, fake, config=config)
    assert (paired.quarantine, paired.log_n) == ("", log_length)
    fake.checkpoint = make
    read_report(paired, fake, config=config)
    assert (paired.quarantine, paired.log_n) == ("", log_length + 2)


def test_a_log_with_another_id_is_another_log(paired: Site, fake: FakeSite, config: Config) -> None:
    read_report(paired, fake, config=config)
    fake.log_uuid = "5d2f9f5e-0000-4000-8000-00000000000b"
    read_report(paired, fake, config=config)
    assert paired.quarantine == FORKED


# ---- the address ----


def test_a_site_that_reports_another_address_is_quarantined(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    before = Report.of(paired).body
    fake.refusing["report"] = "identity_changed"
    assert read_report(paired, fake, config=config).error_code == ErrorCode.identity_changed
    assert (paired.quarantine, paired.state) == (MOVED, ACTIVE)
    assert Report.of(paired).body == before


def test_a_quarantine_ends_when_the_known_address_is_back(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.refusing["report"] = "identity_changed"
    read_report(paired, fake, config=config)
    fake.refusing.clear()
    read_report(paired, fake, config=config)
    assert (paired.quarantine, paired.connection) == ("", "healthy")
    assert events(paired)[-2:] != []
    assert "quarantine_ended" in events(paired)


def test_a_site_that_asks_to_move_is_not_followed_automatically(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    answer = receive(fake.moved_notice(config.origin, NEW), config, clock)
    paired.refresh()
    assert answer.status == 200
    assert "Signature" in answer.headers
    assert (paired.quarantine, paired.url) == (MOVED, fake.home)
    assert paired.quarantine_evidence["now"] == NEW
    assert paired.quarantine_evidence["how"] == "notice"


def test_an_answer_of_the_original_does_not_end_a_copys_quarantine(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    receive(fake.moved_notice(config.origin, NEW), config, clock)
    paired.refresh()
    read_report(paired, fake, config=config)
    assert paired.quarantine == MOVED


def test_a_move_to_the_same_address_changes_nothing(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    receive(fake.moved_notice(config.origin, f"http://www.{fake.home[8:]}/"), config, clock)
    paired.refresh()
    assert paired.quarantine == ""


@pytest.mark.parametrize("home", ["", "ftp://x.example", "javascript:alert(1)", "https://a b"])
def test_a_move_to_an_invalid_address_is_refused(
    paired: Site, fake: FakeSite, config: Config, clock: Clock, home: str
) -> None:
    answer = receive(fake.moved_notice(config.origin, home), config, clock)
    paired.refresh()
    assert answer.status == 401
    assert paired.quarantine == ""


def test_an_unauthenticated_caller_cannot_announce_a_move(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    document = {"v": 1, "op": "moved", "home": NEW, "endpoints": []}
    forged = fake._notice(config.origin, document, b"x" * 32, paired.key_id)
    answer = receive(forged, config, clock)
    paired.refresh()
    assert answer.status == 401
    assert paired.quarantine == ""


# ---- clock and addresses ----


@pytest.mark.parametrize("ahead", [0, 45, -240])
def test_every_answer_measures_the_sites_clock(
    paired: Site, fake: FakeSite, config: Config, ahead: int
) -> None:
    fake.clock_ahead_s = ahead
    read_report(paired, fake, config=config)
    assert paired.clock_offset_s == ahead


def test_another_address_of_the_site_is_tried_and_kept(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    before = paired.endpoint
    fake.closed_endpoints = {before}
    assert read_report(paired, fake, config=config).state == "done"
    assert paired.endpoint == f"{fake.home}/?rest_route=/siteagent/v1/rpc"
    assert "endpoint_changed" in events(paired)
    fake.calls.clear()
    read_report(paired, fake, config=config)
    assert [endpoint for _, _, endpoint in fake.calls] == [paired.endpoint]


def test_an_unreachable_site_is_called_once(paired: Site, fake: FakeSite, config: Config) -> None:
    fake.failing, before = [ErrorCode.connection_refused], paired.endpoint
    fake.calls.clear()
    assert read_report(paired, fake, config=config).state == "failed"
    assert len(fake.calls) == 1
    assert paired.endpoint == before


def test_the_system_puts_a_site_in_quarantine(paired: Site, fake: FakeSite, config: Config) -> None:
    fake.log = fake.log[:1]
    read_report(paired, fake, config=config)
    fake.log = []
    read_report(paired, fake, config=config)
    entry = next(e for e in AuditEntry.newest(site_id=paired.id) if e.event == "site_quarantined")
    assert entry.actor == SYSTEM.label


def test_a_late_answer_does_not_set_back_the_log_length(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    sync = Sync.open_for(paired) or Sync.ask(paired, requested_by="Ana", now=fake.clock())

    def answer_late(*args: Any, **more: Any) -> Any:
        early = fake.call(*args, **more)
        for _ in range(3):
            other = Site.get_by_id(paired.id)
            read_log(other, fake, config)
        return early

    site_sync.run_sync(sync.id, config=config, call=answer_late, now=fake.clock)
    found = Site.get_by_id(paired.id)
    assert (found.log_n, found.log_hash) == tuple(fake.head.values())
    assert found.quarantine == ""
