"""Answer six questions about an update from the audit log alone, without any other table."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.audit import EntryFilter, find_entries
from app.domain.audit.documents import entry_document
from app.domain.changes import approvals, proposals
from app.domain.changes.outcomes import digest_of
from app.models.base import db
from app.models.sites import Site
from tests.support.factories import AKISMET, approve, check, propose, run_change
from tests.support.fakes import Clock, FakeSite


@pytest.fixture
def evidence_digest(
    ready: Site, ana: Actor, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> str:
    """Carry out one update and return the digest of its evidence."""
    change = check(propose(ready, ben, clock(), reason="a hole was closed"), fake, config)
    approve(change, ana, config, clock())
    run_change(change, fake, config)
    return digest_of(change.evidence)


@pytest.fixture
def entries(evidence_digest: str, ready: Site) -> list[dict[str, Any]]:
    """Return the audit log entries of that update, oldest first, when other tables are empty."""
    for table in ("change", "component", "report"):
        db.execute_sql(f"DELETE FROM {table}")
    entries = find_entries(EntryFilter(site=ready.id, component=AKISMET), 100)
    return [entry_document(one) for one in reversed(entries)]


def find_entry(entries: list[dict[str, Any]], event: str) -> dict[str, Any]:
    return next(one for one in entries if one["event"] == event)


def test_the_log_says_which_site_and_its_report(entries: list[dict[str, Any]], ready: Site) -> None:
    checked = find_entry(entries, "change_checked")
    assert (checked["site"], checked["client"]) == (ready.id, ready.client_id)
    facts = checked["facts"]
    assert facts["home"] == ready.home
    reported = facts["reported"]
    assert (reported["version"], reported["active"]) == ("5.3", True)
    assert {"wordpress", "php", "package_host"} <= set(reported)
    assert len(facts["report"]) == 64, "and the digest of the report before it"


def test_the_log_says_what_was_proposed_by_whom_and_from_where(
    entries: list[dict[str, Any]],
) -> None:
    proposed = find_entry(entries, "change_proposed")
    assert (proposed["actor"]["name"], proposed["actor"]["ip"]) == ("Ben", "192.0.2.2")
    facts = proposed["facts"]
    assert (facts["kind"], facts["ident"], facts["reason"]) == (
        "plugin",
        AKISMET,
        "a hole was closed",
    )
    assert (facts["from_version"], facts["to_version"]) == ("5.3", "5.3.1")


def test_the_log_says_who_approved_which_plan_from_where(entries: list[dict[str, Any]]) -> None:
    approved = find_entry(entries, "change_approved")
    assert (approved["actor"]["name"], approved["actor"]["ip"]) == ("Ana", "192.0.2.1")
    assert approved["facts"]["digest"] == find_entry(entries, "change_checked")["facts"]["digest"]


def test_the_log_says_when_the_update_ran_and_how_it_ended(
    entries: list[dict[str, Any]], evidence_digest: str
) -> None:
    assert find_entry(entries, "change_started")["at"] <= find_entry(entries, "change_ended")["at"]
    facts = find_entry(entries, "change_ended")["facts"]
    assert (facts["outcome"], facts["how"]) == ("succeeded", "answer")
    assert (facts["evidence"]["before_version"], facts["evidence"]["after_version"]) == (
        "5.3",
        "5.3.1",
    )
    assert facts["evidence_digest"] == evidence_digest


def test_a_rejected_and_a_cancelled_update_are_in_the_audit_log_too(
    ready: Site, ana: Actor, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    rejected = check(propose(ready, ben, clock()), fake, config)
    approvals.reject_change(rejected, by=ana, reason="not before the sale", now=clock())
    cancelled = propose(ready, ben, clock())
    proposals.cancel_change(cancelled, by=ben, now=clock())
    ended = [
        entry_document(one) for one in find_entries(EntryFilter(site=ready.id, outcome="rejected"))
    ]
    assert [one["facts"]["reason"] for one in ended] == ["not before the sale"]
    assert len(find_entries(EntryFilter(site=ready.id, outcome="cancelled"))) == 1
