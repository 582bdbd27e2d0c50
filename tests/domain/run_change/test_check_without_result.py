"""Check a site that sent no result: its updates go on, whatever Aura learns later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import execution, proposals
from app.http.errors import ErrorCode
from app.models.available_updates import READY, AvailableUpdate, UpdateFilter
from app.models.changes import FAILED, RUNNING, SUCCEEDED, UNKNOWN, WAITING, Change
from app.models.sites import FORKED, Site
from tests.support.change_runs import Do
from tests.support.factories import AKISMET, approve, check, propose, read_report
from tests.support.fakes import FakeSite

pytestmark = pytest.mark.both_databases


@pytest.fixture
def silent(approved: Change, fake: FakeSite, run: Do, settle: Do) -> Change:
    """An update that never reached its site; the site has been silent for an hour since."""
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    stay_silent(approved, fake, settle)
    return approved


def stay_silent(change: Change, fake: FakeSite, settle: Do) -> None:
    fake.clock.advance(minutes=61)
    fake.failing = [ErrorCode.too_slow]
    assert (settle(change), change.is_incident) == (UNKNOWN, True)


def mark_checked(change: Change, by: Actor, fake: FakeSite) -> None:
    proposals.close_incident(change, by=by, note="The website works.", now=fake.clock())


# ---- the plugin after the check ----


def test_the_plugin_can_be_updated_again(
    silent: Change, fake: FakeSite, run: Do, ready: Site, ana: Actor, ben: Actor, config: Config
) -> None:
    mark_checked(silent, ana, fake)
    assert (silent.state, silent.is_open) == (UNKNOWN, False)
    read_report(ready, fake, config=config)
    again = check(propose(ready, ben, fake.clock()), fake, config)
    assert run(approve(again, ana, config, fake.clock())) == SUCCEEDED


def test_the_plugin_is_listed_as_ready_again(
    silent: Change, fake: FakeSite, ready: Site, ana: Actor, config: Config, by_status: Any
) -> None:
    mark_checked(silent, ana, fake)
    read_report(ready, fake, config=config)
    assert by_status(READY) == [AKISMET]


@pytest.fixture
def by_status(fake: FakeSite) -> Callable[[str], list[str]]:
    """Return a function that lists Akismet's available updates in a status."""

    def listed(status: str) -> list[str]:
        now = fake.clock()
        filters = UpdateFilter(now=now, fresh_since=now, kind="plugin", ident=AKISMET)
        return [row.ident for row in AvailableUpdate.with_status(filters, status)]

    return listed


# ---- results that arrive while a person checks ----


def test_a_failure_that_arrives_later_does_not_pause_the_site_again(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ana: Actor
) -> None:
    fake.losing.add("change.run")
    fake.changes.plays[AKISMET] = (FAILED, "version_wrong_after")
    run(approved)
    stay_silent(approved, fake, settle)
    fake.during = lambda _: mark_checked(Change.get_by_id(approved.id), ana, fake)
    fake.clock.advance(minutes=20)
    assert settle(approved) == FAILED
    assert (approved.is_incident, approved.needs_checking) == (False, False)
    assert approved.closing_note == "The website works."


def test_an_update_that_a_person_has_checked_is_not_sent_again(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ana: Actor
) -> None:
    fake.report["agent"]["approval_on_site"] = True
    fake.losing.add("change.run")
    run(approved)
    stay_silent(approved, fake, settle)
    fake.during = lambda _: mark_checked(Change.get_by_id(approved.id), ana, fake)
    fake.clock.advance(minutes=20)
    assert settle(approved) == UNKNOWN
    fake.during = None
    fake.clock.advance(minutes=20)
    execution.recover_changes(fake.clock())
    assert run(approved) == UNKNOWN


def test_a_site_that_turns_out_to_wait_is_not_paused(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    fake.report["agent"]["approval_on_site"] = True
    fake.losing.add("change.run")
    run(approved)
    stay_silent(approved, fake, settle)
    fake.clock.advance(minutes=20)
    assert (settle(approved), approved.is_incident) == (WAITING, False)


def test_the_hour_counts_from_the_last_attempt(
    approved: Change, fake: FakeSite, run: Do, config: Config
) -> None:
    fake.report["agent"]["approval_on_site"] = True
    assert run(approved) == WAITING
    fake.clock.advance(hours=5)

    def die(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execution.run_change(approved.id, config=config, call=fake.call, look=die, now=fake.clock)
    approved.refresh()
    assert (approved.state, approved.sent_at) == (RUNNING, None)
    fake.clock.advance(minutes=5)
    execution.recover_changes(fake.clock())
    approved.refresh()
    assert (approved.state, approved.is_incident) == (UNKNOWN, False)


# ---- a site that may have lost the update ----


def test_another_connection_does_not_settle_an_earlier_update(
    silent: Change, fake: FakeSite, settle: Do
) -> None:
    Change.update(kid="another").execute()
    fake.clock.advance(minutes=20)
    assert settle(silent) == UNKNOWN


def test_a_restored_backup_does_not_settle_an_earlier_update(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    backup, ledger = list(fake.log), dict(fake.changes.ledger)
    fake.losing.add("change.run")
    run(approved)
    installed = fake.changes.installs[approved.op_id]
    Site.update(log_n=fake.head["n"], log_hash=fake.head["hash"]).execute()
    fake.log, fake.changes.ledger = backup, ledger
    fake.clock.advance(minutes=20)
    assert (settle(approved), installed) == (UNKNOWN, 1)
    Site.update(quarantine=FORKED).execute()
    fake.clock.advance(minutes=20)
    assert settle(approved) == UNKNOWN
