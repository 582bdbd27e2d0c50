"""Erasing a person removes their private details, keeps the chain intact and is recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain import audit
from app.domain.accounts import sign_in, users
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.actor import Actor
from app.domain.audit import EntryFilter, redaction
from app.domain.audit.documents import entry_document
from app.domain.errors import Conflict, Forbidden, Invalid, ReauthenticationRequired
from app.domain.sites import holds
from app.models.accounts import User
from app.models.audit import AuditEntry, PrivateDetail
from app.models.auto_update_rules import UpdateHold
from app.models.base import db
from app.models.changes import Change
from app.models.sites import Site
from tests.support.factories import PASSWORD, make_site
from tests.support.fakes import Clock

pytestmark = pytest.mark.both_databases


@pytest.fixture
def user(ana: Actor, ben: Actor, config: Config, clock: Clock) -> User:
    """Ben, who is an actor and a subject of entries, and is disabled now."""
    make_site(ben, now=clock(), url="https://florist.example")
    sign_in.sign_in(
        email="ben@agency.example",
        password=PASSWORD,
        browser=ClientInfo("198.51.100.7", "Firefox"),
        config=config,
        now=clock(),
    )
    user = User.get_by_id(ben.id)
    users.disable_user(user, by=ana, now=clock())
    return user


def erase(user: User, by: Actor, clock: Clock, **more: object) -> int:
    terms = {"reason": "asked for it", "confirmed_at": clock(), **more}
    return redaction.erase_user(user, by=by, now=clock(), **terms)


def stored_text() -> str:
    """Return all text in the audit log's tables."""
    tables = ("audit", "audit_detail", "audit_words")
    return "\n".join(
        str(row) for table in tables for row in db.execute_sql(f"SELECT * FROM {table}").fetchall()
    )


def test_nothing_private_is_left_and_the_chain_is_intact(
    user: User, ana: Actor, clock: Clock
) -> None:
    assert "Ben" in stored_text()
    assert "198.51.100.7" in stored_text()
    count = erase(user, ana, clock)
    assert count >= 3
    for private in ("Ben", "ben", "198.51.100.7", "192.0.2.2"):
        assert private not in stored_text().replace(ana.name, ""), private
    report = audit.verify_chain()
    assert (report.is_whole, len(report.erased)) == (True, count)
    document = entry_document(AuditEntry.head())
    assert (document["event"], document["facts"]["entries"]) == ("personal_data_erased", count)
    assert document["actor"]["name"] == "Ana"


def test_entries_keep_what_was_done_and_mark_the_missing_name(
    user: User, ana: Actor, clock: Clock
) -> None:
    erase(user, ana, clock)
    added = entry_document(audit.find_entries(EntryFilter(event="site_added"))[0])
    assert (added["actor"]["name"], added["actor"]["id"]) == ("[erased]", user.id)
    assert (added["facts"]["name"], added["is_erased"]) == ("Bakery", True)
    disabled = entry_document(audit.find_entries(EntryFilter(event="user_disabled"))[0])
    assert disabled["facts"]["name"] == "[erased]"


def test_other_people_keep_their_names(user: User, ana: Actor, clock: Clock, site: Site) -> None:
    erase(user, ana, clock)
    newest = entry_document(audit.find_entries(EntryFilter(event="site_added", person=ana.id))[0])
    assert (newest["actor"]["name"], newest["actor"]["ip"]) == ("Ana", "192.0.2.1")


def test_a_search_no_longer_finds_an_erased_person(user: User, ana: Actor, clock: Clock) -> None:
    assert audit.find_entries(EntryFilter(words="ben"))
    erase(user, ana, clock)
    assert audit.find_entries(EntryFilter(words="ben")) == []
    assert audit.find_entries(EntryFilter(words="bakery")), "other words are still found"


def test_the_account_is_anonymous_and_stays_disabled(user: User, ana: Actor, clock: Clock) -> None:
    erase(user, ana, clock)
    user.refresh()
    assert (user.name, user.is_erased, user.password_hash) == ("[erased]", True, "!")
    with pytest.raises(Conflict):
        users.enable_user(user, by=ana, now=clock())


def test_an_owner_needs_a_recent_password_and_a_reason(
    user: User, ana: Actor, cleo: Actor, clock: Clock
) -> None:
    with pytest.raises(Forbidden):
        erase(user, cleo, clock)
    with pytest.raises(ReauthenticationRequired):
        erase(user, ana, clock, confirmed_at=clock() - timedelta(minutes=16))
    for reason in ("", "  ", "x" * 301, "a\x00b"):
        with pytest.raises(Invalid):
            erase(user, ana, clock, reason=reason)
    assert PrivateDetail.select().where(PrivateDetail.body.contains("Ben")).exists()


def test_a_user_who_may_sign_in_is_not_erased(ana: Actor, ben: Actor, clock: Clock) -> None:
    with pytest.raises(Conflict, match="Disable the account first"):
        erase(User.get_by_id(ben.id), ana, clock)


def test_only_texts_of_the_erased_person_about_updates_are_erased(
    proposed: Change, ready: Site, ana: Actor, ben: Actor, clock: Clock
) -> None:
    for ident, by in (("mine/mine.php", ben), ("other/other.php", ana)):
        holds.hold_updates(
            [ready], "plugin", ident, until=None, reason=f"call {by.name}", by=by, now=clock()
        )
    older = {"created_at": clock(), "holder": None}
    UpdateHold.put(ready, "theme", "old", reason="call Ben", created_by="Ben", **older)
    other = Change.create(
        **{**proposed.__data__, "id": None, "op_id": "another", "ident": "hello.php"}
        | {"approved_by": ana.id, "override": "call Ana"}
    )
    Change.update(approved_by=ben.id, override="call Ben").where(Change.id == proposed.id).execute()
    users.disable_user(User.get_by_id(ben.id), by=ana, now=clock())
    erase(User.get_by_id(ben.id), ana, clock)
    kept = {hold.ident: (hold.reason, hold.created_by) for hold in UpdateHold.select()}
    assert kept == {
        "mine/mine.php": ("[erased]", "[erased]"),
        "other/other.php": ("call Ana", "Ana"),
        "old": ("[erased]", "[erased]"),
    }
    # The record of the exception stays.
    assert [Change.get_by_id(change_id).override for change_id in (proposed.id, other.id)] == [
        "[erased]",
        "call Ana",
    ]
