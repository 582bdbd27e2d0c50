"""The site checks a proposal before a person can approve it."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import approvals, change_plan, proposals
from app.domain.changes.proposals import UpdateRequest
from app.domain.errors import (
    Conflict,
    Forbidden,
    StaleChange,
)
from app.http.errors import ErrorCode
from app.models.changes import CHECKING, PROPOSED, Change
from app.models.sites import Site
from app.protocol import parse_json
from tests.support.audit_entries import events
from tests.support.change_proposals import release
from tests.support.factories import (
    AKISMET,
    check,
    plugin,
    propose,
    read_report,
)
from tests.support.fake_changes import SHA256, TREE
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at

# ---- proposing ----


def test_a_proposal_is_checked_by_the_site_and_then_waits_for_approval(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    change = propose(ready, ben, clock(), reason="closes a hole")
    assert (change.state, change.digest) == (CHECKING, "")
    assert jobs.jobs == [("check_change", (change.id,), 0)]
    check(change, fake, config)
    assert change.state == PROPOSED
    assert change.facts == {"active": True, "approval_on_site": False, "rollback": True}
    assert [e for e in events(ready) if e.startswith("change")] == [
        "change_proposed",
        "change_checked",
    ]
    assert change.digest == change_plan.digest_of(change.document.encode())


def test_the_document_names_everything_that_decides(proposed: Change, ready: Site) -> None:
    document = parse_json(proposed.document.encode())
    assert document == {
        "v": 1,
        "do": "change.run",
        "op_id": proposed.op_id,
        "site": ready.uuid,
        "kid": ready.key_id,
        "home": ready.home,
        "item": {
            "kind": "plugin",
            "id": AKISMET,
            "from": "5.3",
            "to": "5.3.1",
            "package_host": "downloads.wordpress.org",
            "package_sha256": SHA256,
            "tree_sha256": TREE,
        },
        "release": {
            "first_seen_at": int(at("2026-11-24 10:00").timestamp()),
            "released_at": None,
        },
        "pre": {"wp": "6.8.1", "php": "8.2.36"},
        "not_before": int(proposed.not_before.timestamp()) - 60,
        "not_after": int(proposed.not_after.timestamp()) + 60,
    }


def test_several_updates_are_proposed_together_or_not_at_all(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock
) -> None:
    fake.report["plugins"].append(plugin("shop/shop.php", name="Shop", version="1.0"))
    update = {**fake.report["updates"]["plugins"][0], "id": "shop/shop.php", "version": "2.0"}
    fake.report["updates"]["plugins"].append(update)
    read_report(ready, fake, config=config)
    both = [
        UpdateRequest(ready, "plugin", AKISMET, "5.3.1"),
        UpdateRequest(ready, "plugin", "shop/shop.php", "2.0"),
    ]
    other = UpdateRequest(ready, "plugin", "shop/shop.php", "2.1")
    with pytest.raises(StaleChange):
        proposals.review_changes([both[0], other], by=ben, now=clock())
    assert Change.select().count() == 0
    made = proposals.review_changes(both, by=ben, now=clock())
    assert len({change.batch for change in made}) == 1
    assert [change.release_type for change in made] == ["patch", "major"]


def test_an_update_without_permission_cannot_be_proposed(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock
) -> None:
    fake.report["agent"]["permissions"]["plugins"] = False
    read_report(ready, fake, config=config)
    with pytest.raises(Conflict):
        propose(ready, ben, clock())


def test_a_component_has_only_one_open_change(
    proposed: Change, ready: Site, ana: Actor, clock: Clock
) -> None:
    with pytest.raises(Conflict):
        propose(ready, ana, clock())


def test_a_viewer_proposes_and_decides_nothing(
    proposed: Change, ready: Site, cleo: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(Forbidden):
        propose(ready, cleo, clock())
    with pytest.raises(Forbidden):
        release(proposed, cleo, config, clock())
    with pytest.raises(Forbidden):
        proposals.cancel_change(proposed, by=cleo, now=clock())
    with pytest.raises(Forbidden):
        approvals.reject_change(proposed, by=cleo, reason="no", now=clock())
    with pytest.raises(Forbidden):
        proposals.close_incident(proposed, by=cleo, note="fine", now=clock())


# ---- the dry run ----


def test_a_refused_dry_run_ends_the_proposal_with_its_reasons(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = propose(ready, ben, clock())
    fake.report["health"]["file_mods"] = False
    fake.report["updates"]["plugins"][0]["version"] = "5.4"
    check(change, fake, config)
    assert (change.state, change.outcome_reason) == ("refused", "file_mods_off")
    assert change.evidence == {"reasons": ["file_mods_off", "other_version_available"]}


def test_an_older_siteagent_is_reported_as_such(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.refusing["change.check"] = "unknown_operation"
    change = check(propose(ready, ben, clock()), fake, config)
    assert (change.state, change.outcome_reason) == ("refused", "unknown_operation")


def test_a_dry_run_without_an_answer_is_retried_and_then_expires(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    change = propose(ready, ben, clock())
    fake.failing = [ErrorCode.too_slow]
    check(change, fake, config)
    assert (change.state, change.error_code) == (CHECKING, "too_slow")
    assert jobs.jobs[-1][:2] == ("check_change", (change.id,))
    clock.advance(hours=3)
    fake.failing = [ErrorCode.too_slow]
    check(change, fake, config)
    assert change.state == "expired"


def test_a_moved_site_ends_the_proposal(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.refusing["change.check"] = "identity_changed"
    change = check(propose(ready, ben, clock()), fake, config)
    assert Site.get_by_id(ready.id).quarantine == "moved"
    clock.advance(minutes=1)
    assert check(change, fake, config).state == "cancelled"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"eligible": 1}, "refused"),
        ({"eligible": "yes"}, "refused"),
        ({"eligible": True, "reasons": ["disk_full"]}, "refused"),
        ({"eligible": True, "reasons": [7]}, "refused"),
        ({"eligible": True, "reasons": [], "facts": {}}, CHECKING),
        ({"eligible": True, "facts": {"package_host": "", "wp": "6", "php": "8"}}, CHECKING),
    ],
)
def test_only_an_exact_answer_counts_as_eligible(
    ready: Site, ben: Actor, config: Config, fake: FakeSite, clock: Clock, answer: Any, state: str
) -> None:
    fake.changes.answer = lambda _site, _document: dict(answer)
    assert check(propose(ready, ben, clock()), fake, config).state == state


def test_new_keys_meanwhile_end_the_proposal(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = propose(ready, ben, clock())
    Change.update(kid="another.1").execute()
    assert check(change, fake, config).state == "cancelled"
    assert "change.check" not in [op for op, _, _ in fake.calls]
