"""Set the outcome of a change to what the site proves, and to nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.domain.audit.documents import entry_document
from app.models.audit import AuditEntry
from app.models.changes import (
    UNKNOWN,
    Change,
)
from app.models.sites import Site
from tests.support.change_runs import Do, installs
from tests.support.factories import (
    AKISMET,
)
from tests.support.fakes import FakeSite

BROKEN = (500, b"<p>There has been a critical error on this website.</p>")


# ---- outcomes ----


@pytest.mark.parametrize(
    ("plays", "state", "is_incident"),
    [
        (("rolled_back", "fatal_after"), "rolled_back", False),
        (("failed", "version_wrong_after"), "failed", True),
        (("failed", ""), UNKNOWN, False),
        (("rolled_back", ""), UNKNOWN, False),
        (("splendid", ""), UNKNOWN, False),
    ],
)
def test_the_outcome_is_what_the_site_proves(
    approved: Change, fake: FakeSite, run: Do, plays: Any, state: str, is_incident: bool
) -> None:
    fake.changes.plays[AKISMET] = plays
    assert run(approved) == state
    assert approved.is_incident is is_incident


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda e: e["after"].update(version="5.3"),
        lambda e: e["after"].update(active=False),
        lambda e: e["after"].update(probe="fatal"),
        lambda e: e.pop("after"),
        lambda e: e.update(after=["5.3.1"]),
    ],
)
def test_a_success_without_its_evidence_is_unknown(
    approved: Change, fake: FakeSite, run: Do, corrupt: Any
) -> None:
    install = fake.changes._install

    def install_corrupted(*args: Any) -> dict[str, Any]:
        reply = install(*args)
        corrupt(reply["evidence"])
        return reply

    fake.changes._install = install_corrupted
    assert run(approved) == UNKNOWN
    assert approved.outcome_reason == "no_evidence"


def change_evidence(fake: FakeSite, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the evidence in every further answer of the site."""
    install = fake.changes._install

    def install_with_change(*args: Any) -> dict[str, Any]:
        reply = install(*args)
        change(reply["evidence"])
        return reply

    fake.changes._install = install_with_change


@pytest.mark.parametrize("before", ["ok", "fatal", "could_not_tell"])
def test_a_fatal_error_after_the_update_is_no_success_even_if_it_is_old(
    approved: Change, fake: FakeSite, run: Do, before: str
) -> None:
    change_evidence(
        fake, lambda e: (e["before"].update(probe=before), e["after"].update(probe="fatal"))
    )
    assert run(approved) == UNKNOWN
    assert approved.outcome_reason == "no_evidence"


@pytest.mark.parametrize(
    ("stale", "page", "reason"),
    [
        (False, (200, b"<p>Welcome</p>"), ""),
        (True, (200, b"<p>Welcome</p>"), "unproven"),
        (False, (503, b"Back soon"), "unproven"),
    ],
)
def test_a_version_that_was_not_seen_working_is_unproven(
    approved: Change, fake: FakeSite, run: Do, stale: bool, page: tuple[int, bytes], reason: str
) -> None:
    change_evidence(
        fake, lambda e: (e["after"].update(probe="could_not_tell"), e.update(stale_code=stale))
    )
    fake.front_page = page
    assert run(approved) == "succeeded"
    assert approved.outcome_reason == reason


def test_the_probe_of_the_new_version_is_stored_with_a_rollback(
    approved: Change, fake: FakeSite, run: Do, ready: Site
) -> None:
    error = "Uncaught Error: Call to undefined function f() in plugin.php:3"
    during = {"version": "5.3.1", "active": True, "probe": "fatal", "error": error + "\u202e"}
    fake.changes.plays[AKISMET] = ("rolled_back", "fatal_after")
    change_evidence(fake, lambda e: e.update(during={**during, "more": 1}))
    assert run(approved) == "rolled_back"
    assert approved.evidence["during"] == {**during, "error": error}
    entry = next(
        e for e in AuditEntry.newest(site_id=ready.id, limit=9) if e.event == "change_ended"
    )
    evidence = entry_document(entry)["facts"]["evidence"]
    assert evidence["during_probe"] == "fatal"
    assert "during_error" not in evidence


def test_a_refusal_names_its_reason(approved: Change, fake: FakeSite, run: Do) -> None:
    fake.report["php"]["version"] = "8.3.0"
    assert run(approved) == "refused"
    assert approved.outcome_reason == "environment_changed"
    assert installs(fake, approved) == 0


def test_a_withdrawn_permission_is_respected(approved: Change, fake: FakeSite, run: Do) -> None:
    fake.report["agent"]["permissions"]["plugins"] = False
    assert run(approved) == "refused"
    assert approved.outcome_reason == "permission_off"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("not_permitted", "refused"),
        ("unknown_operation", "refused"),
        ("nonce_store_unavailable", "refused"),
        ("internal_error", UNKNOWN),
        ("output_started", UNKNOWN),
        ("something_new", UNKNOWN),
    ],
)
def test_only_a_refusal_before_any_work_counts_as_refused(
    approved: Change, fake: FakeSite, run: Do, code: str, state: str
) -> None:
    fake.refusing["change.run"] = code
    assert run(approved) == state


def test_a_success_with_a_broken_website_is_a_failure(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    fake.during = lambda op: setattr(fake, "front_page", BROKEN)
    assert run(approved) == "failed"
    assert (approved.outcome_reason, approved.is_incident) == ("broke_outside", True)
    assert approved.probe_before["answer"] == "ok"
    assert approved.probe_after["answer"] == "fatal"


def test_a_website_that_was_broken_before_does_not_fail_the_update(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    fake.front_page = BROKEN
    assert run(approved) == "succeeded"
