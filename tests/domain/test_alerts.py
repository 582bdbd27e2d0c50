"""An alert is raised once, and a person who has just confirmed their password closes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.domain import alerts, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.documents import entry_document
from app.domain.errors import Forbidden, Invalid, NotFound, ReauthenticationRequired, StaleState
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from tests.support.factories import make_site
from tests.support.fakes import Clock

pytestmark = pytest.mark.both_databases


def raise_alert(site: Site, now: Any, key: str = "n1", kind: str = alerts.CALL_UNKNOWN) -> bool:
    with transaction():
        return alerts.raise_alert(site, kind, key, {"site": {"entry": 3}}, SYSTEM, now)


def close(alert: Alert, by: Actor, now: Any, **changed: Any) -> int:
    terms = {"note": "Our own test.", "with_others": False, "confirmed_at": now, "now": now}
    return alerts.close_alert(alert, by=by, **{**terms, **changed})


def test_an_alert_is_raised_once_with_its_entry(site: Site, clock: Clock) -> None:
    assert raise_alert(site, clock())
    assert not raise_alert(site, clock())
    assert raise_alert(site, clock(), key="n2")
    assert len(Alert.unresolved(EVERYTHING)) == 2
    assert len(AuditEntry.newest(site_id=site.id, event="alert_raised")) == 2


def test_a_closed_alert_records_its_cause_and_is_not_raised_again(
    site: Site, ana: Actor, clock: Clock
) -> None:
    raise_alert(site, clock())
    (alert,) = Alert.unresolved(EVERYTHING)
    assert close(alert, ana, clock()) == 1
    assert (alert.closed_by, alert.closing_note) == ("Ana", "Our own test.")
    entry = AuditEntry.newest(site_id=site.id, event="alert_closed", limit=1)[0]
    assert entry_document(entry)["facts"]["note"] == "Our own test."
    assert not raise_alert(site, clock())
    assert Alert.unresolved(EVERYTHING) == []


def test_closing_needs_access_to_the_site_and_a_recent_password(
    site: Site, ana: Actor, ben: Actor, cleo: Actor, dora: Actor, clock: Clock
) -> None:
    raise_alert(site, clock())
    (alert,) = Alert.unresolved(EVERYTHING)
    for who in (cleo, dora, SYSTEM):
        with pytest.raises(Forbidden):
            close(alert, who, clock())
    with pytest.raises(ReauthenticationRequired):
        close(alert, ana, clock(), confirmed_at=clock() - permissions.REAUTH_MAX_AGE)
    assert close(alert, ben, clock()) == 1


@pytest.mark.parametrize("note", ["", "   ", "x" * 501])
def test_closing_needs_a_readable_note(site: Site, ana: Actor, clock: Clock, note: str) -> None:
    raise_alert(site, clock())
    (alert,) = Alert.unresolved(EVERYTHING)
    with pytest.raises(Invalid):
        close(alert, ana, clock(), note=note)
    assert alert.is_open


def test_the_second_of_two_people_cannot_close_an_alert_again(
    site: Site, ana: Actor, clock: Clock
) -> None:
    raise_alert(site, clock())
    (alert,) = Alert.unresolved(EVERYTHING)
    late = Alert.get_by_id(alert.id)
    close(alert, ana, clock())
    with pytest.raises(StaleState):
        close(late, ana, clock())


def test_others_of_the_same_kind_and_site_may_be_closed_together(
    site: Site, ana: Actor, clock: Clock
) -> None:
    other = make_site(ana, now=clock(), url="https://other.example", name="Other")
    for key in ("n1", "n2", "n3"):
        raise_alert(site, clock(), key=key)
    raise_alert(site, clock(), kind=alerts.CALL_MISSING)
    raise_alert(other, clock())
    alert = Alert.get(Alert.key == "n2", Alert.site == site)
    assert close(alert, ana, clock(), with_others=True) == 3
    assert {(item.site_id, item.kind) for item in Alert.unresolved(EVERYTHING)} == {
        (site.id, alerts.CALL_MISSING),
        (other.id, alerts.CALL_UNKNOWN),
    }


def test_one_cause_in_the_audit_log_raises_one_alert_for_all_sites(
    site: Site, ana: Actor, clock: Clock
) -> None:
    other = make_site(ana, now=clock(), url="https://other.example", name="Other")
    raise_alert(site, clock(), kind=alerts.AUDIT_LOG_LOST)
    raise_alert(other, clock(), kind=alerts.AUDIT_LOG_LOST)
    alert = next(item for item in Alert.unresolved(EVERYTHING) if item.site_id == site.id)
    assert close(alert, ana, clock(), with_others=True) == 2


def test_an_unknown_alert_is_not_found(site: Site, ana: Actor) -> None:
    with pytest.raises(NotFound):
        alerts.get_alert(7, ana)


def test_alerts_of_a_kind_are_limited(site: Site, clock: Clock) -> None:
    for number in range(alerts.MAX_OPEN + 5):
        raise_alert(site, clock() + timedelta(seconds=number), key=str(number))
    assert Alert.open_of(site, alerts.CALL_UNKNOWN) == alerts.MAX_OPEN
    assert raise_alert(site, clock(), kind=alerts.LOG_BROKEN)
