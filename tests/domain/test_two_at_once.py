"""Race two processes for the same row; the database lets one have it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.config import Config
from app.domain import audit
from app.domain.accounts import login_throttle, one_time_links, users
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import SiteCalled
from app.domain.changes import approvals, proposals, stop_switch
from app.domain.connection import pairing
from app.domain.errors import AuraError
from app.domain.inventory import site_sync
from app.models.accounts import User
from app.models.base import DuplicateRow, transaction
from app.models.change_stops import ChangeStop
from app.models.changes import APPROVED, CANCELLED, PROPOSED, RUNNING, Change
from app.models.clients import FOUR_EYES, Client
from app.models.installation import Setting
from app.models.reports import ASKING, QUEUED, Sync
from app.models.sites import WAITING, Pairing, Site
from tests.support import racing
from tests.support.factories import (
    PASSWORD,
    approve,
    check,
    make_site,
    make_user,
    plugin,
    propose,
    read_report,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at
from tests.support.racing import RACERS, race

pytestmark = pytest.mark.both_databases

GUESSED = 30
NOW = at("2026-11-24 10:00")


@pytest.fixture(scope="module", autouse=True)
def _racers_end() -> Iterator[None]:
    yield
    racing.end_racers()


def append(config: Config) -> None:
    for number in range(40):
        with transaction():
            audit.record(SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=number), SYSTEM)


def claim_sync(config: Config, sync_id: int) -> bool:
    return Sync.get_by_id(sync_id).move(to=ASKING, when=(QUEUED,), started_at=NOW)


def claim_token(config: Config, token_id: int) -> bool:
    token = Pairing.get_by_id(token_id)
    return token.lease((WAITING,), NOW, NOW + timedelta(seconds=90))


def request_sync(config: Config, site_id: int, by: Actor) -> int:
    return site_sync.request_sync(Site.get_by_id(site_id), by=by, now=NOW).id


def request_all_syncs(config: Config) -> int:
    return len(site_sync.request_due(NOW, every_minutes=60))


def issue(config: Config, site_id: int, by: Actor) -> str:
    try:
        return pairing.issue_token(Site.get_by_id(site_id), by=by, config=config, now=NOW)[1]
    except AuraError as refusal:
        return type(refusal).__name__


def stop_all(config: Config, by: Actor) -> str:
    try:
        stop_switch.stop_changes("a bad release", by=by, confirmed_at=NOW, now=NOW)
    except AuraError as refusal:
        return type(refusal).__name__
    return "stopped"


def set_up(config: Config, token: str) -> str:
    number = multiprocessing.current_process().pid
    try:
        users.set_up_owner(
            token=token,
            name=f"Owner {number}",
            email=f"owner{number}@agency.example",
            password=PASSWORD,
            again=PASSWORD,
            browser=ClientInfo("192.0.2.1"),
            config=config,
            now=NOW,
        )
    except AuraError as refusal:
        return type(refusal).__name__
    return "owner"


def accept(config: Config, token: str) -> str:
    try:
        users.accept_invitation(
            token=token,
            password=PASSWORD,
            again=PASSWORD,
            browser=ClientInfo("192.0.2.1"),
            config=config,
            now=NOW,
        )
    except AuraError as refusal:
        return type(refusal).__name__
    return "in"


def disable_all_owners(config: Config) -> int:
    """Have every owner disable their own account as far as allowed; return how many succeeded."""
    done = 0
    for user in list(User.select().where(User.role == "owner")):
        try:
            users.disable_user(user, by=Actor.of(user), now=NOW)
            done += 1
        except AuraError:
            continue
    return done


def guess(config: Config) -> int:
    """Guess ten passwords for each of many accounts, each from a network of its own."""
    tries = [
        login_throttle.register_attempt(
            f"account {n}", ClientInfo(f"192.0.2.{n}"), config=config, now=NOW
        )
        for n in range(GUESSED)
        for _ in range(10)
    ]
    return sum(subject is not None for subject in tries)


def settle(config: Config) -> str:
    return Setting.write_once("shared", str(multiprocessing.current_process().pid))


def release(config: Config, change_id: int, people: dict[int, Actor]) -> str:
    """Approve the change; the racers take turns among `people`."""
    number = multiprocessing.current_process()._identity[0]
    by = people[number % len(people)]
    change = Change.get_by_id(change_id)
    try:
        approvals.approve_changes(
            [change],
            by=by,
            seen={change.id: change.digest},
            confirmed_at=NOW,
            config=config,
            now=NOW,
        )
    except AuraError as refusal:
        return type(refusal).__name__
    return by.name


def release_or_cancel(config: Config, change_id: int, by: Actor) -> str:
    change = Change.get_by_id(change_id)
    try:
        if multiprocessing.current_process()._identity[0] % 2:
            proposals.cancel_change(change, by=by, now=NOW)
            return "cancelled"
        approvals.approve_changes(
            [change],
            by=by,
            seen={change.id: change.digest},
            confirmed_at=NOW,
            config=config,
            now=NOW,
        )
    except AuraError as refusal:
        return type(refusal).__name__
    return "approved"


def claim_change(config: Config, change_ids: list[int]) -> bool:
    """Start one of these changes; the racers take turns among them."""
    number = multiprocessing.current_process()._identity[0]
    change = Change.get_by_id(change_ids[number % len(change_ids)])
    try:
        with transaction():
            return change.claim(NOW, NOW + timedelta(minutes=4))
    except DuplicateRow:
        return False


def test_appends_end_in_one_chain(database: Config) -> None:
    race(append, database)
    report = audit.verify_chain()
    assert (report.entries, report.is_whole) == (RACERS * 40, True)


def test_a_sync_is_claimed_by_one_worker(paired: Site, config: Config) -> None:
    won = race(claim_sync, config, Sync.open_for(paired).id)
    assert sorted(won) == [False, False, True]


def test_a_token_is_tried_by_one_worker(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    site = make_site(ana, now=NOW)
    token, _ = pairing.issue_token(site, by=ana, config=config, now=NOW)
    assert sorted(race(claim_token, config, token.id)) == [False, False, True]


def test_requests_at_once_are_one_sync(paired: Site, ana: Actor, config: Config) -> None:
    Sync.delete().execute()
    assert len(set(race(request_sync, config, paired.id, ana))) == 1
    assert Sync.select().count() == 1


def test_two_schedulers_request_each_sync_once(paired: Site, config: Config) -> None:
    Sync.delete().execute()
    assert sorted(race(request_all_syncs, config))[-2:] == [0, 1]
    assert Sync.select().count() == 1


def test_tokens_issued_at_once_leave_one_waiting(
    ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    site = make_site(ana, now=NOW)
    race(issue, config, site.id, ana)
    assert Pairing.select().where(Pairing.state == "waiting").count() == 1
    site.refresh()
    assert site.state == "pairing"


def test_all_updates_are_stopped_once(ben: Actor, config: Config) -> None:
    assert sorted(map(str, race(stop_all, config, ben))) == ["StaleState", "StaleState", "stopped"]
    assert ChangeStop.select().count() == 1


def test_a_set_up_link_makes_one_owner(database: Config) -> None:
    # Signed at the real time, because the racers check its age by the real clock.
    link = one_time_links.setup_link(database)
    assert link is not None
    results = race(set_up, database, link.rsplit("/", 1)[1])
    assert sorted(results) == ["LinkNoLongerValid", "LinkNoLongerValid", "owner"]
    assert User.select().count() == 1


def test_an_invitation_is_accepted_once(database: Config) -> None:
    link = one_time_links.invitation_link(make_user("Ben", "operator", password_hash="!"), database)
    results = race(accept, database, link.rsplit("/", 1)[1])
    assert sorted(results) == ["LinkNoLongerValid", "LinkNoLongerValid", "in"]


def test_one_owner_always_remains(ana: Actor, database: Config) -> None:
    for name in ("Olga", "Omar"):
        make_user(name, "owner")
    assert sum(int(str(done)) for done in race(disable_all_owners, database)) == 2
    assert User.select().where(User.disabled_at.is_null()).count() == 1


def test_guesses_at_the_same_moment_get_no_more_attempts(database: Config) -> None:
    tried = sum(int(str(count)) for count in race(guess, database))
    assert tried == GUESSED * login_throttle.FREE_PER_ACCOUNT


def test_all_processes_use_the_same_setting(database: Config) -> None:
    assert len(set(race(settle, database))) == 1


# ---- changes ----


@pytest.fixture
def change(ready: Site, ben: Actor, fake: FakeSite, config: Config) -> Change:
    """Ben's proposal, which has passed its pre-check."""
    return check(propose(ready, ben, NOW), fake, config)


