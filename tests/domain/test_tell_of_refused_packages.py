"""Report a package that is refused for a day, or by Aura itself, to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.changes import package_checks, package_refusals
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.changes import REFUSED, Change
from app.models.packages import KnownPackage
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.package_tree import REFUSALS
from tests.support.audit_entries import facts_of
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    propose,
    read_report,
    report,
    run_change,
)
from tests.support.fakes import Clock, FakeSite
from tests.support.package_server import PATH, PackageServer, akismet, pins_of
from tests.support.packages import hostile

LINK = "package_has_link"


@pytest.fixture
def refused(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock, monkeypatch: Any
) -> Any:
    """Return a function that proposes the update again; the site refuses it with this reason."""

    def refuse(reason: str) -> Change:
        monkeypatch.setattr(fake.changes, "_unmet", lambda site, item: [reason])
        read_report(ready, fake, config=config)
        change = check(propose(ready, ben, clock()), fake, config)
        assert (change.state, change.outcome_reason) == (REFUSED, reason)
        return change

    return refuse


@pytest.fixture
def run_refused(
    ready: Site, fake: FakeSite, ben: Actor, ana: Actor, config: Config, clock: Clock
) -> Callable[..., Change]:
    """Return a function that approves the update again; the site ends the run with this outcome."""

    def run(outcome: str = "refused", reason: str = "package_too_large") -> Change:
        read_report(ready, fake, config=config)
        change = check(propose(ready, ben, clock()), fake, config)
        approve(change, ana, config, clock())
        fake.changes.plays[AKISMET] = (outcome, reason)
        run_change(change, fake, config)
        assert (change.state, change.outcome_reason) == (outcome, reason)
        Change.update(is_incident=False).execute()
        return change

    return run


def open_alerts() -> list[Alert]:
    return Alert.unresolved(EVERYTHING)


@pytest.mark.parametrize("reason", [*REFUSALS, "download_failed"])
def test_a_package_that_is_refused_for_a_day_raises_a_warning(
    refused: Any, clock: Clock, reason: str
) -> None:
    refused(reason)
    clock.advance(hours=19)
    refused(reason)
    assert open_alerts() == []
    clock.advance(hours=1)
    change = refused(reason)
    (alert,) = open_alerts()
    assert (alert.kind, alert.site_id) == (alerts.PACKAGE_REFUSED, change.site_id)
    assert alerts.severity(alert.kind) == "warning"
    assert alert.evidence["site"] == {"reason": reason}
    assert alert.evidence["aura"] == {"kind": "plugin", "id": AKISMET, "version": "5.3.1"}
    assert AuditEntry.newest(event="alert_raised", limit=1)


def test_the_warning_is_raised_once_and_only_for_the_package(refused: Any, clock: Clock) -> None:
    for reason in ("disk_full", LINK, "disk_full"):
        refused(reason)
        clock.advance(hours=21)
    assert open_alerts() == []
    for _ in range(3):
        refused(LINK)
        clock.advance(hours=21)
    assert len(open_alerts()) == 1
    open_alerts()[0].close(by="Ana", note="The developer repairs it.", now=clock())
    refused(LINK)
    assert open_alerts() == []


def test_a_new_version_starts_a_new_day(refused: Any, ready: Site, clock: Clock) -> None:
    first = refused(LINK)
    Change.update(to_version="5.3.0").where(Change.id == first.id).execute()
    clock.advance(hours=30)
    refused(LINK)
    assert open_alerts() == []


def test_a_package_that_aura_refuses_and_a_site_accepted_warns_at_once(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock
) -> None:
    fake.changes.package, fake.changes.package_path = pins_of(akismet()), PATH
    check(propose(ready, ben, clock()), fake, config)
    archive, code = hostile()["a link"]
    server = PackageServer({PATH: archive})
    package = KnownPackage.get()
    for _ in range(2):
        package_checks.check_package(package.id, config=config, fetch=server.fetch, now=clock)
    (alert,) = open_alerts()
    assert (alert.kind, alert.site_id) == (alerts.PACKAGE_REFUSED, ready.id)
    assert alert.evidence["aura"]["reason"] == code
    assert alert.evidence["site"] == {}


# ---- in the update itself ----


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("refused", "package_too_large"),
        ("refused", "package_changed"),
        ("refused", "package_mismatch"),
        ("refused", "package_host"),
        ("failed", "download_failed"),
        ("rolled_back", "tree_mismatch"),
    ],
)
def test_an_update_refused_for_its_package_for_a_day_raises_one_warning(
    run_refused: Callable[..., Change], clock: Clock, outcome: str, reason: str
) -> None:
    run_refused(outcome, reason)
    clock.advance(hours=19)
    run_refused(outcome, reason)
    assert open_alerts() == []
    clock.advance(hours=1)
    run_refused(outcome, reason)
    clock.advance(hours=1)
    change = run_refused(outcome, reason)
    (alert,) = open_alerts()
    assert (alert.kind, alert.site_id) == (alerts.PACKAGE_REFUSED, change.site_id)
    assert alert.evidence["site"] == {"reason": reason}


def test_other_failures_of_an_update_raise_no_warning(
    run_refused: Callable[..., Change], clock: Clock
) -> None:
    for outcome, reason in (
        ("rolled_back", "fatal_after"),
        ("refused", "disk_full"),
        ("rolled_back", "probe_worse"),
    ):
        run_refused(outcome, reason)
        clock.advance(hours=21)
    run_refused("refused", "package_has_link")
    assert open_alerts() == []


def test_refusals_by_the_pre_check_and_by_the_update_are_one_warning(
    refused: Any, run_refused: Callable[..., Change], clock: Clock, monkeypatch: Any
) -> None:
    refused(LINK)
    monkeypatch.undo()
    clock.advance(hours=20)
    run_refused("refused", "package_too_large")
    (alert,) = open_alerts()
    assert alert.evidence["site"] == {"reason": "package_too_large"}


def test_a_success_closes_the_warning_with_an_entry(
    run_refused: Callable[..., Change], clock: Clock
) -> None:
    for _ in range(2):
        run_refused()
        clock.advance(hours=21)
    assert len(open_alerts()) == 1
    run_refused("succeeded", "")
    assert open_alerts() == []
    assert facts_of("alert_closed")["note"] == "Akismet 5.3.1 was installed."
    assert Alert.get().closed_by == "Aura"


def test_a_version_that_the_site_no_longer_lists_closes_the_warning(
    run_refused: Callable[..., Change],
    ready: Site,
    fake: FakeSite,
    config: Config,
    clock: Clock,
) -> None:
    for _ in range(2):
        run_refused()
        clock.advance(hours=21)
    assert (package_refusals.close_gone(clock()), len(open_alerts())) == (0, 1)
    fake.report = report(plugins=[])
    read_report(ready, fake, config=config)
    assert (package_refusals.close_gone(clock()), open_alerts()) == (1, [])
    assert "no longer lists version 5.3.1" in str(facts_of("alert_closed")["note"])
    assert package_refusals.close_gone(clock()) == 0


def test_a_refusal_after_the_warning_was_closed_needs_another_day(
    run_refused: Callable[..., Change], clock: Clock
) -> None:
    for _ in range(2):
        run_refused()
        clock.advance(hours=21)
    alerts.close_over(open_alerts()[0], "It was gone.", clock())
    clock.advance(minutes=1)
    run_refused()
    assert open_alerts() == []
    clock.advance(hours=20)
    run_refused()
    assert len(open_alerts()) == 1


def test_a_package_that_aura_itself_refuses_keeps_its_warning(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock
) -> None:
    fake.changes.package, fake.changes.package_path = pins_of(akismet()), PATH
    check(propose(ready, ben, clock()), fake, config)
    server = PackageServer({PATH: hostile()["a link"][0]})
    package = KnownPackage.get()
    package_checks.check_package(package.id, config=config, fetch=server.fetch, now=clock)
    fake.report = report(plugins=[])
    read_report(ready, fake, config=config)
    assert (package_refusals.close_gone(clock()), len(open_alerts())) == (0, 1)
