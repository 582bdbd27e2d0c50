"""What happened to a site is answered from the audit log, with nothing of the rest of the
database."""

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
    """Of what one change, carried out, keeps as its evidence."""
    change = check(propose(ready, ben, clock(), reason="a hole was closed"), fake, config)
    approve(change, ana, config, clock())
    run_change(change, fake, config)
    return digest_of(change.evidence)


@pytest.fixture
def told(evidence_digest: str, ready: Site) -> list[dict[str, Any]]:
    """Everything the audit log says of that change, oldest first, when only the audit log is
    left."""
    for table in ("change", "component", "report"):
        db.execute_sql(f"DELETE FROM {table}")
    entries = find_entries(EntryFilter(site=ready.id, component=AKISMET), 100)
    return [entry_document(one) for one in reversed(entries)]


def of(told: list[dict[str, Any]], event: str) -> dict[str, Any]:
    return next(one for one in told if one["event"] == event)


def test_which_site_and_what_state_it_reported(told: list[dict[str, Any]], ready: Site) -> None:
    checked = of(told, "change_checked")
    assert (checked["site"], checked["client"]) == (ready.id, ready.client_id)
    facts = checked["facts"]
    assert facts["home"] == ready.home
    reported = facts["reported"]
    assert (reported["version"], reported["active"]) == ("5.3", True)
    assert {"wordpress", "php", "package_host"} <= set(reported)
    assert len(facts["report"]) == 64, "and which report it had sent before"


def test_what_was_proposed_by_whom_and_from_where(told: list[dict[str, Any]]) -> None:
    proposed = of(told, "change_proposed")
    assert (proposed["actor"]["name"], proposed["actor"]["ip"]) == ("Ben", "192.0.2.2")
    facts = proposed["facts"]
    assert (facts["kind"], facts["ident"], facts["reason"]) == (
        "plugin",
        AKISMET,
        "a hole was closed",
    )
    assert (facts["from_version"], facts["to_version"]) == ("5.3", "5.3.1")


def test_who_approved_which_bytes_from_where(told: list[dict[str, Any]]) -> None:
    approved = of(told, "change_approved")
    assert (approved["actor"]["name"], approved["actor"]["ip"]) == ("Ana", "192.0.2.1")
    assert approved["facts"]["digest"] == of(told, "change_checked")["facts"]["digest"]


def test_when_it_ran_and_describe_exit_with_which_evidence(
    told: list[dict[str, Any]], evidence_digest: str
) -> None:
    assert of(told, "change_started")["at"] <= of(told, "change_ended")["at"]
    facts = of(told, "change_ended")["facts"]
    assert (facts["outcome"], facts["how"]) == ("succeeded", "answer")
    assert (facts["evidence"]["before_version"], facts["evidence"]["after_version"]) == (
        "5.3",
        "5.3.1",
    )
    assert facts["evidence_digest"] == evidence_digest


def test_one_that_nobody_wanted_is_told_as_well(
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
