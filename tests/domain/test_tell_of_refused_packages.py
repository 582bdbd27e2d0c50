"""A package that is refused for a day, or by Aura itself, is a matter for a person."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.changes import package_checks
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.changes import REFUSED, Change
from app.models.packages import KnownPackage
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.package_tree import REFUSALS
from tests.support.factories import AKISMET, check, propose, read_report
from tests.support.fakes import Clock, FakeSite
from tests.support.package_server import PATH, PackageServer, akismet, pins_of
from tests.support.packages import hostile

LINK = "package_has_link"


@pytest.fixture
def refused(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock, monkeypatch: Any
) -> Any:
    """Propose the update once more; the site answers with this reason."""

    def refuse(reason: str) -> Change:
        monkeypatch.setattr(fake.changes, "_unmet", lambda site, item: [reason])
        read_report(ready, fake, config=config)
        change = check(propose(ready, ben, clock()), fake, config)
        assert (change.state, change.outcome_reason) == (REFUSED, reason)
        return change

    return refuse


def open_alerts() -> list[Alert]:
    return Alert.open_ones(EVERYTHING)


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


def test_it_is_raised_once_and_only_for_the_package(refused: Any, clock: Clock) -> None:
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


def test_a_new_version_begins_again(refused: Any, ready: Site, clock: Clock) -> None:
    first = refused(LINK)
    Change.update(to_version="5.3.0").where(Change.id == first.id).execute()
    clock.advance(hours=30)
    refused(LINK)
    assert open_alerts() == []


def test_what_aura_refuses_and_a_site_accepted_raises_a_warning_at_once(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock
) -> None:
    fake.changes.package, fake.changes.package_path = pins_of(akismet()), PATH
    check(propose(ready, ben, clock()), fake, config)
    archive, code = hostile()["a link"]
    server = PackageServer({PATH: archive})
    known = KnownPackage.get()
    for _ in range(2):
        package_checks.check_package(known.id, config=config, fetch=server.fetch, now=clock)
    (alert,) = open_alerts()
    assert (alert.kind, alert.site_id) == (alerts.PACKAGE_REFUSED, ready.id)
    assert alert.evidence["aura"]["reason"] == code
    assert alert.evidence["site"] == {}
