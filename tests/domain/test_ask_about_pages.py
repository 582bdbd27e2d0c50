"""A page that differs after an update, or cannot be checked, waits for a person's answer."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.changes import page_questions
from app.domain.crosscheck import restored_versions
from app.domain.errors import Forbidden, Invalid, StaleState
from app.domain.notifications import contents, preferences
from app.domain.notifications.preferences import Preferences
from app.domain.page_checks.comparison import CANNOT_TELL, DIFFERENT, SAME, Difference, Verdict
from app.mail_format import describe_task
from app.models.base import transaction
from app.models.changes import SUCCEEDED, Change
from app.models.clients import Client
from app.models.email import OutgoingEmail
from app.models.personal_texts import erase_texts_of
from app.models.site_pages import LOOKS_RIGHT, RESTORED, ChangePages
from app.models.sites import Site
from app.protocol import canonical
from tests.support.audit_entries import facts_of
from tests.support.emails import look_for, titles, turn_email_on
from tests.support.factories import AKISMET, approve, check, make_user, propose, run_change
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.page_questions import change_shop, hide_shop, watch_shop

pytestmark = pytest.mark.both_databases

TITLE = "Pages of Bakery differ after the update of Akismet to 5.3.1"


@pytest.fixture
def approved(
    ready: Site,
    ana: Actor,
    ben: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> Change:
    """Return an update that is about to run, on a site whose shop page is checked."""
    watch_shop(ready, ben, fake)
    change = check(propose(ready, ben, clock()), fake, config)
    return approve(change, ana, config, clock())


@pytest.fixture
def asking(approved: Change, fake: FakeSite, config: Config) -> Change:
    """Run an update that changes the shop page."""
    change_shop(fake)
    assert run_change(approved, fake, config) == SUCCEEDED
    return approved


def questions(actor: Actor) -> list[attention.Item]:
    return [item for item in attention.urgent(actor, []) if item.about == "pages"]


def row_of(change: Change) -> ChangePages:
    row = ChangePages.of(change.id)
    assert row is not None
    return row


def test_a_page_that_differs_needs_attention_and_names_site_page_and_update(
    asking: Change, ana: Actor
) -> None:
    (item,) = questions(ana)
    assert (item.word, item.severity, item.id) == (DIFFERENT, attention.CHECK, asking.id)
    assert item.site is not None
    assert contents.title_of(item, ZoneInfo("UTC")) == TITLE
    assert contents.path_of(attention.Task((item,))) == f"/changes/{asking.id}#pages"
    assert describe_task(attention.Task((item,)), ZoneInfo("UTC"))[1].startswith("/shop/, ")
    assert attention.grouped_by_site([item]) == {asking.site_id: [item]}


def test_a_page_that_cannot_be_checked_raises_its_own_question(
    approved: Change, fake: FakeSite, config: Config, ana: Actor
) -> None:
    hide_shop(fake)
    assert run_change(approved, fake, config) == SUCCEEDED
    (item,) = questions(ana)
    assert item.word == CANNOT_TELL
    title = contents.title_of(item, ZoneInfo("UTC"))
    assert (
        title == "Aura cannot tell whether the update of Akismet to 5.3.1 changed pages of Bakery"
    )


def test_an_unchanged_page_raises_no_question(
    approved: Change, fake: FakeSite, config: Config, ana: Actor
) -> None:
    assert run_change(approved, fake, config) == SUCCEEDED
    assert (questions(ana), row_of(approved).asks_because) == ([], "")


@pytest.mark.parametrize(
    ("answers", "because", "paths"),
    [
        ([SAME, SAME], "", ""),
        ([SAME, CANNOT_TELL], CANNOT_TELL, "/1/"),
        ([DIFFERENT, CANNOT_TELL], DIFFERENT, "/0/"),
        ([DIFFERENT] * 5, DIFFERENT, "/0/, /1/, /2/ and 2 more"),
    ],
)
def test_the_worst_answer_is_asked_about(answers: list[str], because: str, paths: str) -> None:
    verdicts = {f"/{number}/": Verdict(answer) for number, answer in enumerate(answers)}
    question = page_questions.question_about(verdicts)
    assert question == {"asks": bool(because), "asks_because": because, "asked_paths": paths}


def test_a_page_without_its_required_text_is_a_failure_and_no_question() -> None:
    gone = Verdict(DIFFERENT, differences=(Difference("phrase", "Add to cart", True),))
    question = page_questions.question_about({"/": gone, "/shop/": Verdict(CANNOT_TELL)})
    assert question["asks"] is False


def test_long_addresses_fit_into_the_column() -> None:
    verdicts = {f"/{number}/" + "x" * 490: Verdict(DIFFERENT) for number in range(20)}
    paths = page_questions.question_about(verdicts)["asked_paths"]
    assert isinstance(paths, str)
    assert len(paths) <= 300


def test_an_answer_closes_the_question(asking: Change, ana: Actor, clock: Clock) -> None:
    page_questions.answer_looks_right(asking, by=ana, note=" New button ", now=clock())
    row = row_of(asking)
    assert (row.asks, row.answer, row.judged_by, row.note) == (
        False,
        LOOKS_RIGHT,
        "Ana",
        "New button",
    )
    assert questions(ana) == []
    assert facts_of("change_pages_judged")["paths"] == ["/shop/"]
    with pytest.raises(StaleState):
        page_questions.answer_looks_right(asking, by=ana, note="", now=clock())


def test_a_long_note_and_a_viewer_are_refused(
    asking: Change, ana: Actor, cleo: Actor, clock: Clock
) -> None:
    with pytest.raises(Invalid):
        page_questions.answer_looks_right(asking, by=ana, note="x" * 501, now=clock())
    with pytest.raises(Forbidden):
        page_questions.answer_looks_right(asking, by=cleo, note="", now=clock())
    assert row_of(asking).asks


def test_a_question_and_its_end_are_each_notified_once(
    approved: Change, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    turn_email_on(ana, config, clock())
    preferences.change_preferences(Preferences(digest="daily"), by=ana, now=clock())
    change_shop(fake)
    run_change(approved, fake, config)
    assert page_items(ana, look_for(config, clock, 24 * 60)) == [("Check", TITLE)]
    # The question stays open. A reminder of any other item is due after a day.
    assert page_items(ana, look_for(config, clock, 2 * 24 * 60)) == []
    page_questions.answer_looks_right(approved, by=ana, note="", now=clock())
    ended = page_items(ana, look_for(config, clock, 24 * 60))
    assert ended == [("Resolved", f"No longer open: {TITLE}")]


def page_items(person: Actor, emails: Iterable[OutgoingEmail]) -> list[tuple[str, str]]:
    """Return the words and titles about pages in these e-mails."""
    entries = [entry for email in emails if email.user_id == person.id for entry in titles(email)]
    return [entry for entry in entries if TITLE in entry[1]]


def test_no_resolution_is_sent_while_the_question_is_open_for_others(asking: Change) -> None:
    keys = attention.read_findings().keys()
    assert f"pages:{asking.id}" in keys


def test_people_without_access_and_client_users_get_no_question(
    asking: Change, ana: Actor, dora: Actor
) -> None:
    other = Client.named("Another")
    carl = Actor.of(make_user("Carl", "operator", limited_to=[other.id]), "192.0.2.9")
    found = attention.read_findings()
    assert [row.id for row in attention.urgent_from(found, ana) if row.about == "pages"]
    for person in (carl, dora):
        assert questions(person) == []
        assert [row for row in attention.urgent_from(found, person) if row.about == "pages"] == []


def test_a_removed_site_raises_no_question(asking: Change, ana: Actor, clock: Clock) -> None:
    Site.update(forgotten_at=clock()).where(Site.id == asking.site_id).execute()
    assert questions(ana) == []


@pytest.mark.parametrize(
    ("facts", "closes"),
    [
        ({}, True),
        ({"outcome": "rolled_back"}, False),
        ({"outcome": "failed"}, False),
        ({"from": "5.3.2"}, False),
        ({"id": "other/other.php"}, False),
        ({"kind": "theme"}, False),
    ],
)
def test_a_version_restored_in_wp_admin_closes_the_question(
    asking: Change, ana: Actor, clock: Clock, facts: dict[str, str], closes: bool
) -> None:
    restored = {
        "kind": "plugin", "id": AKISMET, "from": "5.3.1", "to": "5.3", "outcome": "succeeded",
    }  # fmt: skip
    body = canonical({"event": "restore_ended", "facts": {**restored, **facts}}).decode()
    with transaction():
        restored_versions.record_restored_versions(asking.site, [body], clock())
    assert (row_of(asking).answer, questions(ana) == []) == (RESTORED if closes else "", closes)


def test_notes_of_an_erased_person_about_pages_are_erased(
    asking: Change, ana: Actor, clock: Clock
) -> None:
    page_questions.answer_looks_right(asking, by=ana, note="Called Cleo", now=clock())
    erase_texts_of(ana.id or 0, "Ana")
    row = row_of(asking)
    assert "Cleo" not in row.note
    assert row.judged_by != "Ana"
