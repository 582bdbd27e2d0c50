"""A person is erased: what is private about them is gone, the chain is whole and tells of it."""

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
def gone(ana: Actor, ben: Actor, config: Config, clock: Clock) -> User:
    """Ben, who did something, was spoken of, and is shut out now."""
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
    told = {"reason": "asked for it", "confirmed_at": clock(), **more}
    return redaction.erase_user(user, by=by, now=clock(), **told)


def everything_kept() -> str:
    """All text in the audit log's tables."""
    tables = ("audit", "audit_detail", "audit_words")
    return "\n".join(
        str(row) for table in tables for row in db.execute_sql(f"SELECT * FROM {table}").fetchall()
    )


def test_nothing_private_of_them_is_left_and_the_chain_is_whole(
    gone: User, ana: Actor, clock: Clock
) -> None:
    assert "Ben" in everything_kept()
    assert "198.51.100.7" in everything_kept()
    count = erase(gone, ana, clock)
    assert count >= 3
    for private in ("Ben", "ben", "198.51.100.7", "192.0.2.2"):
        assert private not in everything_kept().replace(ana.name, ""), private
    report = audit.verify_chain()
    assert (report.is_whole, len(report.erased)) == (True, count)
    told = entry_document(AuditEntry.head())
    assert (told["event"], told["facts"]["entries"]) == ("personal_data_erased", count)
    assert told["actor"]["name"] == "Ana"


def test_entries_still_say_what_was_done_and_that_a_name_is_missing(
    gone: User, ana: Actor, clock: Clock
) -> None:
    erase(gone, ana, clock)
    added = entry_document(audit.find_entries(EntryFilter(event="site_added"))[0])
    assert (added["actor"]["name"], added["actor"]["id"]) == ("[erased]", gone.id)
    assert (added["facts"]["name"], added["is_erased"]) == ("Bakery", True)
    disabled = entry_document(audit.find_entries(EntryFilter(event="user_disabled"))[0])
    assert disabled["facts"]["name"] == "[erased]"


def test_others_keep_their_names(gone: User, ana: Actor, clock: Clock, site: Site) -> None:
    erase(gone, ana, clock)
    newest = entry_document(audit.find_entries(EntryFilter(event="site_added", person=ana.id))[0])
    assert (newest["actor"]["name"], newest["actor"]["ip"]) == ("Ana", "192.0.2.1")


def test_they_are_found_by_no_word_any_more(gone: User, ana: Actor, clock: Clock) -> None:
    assert audit.find_entries(EntryFilter(words="ben"))
    erase(gone, ana, clock)
    assert audit.find_entries(EntryFilter(words="ben")) == []
    assert audit.find_entries(EntryFilter(words="bakery")), "what is not private is found as before"


def test_the_account_is_nobodys_and_stays_shut(gone: User, ana: Actor, clock: Clock) -> None:
    erase(gone, ana, clock)
    gone.refresh()
    assert (gone.name, gone.is_erased, gone.password_hash) == ("[erased]", True, "!")
    with pytest.raises(Conflict):
        users.enable_user(gone, by=ana, now=clock())


def test_an_owner_who_typed_the_password_lately_says_why(
    gone: User, ana: Actor, cleo: Actor, clock: Clock
) -> None:
    with pytest.raises(Forbidden):
        erase(gone, cleo, clock)
    with pytest.raises(ReauthenticationRequired):
        erase(gone, ana, clock, confirmed_at=clock() - timedelta(minutes=16))
    for reason in ("", "  ", "x" * 301, "a\x00b"):
        with pytest.raises(Invalid):
            erase(gone, ana, clock, reason=reason)
    assert PrivateDetail.select().where(PrivateDetail.body.contains("Ben")).exists()


def test_whoever_may_sign_in_is_not_erased(ana: Actor, ben: Actor, clock: Clock) -> None:
    with pytest.raises(Conflict, match="Disable the account first"):
        erase(User.get_by_id(ben.id), ana, clock)


def test_what_they_typed_about_updates_is_erased_and_what_others_typed_is_not(
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
    # That there was an exception stays.
    assert [Change.get_by_id(one).override for one in (proposed.id, other.id)] == [
        "[erased]",
        "call Ana",
    ]
