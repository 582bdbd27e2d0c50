"""Obey the update limits of a site's owner: a pause, hours and excluded plugins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, change_times, execution, maintenance_windows
from app.domain.changes.approvals import Terms
from app.domain.changes.candidates import candidates_on_site
from app.domain.changes.change_times import Window
from app.domain.errors import Conflict, StaleChange
from app.domain.inventory import update_limits
from app.models.available_updates import AvailableUpdate
from app.models.changes import APPROVED, PROPOSED, REFUSED, SUCCEEDED, WAITING, Change
from app.models.sites import Site
from app.protocol import from_b64u, parse_json
from tests.support.audit_entries import facts_of
from tests.support.change_proposals import release
from tests.support.factories import approve, check, limits, propose, read_report, run_change
from tests.support.fakes import Clock, FakeSite, at
from tests.support.rules import terms, the_change

pytestmark = pytest.mark.both_databases

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
PAUSED_AT = at("2026-11-24 09:00")


def set_limits(site: Site, fake: FakeSite, config: Config | None = None, **changes: Any) -> None:
    """Change the owner's limits; with `config`, have Aura sync the site afterwards."""
    fake.report["agent"]["limits"] = limits(**changes)
    if config is not None:
        read_report(site, fake, config=config)
        site.refresh()


def pause(site: Site, fake: FakeSite, config: Config | None = None, **changes: Any) -> None:
    values = {"paused_at": int(PAUSED_AT.timestamp()), "reason": "Summer sale", **changes}
    set_limits(site, fake, config, **values)


def reasons(site: Site, clock: Clock) -> list[str]:
    """Return the codes that block the only available update."""
    (candidate,) = [one for one in candidates_on_site(site, clock()) if one.target.available]
    return [one.code for one in candidate.verdict.reasons]


# ---- a pause ----


