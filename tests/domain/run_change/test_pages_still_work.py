"""Revert an update that breaks a required part of a page; ask a person about other differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from random import Random
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import execution, page_evidence, settlement
from app.domain.changes.page_questions import answer_looks_right as answer
from app.domain.errors import Forbidden, StaleState
from app.domain.page_checks import settings
from app.domain.page_checks.settings import TypedPage
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.call_log import SiteCall
from app.models.changes import FAILED, ROLLED_BACK, SUCCEEDED, UNKNOWN, Change
from app.models.site_pages import ChangePages, SitePage
from app.models.sites import Site
from tests.support.change_runs import Do, installs
from tests.support.factories import AKISMET
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.shop_pages import pages

CONTACT = pages()[2]
PATH = "/contact/"
Draw = Callable[[], tuple[int, bytes]]


@pytest.fixture
def visit() -> Random:
    return Random(7)


@pytest.fixture
def page(ready: Site, ben: Actor, clock: Clock) -> SitePage:
    """A contact form that must keep its action."""
    typed = TypedPage(PATH, phrase="Send message", form_action="/contact/")
    return settings.add_page(ready, typed, by=ben, now=clock())


@pytest.fixture
def draws(fake: FakeSite, visit: Random) -> Callable[..., None]:
    """Return a function that sets how each visit draws the contact page; the last one stays."""

    def draw(*changes: Callable[[str], str]) -> None:
        rest = chain(changes, repeat(changes[-1]))
        fake.pages[PATH] = lambda: (200, CONTACT.draw(visit, next(rest)).encode())

    return draw


def whole(text: str) -> str:
    return text


def without_action(text: str) -> str:
    return text.replace('action="/contact/#wpcf7-o1"', "")


def without_field(text: str) -> str:
    return text.replace('<input type="email" name="your-email">', "")


def result_of(change: Change) -> dict[str, Any]:
    row = ChangePages.of(change.id)
    assert row is not None
    assert row.before == []
    [result] = row.results
    return result


def differences(change: Change) -> list[tuple[str, str, bool]]:
    found = result_of(change)["differences"]
    return [(one["what"], one["missing"], one["is_required"]) for one in found]


def test_an_update_that_changes_only_what_always_changes_succeeds(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any
) -> None:
    draws(whole)
    assert run(approved) == SUCCEEDED
    assert (result_of(approved)["answer"], fake.changes.reverts) == ("same", {})
    assert result_of(approved)["counted"]["field"] == 3
    assert ChangePages.to_judge(approved.site_id) == []


def test_an_update_that_breaks_a_form_is_rolled_back_by_the_site(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any, clock: Clock
) -> None:
    draws(whole, whole, without_action, without_action, whole)
    assert run(approved) == ROLLED_BACK
    assert approved.outcome_reason == "page_broken"
    assert approved.evidence["after"]["version"] == "5.3"
    assert approved.evidence["during"]["version"] == "5.3.1"
    assert fake.changes.version_of(fake, "plugin", AKISMET) == "5.3"
    assert ("form_action", "/contact/", True) in differences(approved)
    result = result_of(approved)
    assert (result["answer"], result["revert"], result["again"]) == (
        "different",
        "rolled_back",
        "same",
    )
    ops = [op for op, _, _ in fake.calls]
    assert ops == ["change.run", "change.revert"]
    assert {"change.run", "change.revert"} <= {call.op for call in SiteCall.select()}
    assert not approved.is_incident
    assert ChangePages.to_judge(approved.site_id) == []
    ended = AuditEntry.newest_of(("change_ended",), site_id=approved.site_id)
    assert ended is not None
    assert '"rolled_back"' in ended.body


def test_a_difference_that_is_not_required_asks_a_person(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any, ana: Actor, clock: Clock
) -> None:
    draws(whole, whole, without_field)
    assert run(approved) == SUCCEEDED
    assert differences(approved) == [("field", "email your-email", False)]
    assert fake.changes.reverts == {}
    assert ChangePages.to_judge(approved.site_id) == [approved]
    answer(approved, by=ana, note="", now=clock())
    row = ChangePages.of(approved.id)
    assert row is not None
    assert (row.judged_by, ChangePages.to_judge(approved.site_id)) == ("Ana", [])
    with pytest.raises(StaleState):
        answer(approved, by=ana, note="", now=clock())


def test_a_person_without_the_permission_cannot_answer(
    approved: Change, run: Do, page: SitePage, draws: Any, cleo: Actor, clock: Clock
) -> None:
    draws(whole, whole, without_field)
    run(approved)
    with pytest.raises(Forbidden):
        answer(approved, by=cleo, note="", now=clock())


@pytest.mark.parametrize(
    "answer",
    [
        (503, b"<h1>Busy</h1>"),
        (429, b"<h1>Slow down</h1>"),
        (200, b"<title>Checking your browser</title><script src='/robots/check.js'></script>"),
    ],
)
def test_a_page_that_cannot_be_loaded_reverts_nothing(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any, answer: tuple[int, bytes]
) -> None:
    draws(whole)
    good = fake.pages[PATH]
    rest: Iterator[Draw] = chain([good, good], repeat(lambda: answer))
    fake.pages[PATH] = lambda: next(rest)()
    assert run(approved) == SUCCEEDED
    assert result_of(approved)["answer"] == "cannot_tell"
    assert fake.changes.reverts == {}


def test_a_form_that_was_broken_before_does_not_count_against_the_update(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any
) -> None:
    draws(without_action)
    assert run(approved) == SUCCEEDED
    assert result_of(approved)["before"] == ["form_action"]
    assert fake.changes.reverts == {}


@pytest.mark.parametrize("reason", ["copy_gone", "paused_by_owner", "outside_window"])
def test_a_site_that_refuses_to_revert_needs_checking(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any, reason: str
) -> None:
    fake.changes.not_reverted = reason
    draws(whole, whole, without_action)
    assert run(approved) == FAILED
    assert (approved.outcome_reason, approved.is_incident) == ("page_broken", True)
    assert result_of(approved)["revert"] == reason


def test_a_siteagent_that_cannot_revert_leaves_it_to_a_person(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any
) -> None:
    fake.refusing["change.revert"] = "unknown_operation"
    draws(whole, whole, without_action)
    assert run(approved) == FAILED
    assert result_of(approved)["revert"] == "unknown_operation"


def test_a_lost_reply_to_the_revert_is_requested_again(
    approved: Change,
    fake: FakeSite,
    run: Do,
    page: SitePage,
    draws: Any,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> None:
    fake.losing.add("change.revert")
    draws(whole, whole, without_action, without_action, whole)
    assert run(approved) == UNKNOWN
    assert approved.outcome_reason == "page_broken"
    assert "settle_change" in jobs.names()
    clock.advance(seconds=30)
    state = settlement.settle_change(
        approved.id, config=config, call=fake.call, look=fake.look, now=clock
    )
    approved.refresh()
    assert state == ROLLED_BACK
    assert (approved.outcome_reason, installs(fake, approved)) == ("page_broken", 1)


def test_a_busy_site_is_asked_again(
    approved: Change,
    fake: FakeSite,
    run: Do,
    page: SitePage,
    draws: Any,
    config: Config,
    clock: Clock,
) -> None:
    fake.changes.not_reverted = "busy"
    draws(whole, whole, without_action)
    assert run(approved) == UNKNOWN
    fake.changes.not_reverted = ""
    clock.advance(seconds=30)
    assert (
        settlement.settle_change(
            approved.id, config=config, call=fake.call, look=fake.look, now=clock
        )
        == ROLLED_BACK
    )


def test_a_revert_that_never_reached_the_site_is_sent_again(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any, config: Config,
    clock: Clock,
) -> None:  # fmt: skip
    fake.during = lambda op: (
        fake.failing.append(ErrorCode.connection_refused) if op == "change.revert" else None
    )
    draws(whole, whole, without_action)
    assert run(approved) == UNKNOWN
    fake.during = lambda op: None
    clock.advance(seconds=30)
    assert (
        settlement.settle_change(
            approved.id, config=config, call=fake.call, look=fake.look, now=clock
        )
        == ROLLED_BACK
    )


class Killed(BaseException):
    """Raised at the moment when the worker's process dies."""