def test_a_change_is_approved_by_one_person(
    change: Change, ana: Actor, ben: Actor, config: Config
) -> None:
    results = race(release, config, change.id, {0: ana, 1: ben, 2: ana})
    assert results.count("StaleChange") == RACERS - 1
    found = Change.get_by_id(change.id)
    assert found.state == APPROVED
    assert found.decided_by in results


def test_a_proposer_never_approves_where_two_people_are_required(
    change: Change, ready: Site, ana: Actor, ben: Actor, config: Config
) -> None:
    client = Client.named("Bakery Ltd")
    client.set_approval_mode(FOUR_EYES)
    Site.update(client=client).execute()
    race(release, config, change.id, {0: ben, 1: ben, 2: ana})
    found = Change.get_by_id(change.id)
    assert (found.state, found.decided_by) == (APPROVED, "Ana")


def test_a_change_is_approved_or_cancelled_at_the_same_moment(
    change: Change, ana: Actor, config: Config
) -> None:
    results = race(release_or_cancel, config, change.id, ana)
    found = Change.get_by_id(change.id)
    assert found.state in (APPROVED, CANCELLED)
    # The approval may come first and the cancellation second, never the other way round.
    assert results.count("approved") <= 1
    assert results.count("cancelled") <= 1
    assert (found.state == CANCELLED) is ("cancelled" in results)
    assert found.state != PROPOSED


def test_a_change_is_started_by_one_worker(change: Change, ana: Actor, config: Config) -> None:
    approve(change, ana, config, NOW)
    assert sorted(race(claim_change, config, [change.id])) == [False, False, True]


def test_one_of_two_changes_of_a_site_is_started(
    ready: Site, ana: Actor, ben: Actor, fake: FakeSite, config: Config
) -> None:
    fake.report["plugins"].append(plugin("shop/shop.php", version="1.0"))
    update = {**fake.report["updates"]["plugins"][0], "id": "shop/shop.php", "version": "2.0"}
    fake.report["updates"]["plugins"].append(update)
    read_report(ready, fake, config=config)
    both = [propose(ready, ben, NOW), propose(ready, ben, NOW, "shop/shop.php", "2.0")]
    for one in both:
        approve(check(one, fake, config), ana, config, NOW)
    results = race(claim_change, config, [one.id for one in both])
    assert sorted(results) == [False, False, True]
    assert Change.select().where(Change.state == RUNNING).count() == 1