def test_a_pause_is_known_after_the_next_sync_and_blocks_every_update(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    assert update_limits.pause_of(ready) is None
    pause(ready, fake, config)
    known_pause = update_limits.pause_of(ready)
    assert known_pause is not None
    assert (known_pause.at, known_pause.reason) == (PAUSED_AT, "Summer sale")
    assert reasons(ready, clock) == ["paused_by_owner"]
    # Pages about the whole fleet count the update among the blocked ones.
    row = AvailableUpdate.get(AvailableUpdate.site == ready)
    assert not row.is_fit
    why = {"at": PAUSED_AT.isoformat(), "reason": "Summer sale"}
    assert row.reasons == [["paused_by_owner", why]]
    set_limits(ready, fake, config)
    assert reasons(ready, clock) == []
    assert Site.get_by_id(ready.id).update_limits is None


def test_a_paused_site_is_not_reviewed(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    pause(ready, fake, config)
    with pytest.raises(Conflict):
        propose(ready, ben, clock())


def test_a_pause_that_aura_does_not_know_yet_ends_the_pre_check(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    pause(ready, fake)
    change = check(propose(ready, ben, clock()), fake, config)
    assert (change.state, change.outcome_reason) == (REFUSED, "paused_by_owner")


def test_an_update_is_not_approved_while_the_site_is_paused(
    proposed: Change, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    pause(ready, fake, config)
    for override in ("", "the owner is on holiday"):
        with pytest.raises(Conflict, match="has paused updates"):
            release(proposed, ana, config, clock(), terms=Terms(override=override))
    assert proposed.state == PROPOSED
    set_limits(ready, fake, config)
    approve(proposed, ana, config, clock())
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_an_approved_update_waits_until_the_owner_resumes(
    proposed: Change, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    approve(proposed, ana, config, clock())
    pause(ready, fake, config)
    assert run_change(proposed, fake, config) == APPROVED
    assert fake.changes.asked[proposed.op_id] == 0
    calendar = change_times.read_calendar(clock())
    assert calendar.why_not_now(proposed, ready, clock()) == "paused_by_owner"
    set_limits(ready, fake, config)
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_a_pause_stops_an_update_that_aura_already_sends(
    proposed: Change,
    ready: Site,
    ana: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: Any,
) -> None:
    """The owner paused updates after the last sync: the site refuses, and the update waits."""
    approve(proposed, ana, config, clock())
    pause(ready, fake)
    jobs.jobs.clear()
    assert run_change(proposed, fake, config) == WAITING
    assert proposed.outcome_reason == "paused_by_owner"
    assert fake.changes.installs[proposed.op_id] == 0
    assert facts_of("change_waiting")["change_id"] == proposed.id
    # A sync learns what else the owner has set; until then Aura does not ask every few minutes.
    assert jobs.names() == ["sync_site"]
    clock.advance(minutes=10)
    assert run_change(proposed, fake, config) == WAITING
    read_report(ready, fake, config=config)
    clock.advance(minutes=10)
    assert execution.recover_changes(clock()) == 0
    set_limits(ready, fake, config)
    assert execution.recover_changes(clock()) == 1
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_a_rule_skips_a_paused_site(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    pause(ready, fake, config)
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    assert auto_update_rules.propose_due(clock()) == 0
    set_limits(ready, fake, config)
    assert auto_update_rules.propose_due(clock()) == 1
    # The rule also releases nothing that it proposed before.
    check(the_change(), fake, config)
    pause(ready, fake, config)
    assert auto_update_rules.approve_due(config, clock()) == 0
    assert the_change().state == PROPOSED


# ---- hours ----


def test_an_update_starts_in_the_hours_of_the_owner(
    proposed: Change, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    set_limits(ready, fake, config, days=EVERY_DAY, hours=(2, 5))
    approve(proposed, ana, config, clock())
    opens, closes = at("2026-11-25 01:00"), at("2026-11-25 04:00")
    assert (proposed.not_before, proposed.not_after) == (opens, closes)
    plan = parse_json(from_b64u(proposed.plan))
    assert (plan["not_before"], plan["not_after"]) == (opens.timestamp(), closes.timestamp())
    clock.now = opens - timedelta(seconds=1)
    assert run_change(proposed, fake, config) == APPROVED
    clock.now = opens
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_an_update_needs_both_the_agencys_window_and_the_owners_hours(
    proposed: Change, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    set_limits(ready, fake, config, days=EVERY_DAY, hours=(0, 3))
    window = Window(tuple(range(7)), 2, 6, "Europe/Berlin")
    maintenance_windows.set_window(ready, window, by=ana, confirmed_at=clock(), now=clock())
    approve(proposed, ana, config, clock())
    times = (proposed.not_before, proposed.not_after)
    assert times == (at("2026-11-25 01:00"), at("2026-11-25 02:00"))


@pytest.mark.parametrize(
    ("with_window", "message"),
    [(True, "no maintenance window in the hours that its owner"), (False, "no hours that its")],
)
def test_an_update_without_a_common_time_is_not_approved(
    proposed: Change,
    ready: Site,
    ana: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    with_window: bool,
    message: str,
) -> None:
    days = EVERY_DAY if with_window else (1,)
    set_limits(ready, fake, config, days=days, hours=(0, 2))
    if with_window:
        window = Window(tuple(range(7)), 2, 6, "Europe/Berlin")
        maintenance_windows.set_window(ready, window, by=ana, confirmed_at=clock(), now=clock())
    else:
        Change.update(not_after=clock() + timedelta(days=2)).execute()
    with pytest.raises(Conflict, match=message):
        release(proposed, ana, config, clock())


def test_an_override_does_not_apply_to_the_owners_hours(
    proposed: Change, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    set_limits(ready, fake, config, days=EVERY_DAY, hours=(2, 5))
    window = Window((0,), 8, 9, "Europe/Berlin")
    maintenance_windows.set_window(ready, window, by=ana, confirmed_at=clock(), now=clock())
    release(proposed, ana, config, clock(), terms=Terms(override="a security hole"))
    assert proposed.not_before == at("2026-11-25 01:00")
    assert run_change(proposed, fake, config) == APPROVED
    clock.now = at("2026-11-25 01:00")
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_hours_that_aura_does_not_know_yet_make_the_site_refuse(
    proposed: Change, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    approve(proposed, ana, config, clock())
    set_limits(ready, fake, days=EVERY_DAY, hours=(2, 5))
    assert run_change(proposed, fake, config) == WAITING
    assert proposed.outcome_reason == "outside_owner_window"
    read_report(ready, fake, config=config)
    clock.now = at("2026-11-25 01:30")
    assert execution.recover_changes(clock()) == 1
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_hours_in_an_unknown_time_zone_are_left_to_the_site(
    proposed: Change, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    zone = {"days": [2], "from_hour": 1, "to_hour": 2, "time_zone": "Mars/Base"}
    set_limits(ready, fake, config, window=zone)
    assert change_times.owner_hours_of(ready) is None
    approve(proposed, ana, config, clock())
    assert proposed.not_before <= clock()


# ---- exclusions ----


@pytest.mark.parametrize(
    ("releases", "available", "found"),
    [
        ("all", "6.0", []),
        ("none", "5.3.1", ["excluded_by_owner"]),
        ("patch", "5.3.1", []),
        ("patch", "5.4", ["not_a_patch_release"]),
        ("patch", "5.3.1-RC1", ["release_unclear"]),
    ],
)
def test_an_excluded_update_is_blocked(
    ready: Site,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    releases: str,
    available: str,
    found: list[str],
) -> None:
    fake.report["plugins"][0]["releases"] = releases
    fake.report["updates"]["plugins"][0]["version"] = available
    read_report(ready, fake, config=config)
    assert reasons(ready, clock) == found
    assert AvailableUpdate.get(AvailableUpdate.site == ready).is_fit is (found == [])


def test_an_exclusion_that_aura_does_not_know_yet_ends_the_update(
    proposed: Change,
    ready: Site,
    ana: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: Any,
) -> None:
    approve(proposed, ana, config, clock())
    fake.report["plugins"][0]["releases"] = "none"
    jobs.jobs.clear()
    assert run_change(proposed, fake, config) == REFUSED
    assert proposed.outcome_reason == "excluded_by_owner"
    assert "sync_site" in jobs.names()


@pytest.mark.parametrize(
    ("releases", "message"),
    [
        ("none", "The owner of Bakery has excluded Akismet from updates. Ask them"),
        ("patch", "only patch releases of Akismet, and 5.4 is not one. Ask them"),
    ],
)
def test_an_update_excluded_since_its_proposal_is_not_approved(
    ready: Site,
    ana: Actor,
    ben: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    releases: str,
    message: str,
) -> None:
    fake.report["updates"]["plugins"][0]["version"] = "5.4"
    read_report(ready, fake, config=config)
    proposed = check(propose(ready, ben, clock(), to="5.4"), fake, config)
    fake.report["plugins"][0]["releases"] = releases
    read_report(ready, fake, config=config)
    for by in (ana, ben):
        with pytest.raises(StaleChange, match=message):
            release(proposed, by, config, clock())
    proposed.refresh()
    assert proposed.state == PROPOSED
    fake.report["plugins"][0]["releases"] = "all"
    read_report(ready, fake, config=config)
    approve(proposed, ana, config, clock())


def test_a_rule_does_not_approve_an_update_excluded_since(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    auto_update_rules.propose_due(clock())
    change = check(the_change(), fake, config)
    assert change.state == PROPOSED
    fake.report["plugins"][0]["releases"] = "none"
    read_report(ready, fake, config=config)
    assert auto_update_rules.approve_due(config, clock()) == 0
    fake.report["plugins"][0]["releases"] = "all"
    read_report(ready, fake, config=config)
    assert auto_update_rules.approve_due(config, clock()) == 1


# ---- what a site sends ----


def test_the_data_of_an_older_siteagent_has_no_limits(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    pause(ready, fake, config)
    del fake.report["agent"]["limits"]
    for component in [*fake.report["plugins"], *fake.report["themes"]]:
        del component["releases"]
    assert read_report(ready, fake, config=config).state == "done"
    ready.refresh()
    assert ready.update_limits is None
    assert reasons(ready, clock) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"paused_at": -1},
        {"paused_at": 2**53 - 1},
        {"reason": "x" * 201},
        {"days": (0,), "hours": (1, 5)},
        {"days": (8,), "hours": (1, 5)},
        {"days": (1,), "hours": (5, 5)},
        {"days": (1,), "hours": (24, 5)},
        {"days": (1,), "hours": (-1, 5)},
        {"days": (1,), "hours": (1, 25)},
        {"days": (1,)},
        {"window": {"days": "all", "from_hour": 1, "to_hour": 5, "time_zone": "UTC"}},
        {"paused": "yes"},
    ],
)
def test_invalid_limits_refuse_the_whole_report(
    ready: Site, fake: FakeSite, config: Config, wrong: dict[str, Any]
) -> None:
    set_limits(ready, fake, **wrong)
    sync = read_report(ready, fake, config=config)
    assert (sync.state, sync.error_code) == ("failed", "report_invalid")
    assert Site.get_by_id(ready.id).update_limits is None
