"""Compare the logs of a site and of Aura: which differences raise an alert, and which do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.connection import calls
from app.domain.crosscheck import reconcile, site_log
from app.domain.crosscheck.reconcile import Finding, LogPair, LogRecord
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.call_log import OK, REPEATED, UNKNOWN, SiteCall
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from tests.support.factories import approve, check, propose, read_report, run_change
from tests.support.fakes import Clock, FakeSite, at

NOW = at("2026-11-24 12:00")
THEN = NOW - timedelta(hours=1)


def site(*events: tuple[str, dict[str, Any]], first: int = 1, when: Any = THEN) -> list[LogRecord]:
    """Return consecutive entries of a site."""
    return [LogRecord(first + n, when, event, facts) for n, (event, facts) in enumerate(events)]


def aura(*events: tuple[str, dict[str, Any]], when: Any = THEN) -> list[LogRecord]:
    return [LogRecord(100 + n, when, event, facts) for n, (event, facts) in enumerate(events)]


def answered(nonce: str, op: str = "report") -> tuple[str, dict[str, Any]]:
    return "answered", {"operation": op, "by": "Ana", "nonce": nonce}


def called(nonce: str, head: int = 3, outcome: str = OK) -> SiteCall:
    return SiteCall(id=7, nonce=nonce, op="report", at=THEN, outcome=outcome, head_n=head)


def changed(op_id: str, outcome: str, reason: str = "") -> tuple[str, dict[str, Any]]:
    facts = {
        "op_id": op_id,
        "outcome": outcome,
        "reason": reason,
        "kind": "plugin",
        "id": "a/a.php",
    }
    return "update_answered", facts


def started(op_id: str) -> tuple[str, dict[str, Any]]:
    return "change_started", {"op_id": op_id, "name": "Akismet", "to_version": "2"}


def ended(op_id: str, outcome: str, how: str = "answer", **more: str) -> tuple[str, dict[str, Any]]:
    return "change_ended", {"op_id": op_id, "outcome": outcome, "how": how, "reason": "", **more}


CONNECTED = ("connected", {"fingerprint": "AAAA-BBBB-CCCC"})
PAIRED = ("pairing_completed", {"fingerprint": "AAAA-BBBB-CCCC"})


def compare(
    s: list[LogRecord],
    a: list[LogRecord],
    *made: SiteCall,
    now: Any = NOW,
    since: Any = None,
) -> list[Finding]:
    """Return the findings of the comparison if Aura made these calls."""
    good = [call for call in made if call.outcome == OK]
    sides = LogPair(s, a, good, frozenset(call.nonce for call in made), since)
    return reconcile.compare_logs(sides, now=now)


def found(s: list[LogRecord], a: list[LogRecord], *made: SiteCall, **more: Any) -> list[str]:
    return [finding.kind for finding in compare(s, a, *made, **more)]


# ---- calls ----


def test_the_same_calls_on_both_sides_are_no_finding() -> None:
    s = site(CONNECTED, answered("n1"), answered("n2"))
    assert found(s, aura(PAIRED), called("n1", 2), called("n2", 3)) == []


def test_a_call_with_valid_keys_that_aura_never_made_is_found_at_once() -> None:
    s = site(CONNECTED, answered("n1"), answered("theirs"), when=NOW)
    (finding,) = compare(s, aura(PAIRED), called("n1", 2))
    assert (finding.kind, finding.key) == (alerts.CALL_UNKNOWN, "theirs")
    assert finding.evidence["site"]["entry"] == 3
    assert finding.evidence["site"]["nonce"] == "theirs"
    assert finding.evidence["aura"] == {}


def test_a_refused_call_that_aura_never_made_is_found_too() -> None:
    theirs = ("refused", {"operation": "change.run", "reason": "permission_off", "nonce": "theirs"})
    assert found(site(CONNECTED, theirs), aura(PAIRED)) == [alerts.CALL_UNKNOWN]


def test_a_call_with_only_a_stored_nonce_is_auras_own() -> None:
    """The worker died before it could write the result."""
    made = called("n1", 0, UNKNOWN)
    assert found(site(CONNECTED, answered("n1")), aura(PAIRED), made) == []


def test_a_second_attempt_by_the_sites_clock_is_auras_own() -> None:
    refused = ("refused", {"operation": "report", "reason": "clock_skew", "nonce": "n1"})
    made = called("n1", 0, REPEATED), called("n2", 3)
    assert found(site(CONNECTED, refused, answered("n2")), aura(PAIRED), *made) == []


def test_a_call_from_before_the_call_log_begins_is_no_finding() -> None:
    s = site(CONNECTED, answered("forgotten"))
    assert found(s, aura(PAIRED), since=THEN + timedelta(minutes=1)) == []
    assert found(s, aura(PAIRED), since=THEN) == [alerts.CALL_UNKNOWN]


def test_unauthenticated_and_old_entries_without_a_nonce_are_no_finding() -> None:
    s = site(CONNECTED, ("unauthenticated_refused", {"reason": "bad"}), ("answered", {"by": "Ana"}))
    assert found(s, aura(PAIRED)) == []


@pytest.mark.parametrize("nonce", [None, 7, "", ["n"], {"n": 1}])
def test_a_nonce_of_another_type_is_ignored(nonce: object) -> None:
    assert found(site(CONNECTED, ("answered", {"nonce": nonce})), aura(PAIRED)) == []


def test_an_answer_missing_in_the_sites_log_is_found() -> None:
    s = site(CONNECTED, answered("n1"), answered("n3"))
    made = called("n1", 2), called("n2", 3), called("n3", 3)
    (finding,) = compare(s, aura(PAIRED), *made)
    assert (finding.kind, finding.key) == (alerts.CALL_MISSING, "n2")
    assert finding.evidence["aura"]["call"] == "7"


@pytest.mark.parametrize("outcome", ["too_slow", "refused_by_site", "dns"])
def test_a_call_without_an_answer_may_be_missing(outcome: str) -> None:
    s = site(CONNECTED, answered("n1"), answered("n3"))
    made = called("n1", 2), called("n2", 3, outcome), called("n3", 3)
    assert found(s, aura(PAIRED), *made) == []


def test_a_call_whose_entry_is_not_read_yet_is_no_finding() -> None:
    made = called("n1", 2), called("n2", 5)
    assert found(site(CONNECTED, answered("n1")), aura(PAIRED), *made) == []


def test_a_call_whose_entry_was_trimmed_is_no_finding() -> None:
    s = site(answered("n9"), answered("n10"), first=501)
    made = called("n9", 0), called("n10", 0)
    assert found(s, aura(PAIRED), called("n1", 40), called("n2", 501), called("n9", 501)) == [
        alerts.CALL_UNKNOWN
    ]
    assert found(s, aura(PAIRED), called("n1", 40), called("n2", 501), *made) == []


# ---- changes ----


def test_a_change_that_is_the_same_on_both_sides_is_no_finding() -> None:
    a = aura(PAIRED, started("o1"), ended("o1", "succeeded"))
    assert found(site(CONNECTED, changed("o1", "succeeded")), a) == []


def test_a_change_that_aura_never_sent_is_found() -> None:
    s = site(CONNECTED, changed("theirs", "succeeded"))
    assert found(s, aura(PAIRED)) == [alerts.CHANGE_UNKNOWN]


def test_another_result_than_auras_is_found() -> None:
    settled = ("update_settled", {**changed("o1", "rolled_back", "fatal_after")[1]})
    s = site(CONNECTED, changed("o1", "succeeded"), settled)
    a = aura(PAIRED, started("o1"), ended("o1", "succeeded"))
    assert found(s, a) == [alerts.CHANGE_DIFFERS]


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (changed("o1", "waiting", "approval_on_site"), started("o1")),
        (changed("o1", "refused", "busy"), started("o1")),
        (changed("o1", "succeeded"), ended("o1", "failed", reason="broke_outside")),
        (changed("o1", "succeeded"), ended("o1", "failed", reason="page_broken")),
        (changed("o1", "succeeded"), ended("o1", "refused", how="here")),
        (changed("o1", "succeeded"), started("o1")),
    ],
)
def test_expected_differences_between_results_are_no_finding(there: Any, here: Any) -> None:
    assert found(site(CONNECTED, there), aura(PAIRED, started("o1"), here)) == []


def test_a_rollback_for_a_broken_page_is_compared_with_the_sites_entry() -> None:
    here = ended("o1", "rolled_back", reason="page_broken")
    settled = ("update_settled", changed("o1", "rolled_back", "page_broken")[1])
    both = site(CONNECTED, changed("o1", "succeeded"), settled)
    assert found(both, aura(PAIRED, started("o1"), here)) == []
    never = site(CONNECTED, changed("o1", "succeeded"))
    assert found(never, aura(PAIRED, started("o1"), here)) == [alerts.CHANGE_DIFFERS]


def test_a_recent_change_is_compared_the_next_time() -> None:
    s = site(CONNECTED, changed("o1", "succeeded"), when=NOW - timedelta(minutes=9))
    assert found(s, aura(PAIRED)) == []
    assert found(s, aura(PAIRED), now=NOW + timedelta(minutes=1)) == [alerts.CHANGE_UNKNOWN]


def test_a_change_missing_in_a_complete_part_of_the_log_is_found() -> None:
    before, after = THEN - timedelta(minutes=30), THEN + timedelta(minutes=30)
    s = [*site(CONNECTED, when=before), *site(answered("n1"), first=2, when=after)]
    a = aura(PAIRED, started("o1"), ended("o1", "succeeded"))
    assert found(s, a, called("n1", 0)) == [alerts.CHANGE_MISSING]
    gap = [*site(CONNECTED, when=before), *site(answered("n1"), first=9, when=after)]
    assert found(gap, a, called("n1", 0)) == []


# ---- keys and pairings ----


def test_keys_that_aura_agreed_on_are_no_finding() -> None:
    s = site(CONNECTED, ("keys_rotated", {"generation": 2}))
    assert found(s, aura(PAIRED, ("keys_rotated", {"generation": 2}))) == []


def test_keys_aura_did_not_agree_on_are_found() -> None:
    s = site(CONNECTED, ("keys_rotated", {"generation": 2}))
    assert found(s, aura(PAIRED)) == [alerts.KEYS_UNKNOWN]


def test_keys_aura_is_still_confirming_are_no_finding() -> None:
    s = site(CONNECTED, ("keys_rotated", {"generation": 2}))
    assert found(s, aura(PAIRED, ("key_rotation_requested", {"rotation_id": 1}))) == []


def test_a_pairing_aura_never_saw_is_found() -> None:
    other = ("connected", {"fingerprint": "DDDD-EEEE-FFFF"})
    assert found(site(other), aura(PAIRED)) == [alerts.PAIRING_UNKNOWN]
    assert found(site(other, when=NOW), aura(PAIRED)) == []


# ---- comparison with a connected site ----


def read_log(paired: Site, fake: FakeSite, config: Config) -> None:
    site_log.read_site_log(paired.id, config=config, call=fake.call, now=fake.clock)
    paired.refresh()


def kinds() -> list[str]:
    return [alert.kind for alert in Alert.unresolved(EVERYTHING)]


def test_a_month_of_normal_work_raises_no_alert(
    ready: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    change = approve(check(propose(ready, ana, clock()), fake, config), ana, config, clock())
    assert run_change(change, fake, config) == "succeeded"
    for days in range(30):
        clock.advance(days=1)
        if days == 7:
            fake.losing.add("report")
        read_report(ready, fake, config=config)
        read_log(ready, fake, config)
    assert kinds() == []


def test_a_call_with_stolen_keys_raises_an_alert_with_an_audit_entry(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    channel = calls.channel_to(paired, config)
    fake.call(channel, "ping", {}, by="Mallory")
    read_report(paired, fake, config=config)
    read_log(paired, fake, config)
    read_log(paired, fake, config)
    (alert,) = Alert.unresolved(EVERYTHING)
    assert alert.kind == alerts.CALL_UNKNOWN
    assert alert.evidence["site"]["by"] == "Mallory"
    raised = AuditEntry.newest(site_id=paired.id, event="alert_raised", limit=5)
    assert len(raised) == 1


def test_a_worker_killed_after_the_answer_raises_no_alert(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    nonces: list[str] = []
    channel = calls.channel_to(paired, config)

    def dies(*args: Any, **kwargs: Any) -> Any:
        fake.call(*args, **kwargs)
        nonces.append("sent")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calls.call_site(channel, "ping", {}, by="Ana", config=config, call=dies, now=fake.clock)
    read_log(paired, fake, config)
    assert nonces
    assert kinds() == []


def test_many_unknown_calls_do_not_fill_the_list_of_alerts(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    channel = calls.channel_to(paired, config)
    for _ in range(alerts.MAX_OPEN + 10):
        fake.call(channel, "ping", {}, by="Mallory")
    read_log(paired, fake, config)
    assert len(kinds()) == alerts.MAX_OPEN


def test_entries_of_a_hostile_site_break_nothing(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.write("connected", fingerprint=[])
    for facts in ({"nonce": []}, {"op_id": 7, "outcome": {}}, {"generation": []}):
        for event in ("answered", "refused", "update_answered", "keys_rotated", "x"):
            fake.write(event, **facts)
    fake.clock.advance(days=1)
    read_log(paired, fake, config)
    assert set(kinds()) == {alerts.KEYS_UNKNOWN, alerts.PAIRING_UNKNOWN}
