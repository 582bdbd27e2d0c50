"""Run the tasks of every minute while three other processes write."""

from __future__ import annotations

import pytest
from peewee import OperationalError

from app.config import Config
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import checkpoints, export, verification
from app.domain.changes import auto_update_rules, execution
from app.domain.connection import pairing, revocation, rotation
from app.domain.diagnostics import runs
from app.domain.inventory import site_sync, update_backlog
from app.models.audit import Verification
from app.models.base import transaction
from app.models.changes import APPROVED, CHECKING, Change
from app.models.reports import Sync
from app.models.rotations import Rotation
from app.models.tags import SiteTag
from tests.support.busy_writers import busy_writers
from tests.support.factories import check, make_site, pair, read_report, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.rules import terms

pytestmark = pytest.mark.both_databases

SITES = 60
COVERED = 13


def add_sites(
    count: int, ana: Actor, clock: Clock, config: Config, *, tagged: int = 0
) -> dict[int, FakeSite]:
    """Add paired sites with one update each; the first sites carry a tag."""
    fakes = {}
    for number in range(count):
        fake = FakeSite(f"https://site{number}.example", clock, report())
        site = make_site(ana, now=clock(), url=fake.home, name=f"Site {number}")
        fake.report["wordpress"] |= {"home": fake.home, "site_url": fake.home}
        pair(site, fake, by=ana, config=config)
        read_report(site, fake, config=config)
        if number < tagged:
            SiteTag.replace_all(site, {"care plan": "care plan"})
        fakes[site.id] = fake
    return fakes


def one_round(config: Config, clock: Clock) -> None:
    """Run everything the schedule does in a minute, and renew the keys of every site."""
    now = clock()
    auto_update_rules.propose_due(now)
    auto_update_rules.approve_due(config, now)
    rotation.rotate_all_keys(by=SYSTEM, config=config, now=now)
    rotation.recover_rotations(now)
    site_sync.request_due(now, every_minutes=60)
    site_sync.recover(config, now)
    revocation.retry_due_revocations(now)
    pairing.recover_pairings(now)
    runs.recover_diagnostics(now)
    update_backlog.store_today(now)
    execution.recover_changes(now)
    export.queue_due_exports(config, now)
    verification.queue_due_verification(now)
    checkpoints.current_checkpoint(config)


def undo_round() -> None:
    with transaction():
        for model in (Change, Rotation, Sync, Verification):
            model.delete().execute()


@pytest.mark.parametrize("rounds", [15, pytest.param(200, marks=pytest.mark.nightly)])
def test_no_round_of_the_schedule_fails_while_others_write(
    rounds: int, ana: Actor, clock: Clock, config: Config, jobs: RecordingQueue
) -> None:
    add_sites(3, ana, clock, config)
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    failed = []
    with busy_writers(config):
        for number in range(rounds):
            try:
                one_round(config, clock)
                assert Change.select().where(Change.state == CHECKING).count() == 3
                assert Rotation.select().count() == 3
            except OperationalError as why:
                failed.append((number, why))
            undo_round()
    assert failed == []


def test_a_rule_for_13_of_60_sites_releases_all_of_them_in_the_next_round(
    ana: Actor, clock: Clock, config: Config, jobs: RecordingQueue
) -> None:
    fakes = add_sites(SITES, ana, clock, config, tagged=COVERED)
    auto_update_rules.create_rule(
        terms(clock, tags=("care plan",)), by=ana, confirmed_at=clock(), now=clock()
    )
    with busy_writers(config):
        assert auto_update_rules.propose_due(clock()) == COVERED
        for change in list(Change.select()):
            check(change, fakes[change.site_id], config)
        clock.advance(minutes=1)
        assert auto_update_rules.approve_due(config, clock()) == COVERED
    assert Change.select().where(Change.state == APPROVED).count() == COVERED