def test_a_worker_that_dies_after_a_refused_revert_hides_no_broken_page(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any, config: Config,
    clock: Clock, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def die(*_: object, **__: object) -> Any:
        raise Killed

    fake.changes.not_reverted = "copy_gone"
    draws(whole, whole, without_action)
    monkeypatch.setattr(settlement, "end_change", die)
    with pytest.raises(Killed):
        run(approved)
    monkeypatch.undo()
    clock.advance(minutes=5)
    execution.recover_changes(clock())
    clock.advance(minutes=5)
    settlement.settle_change(approved.id, config=config, call=fake.call, look=fake.look, now=clock)
    approved.refresh()
    assert (approved.state, approved.outcome_reason) == (FAILED, "page_broken")
    assert result_of(approved)["revert"] == "copy_gone"


def test_a_broken_page_is_not_forgotten_while_the_site_is_silent(
    approved: Change, fake: FakeSite, run: Do, page: SitePage, draws: Any, config: Config,
    clock: Clock,
) -> None:  # fmt: skip
    fake.during = lambda op: (
        fake.failing.append(ErrorCode.too_slow) if op == "change.revert" else None
    )
    draws(whole, whole, without_action)
    assert run(approved) == UNKNOWN
    fake.during = None
    clock.advance(hours=2)
    settlement.settle_change(approved.id, config=config, call=fake.call, look=fake.look, now=clock)
    approved.refresh()
    assert (approved.state, approved.outcome_reason) == (FAILED, "page_broken")
    assert approved.is_incident
    assert ("form_action", "/contact/", True) in differences(approved)


def test_visits_that_are_too_old_prove_nothing(
    approved: Change,
    fake: FakeSite,
    run: Do,
    page: SitePage,
    draws: Any,
    config: Config,
    clock: Clock,
) -> None:
    fake.losing.add("change.run")
    draws(whole, whole, without_action)
    assert run(approved) == UNKNOWN
    clock.advance(hours=2)
    settlement.settle_change(approved.id, config=config, call=fake.call, look=fake.look, now=clock)
    approved.refresh()
    assert approved.state == SUCCEEDED
    assert (result_of(approved)["answer"], result_of(approved)["why"]) == ("cannot_tell", "too_old")
    assert fake.changes.reverts == {}


def test_a_job_without_enough_time_leaves_the_pages_to_the_next(
    approved: Change,
    fake: FakeSite,
    page: SitePage,
    draws: Any,
    config: Config,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draws(whole)
    monkeypatch.setattr(page_evidence, "_NEEDED_S", 1000.0)
    execution.run_change(approved.id, config=config, call=fake.call, look=fake.look, now=clock)
    approved.refresh()
    assert (approved.state, approved.outcome_reason) == (UNKNOWN, "pages_later")
    monkeypatch.undo()
    clock.advance(seconds=30)
    settlement.settle_change(approved.id, config=config, call=fake.call, look=fake.look, now=clock)
    approved.refresh()
    assert approved.state == SUCCEEDED
    assert result_of(approved)["answer"] == "same"


def test_a_site_without_watched_pages_has_no_page_results(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    assert run(approved) == SUCCEEDED
    assert ChangePages.of(approved.id) is None
