"""Store which files of a site differ from their releases, and report what is new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.errors import Forbidden, Invalid, NotFound, ReauthenticationRequired, StaleState
from app.domain.integrity import acceptance
from app.models.audit import AuditEntry
from app.models.file_checks import ComparedComponent, SiteFileCheck
from app.models.reports import Report
from app.models.sites import Site
from tests.support.factories import AKISMET, read_report
from tests.support.fakes import Clock, FakeSite
from tests.support.file_checks import compared, differing

pytestmark = pytest.mark.both_databases

WORDPRESS = compared("core", "wordpress", "6.9")


def sync(site: Site, fake: FakeSite, config: Config, *results: dict[str, Any]) -> None:
    """Have the site compare its files with these results, and let Aura sync it an hour later."""
    fake.report["integrity"] = {"components": [WORDPRESS, *results]}
    fake.files_checked_at = int(fake.clock().timestamp())
    fake.clock.advance(hours=1)
    read_report(site, fake, config=config)


def akismet(**changed: Any) -> dict[str, Any]:
    return compared("plugin", AKISMET, "5.3") | changed


def edited(fingerprint: str = "a", **changed: Any) -> dict[str, Any]:
    return differing(AKISMET, "5.3", changed=["class.akismet.php"], digit=fingerprint) | changed


def stored(site: Site, kind: str = "plugin", ident: str = AKISMET) -> ComparedComponent:
    row = ComparedComponent.fetch_one(site=site.id, kind=kind, ident=ident)
    assert row is not None
    return row


def events(name: str) -> list[dict[str, Any]]:
    return [entry_document(entry)["facts"] for entry in AuditEntry.select() if entry.event == name]


def items(actor: Actor) -> list[attention.Item]:
    return [item for item in attention.urgent_in_brief(actor).items if item.about == "files"]


def test_a_site_with_released_files_needs_no_one(
    ready: Site, fake: FakeSite, config: Config, ana: Actor
) -> None:
    sync(ready, fake, config, akismet())
    assert stored(ready).state == "same"
    check = SiteFileCheck.of_site(ready.id)
    assert check is not None
    assert fake.clock() - check.checked_at == timedelta(hours=1)
    assert items(ana) == []
    assert events("files_differ") == []


def test_a_new_difference_is_recorded_once_and_needs_someone(
    ready: Site, fake: FakeSite, config: Config, ana: Actor
) -> None:
    sync(ready, fake, config, akismet())
    sync(ready, fake, config, edited())
    sync(ready, fake, config, edited())
    assert events("files_differ") == [{"count": 1, "components": ["Akismet 5.3: 1 changed"]}]
    (item,) = items(ana)
    assert (item.severity, item.name, item.site) == ("check", "Akismet 5.3", ready)
    sync(ready, fake, config, akismet())
    assert events("files_match_again")[0]["components"] == ["Akismet 5.3: 1 changed"]
    assert items(ana) == []


def test_another_difference_in_the_same_plugin_is_recorded_again(
    ready: Site, fake: FakeSite, config: Config
) -> None:
    sync(ready, fake, config, edited("a"))
    found_at = stored(ready).found_at
    sync(ready, fake, config, edited("b"))
    assert len(events("files_differ")) == 2
    assert stored(ready).found_at > found_at


@pytest.mark.parametrize(
    "result",
    [
        differing(AKISMET, "5.3", unknown=["x.php"], digit="a"),
        differing("wordpress", "6.9", kind="core", changed=["wp-login.php"], digit="a"),
    ],
)
def test_an_unknown_program_and_a_changed_wordpress_are_critical(
    ready: Site, fake: FakeSite, config: Config, ana: Actor, result: dict[str, Any]
) -> None:
    fake.report["integrity"] = {"components": [result]}
    fake.files_checked_at = int(fake.clock().timestamp())
    read_report(ready, fake, config=config)
    assert [item.severity for item in items(ana)] == ["critical"]


def test_a_changed_readme_needs_no_one(
    ready: Site, fake: FakeSite, config: Config, ana: Actor
) -> None:
    sync(ready, fake, config, akismet(soft=1, fingerprint="a" * 64))
    assert stored(ready).state == "same"
    assert items(ana) == []


def test_must_use_plugins_are_listed_first_and_a_new_one_needs_someone(
    ready: Site, fake: FakeSite, config: Config, ana: Actor
) -> None:
    loader = compared("mu_plugin", "loader.php", "", fingerprint="a" * 64)
    sync(ready, fake, config, loader)
    assert stored(ready, "mu_plugin", "loader.php").state == "not_compared"
    assert items(ana) == []
    sync(ready, fake, config, loader, compared("mu_plugin", "x.php", "", fingerprint="b" * 64))
    assert events("files_differ")[0]["components"] == ["must-use plugin x.php"]
    assert [item.severity for item in items(ana)] == ["critical"]
    sync(ready, fake, config, loader)
    assert events("files_match_again")[0]["components"] == ["must-use plugin x.php"]


def test_findings_stay_while_the_site_cannot_compare(
    ready: Site, fake: FakeSite, config: Config, ana: Actor
) -> None:
    sync(ready, fake, config, edited())
    sync(ready, fake, config, akismet(compared_with="nothing", reason="list_slow"))
    row = stored(ready)
    assert (row.state, row.reason, row.changed_files) == (
        "different",
        "list_slow",
        ["class.akismet.php"],
    )
    assert len(events("files_differ")) == 1
    # Nothing is known about another version.
    unknown = akismet(version="5.4", compared_with="nothing", reason="no_list")
    sync(ready, fake, config, unknown)
    assert (stored(ready).state, stored(ready).changed_files) == ("not_compared", [])
    assert items(ana) == []


def test_an_unchanged_report_only_moves_the_time_of_the_check(
    ready: Site, fake: FakeSite, config: Config
) -> None:
    sync(ready, fake, config, edited())
    entries, digest = AuditEntry.select().count(), Report.digest_of(ready.id)
    before = SiteFileCheck.of_site(ready.id)
    sync(ready, fake, config, edited())
    after = SiteFileCheck.of_site(ready.id)
    assert before is not None
    assert after is not None
    assert after.checked_at > before.checked_at
    assert Report.digest_of(ready.id) == digest
    assert [entry.event for entry in AuditEntry.select()][entries:].count("report_received") == 0


@pytest.mark.parametrize("value", [None, "today", True, -5, 0, 2**53 - 1])
def test_an_invalid_time_is_no_finished_check(
    ready: Site, fake: FakeSite, config: Config, value: Any
) -> None:
    fake.report["integrity"] = {"components": [edited()]}
    fake.files_checked_at = value
    read_report(ready, fake, config=config)
    check = SiteFileCheck.of_site(ready.id)
    if value == 2**53 - 1:
        assert check is not None
        assert check.checked_at <= fake.clock()
    else:
        assert check is None
        assert ComparedComponent.select().count() == 0


def test_a_hostile_site_stores_no_more_than_the_limit(
    ready: Site, fake: FakeSite, config: Config
) -> None:
    many = [f"{number}.php" for number in range(200)]
    hostile = edited(changed=-3, missing=200, missing_files=many, changed_files=["a\u202eb\x00"])
    twice = akismet()
    sync(ready, fake, config, hostile, twice)
    row = stored(ready)
    assert (row.changed, row.missing, len(row.missing_files)) == (0, 200, 50)
    assert row.changed_files == ["ab"]
    assert ComparedComponent.select().where(ComparedComponent.ident == AKISMET).count() == 1


def accept(site: Site, by: Actor, now: Any, **changed: Any) -> ComparedComponent:
    row = stored(site)
    arguments = {"because": "Our own filter, see the notes", "confirmed_at": now, **changed}
    fingerprint = arguments.pop("fingerprint", row.fingerprint)
    return acceptance.accept_differences(site, row.id, fingerprint, by=by, now=now, **arguments)


def test_accepted_differences_need_no_one_until_they_change(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, ana: Actor
) -> None:
    sync(ready, fake, config, edited("a"))
    accept(ready, ana, clock())
    assert (stored(ready).state, items(ana)) == ("accepted", [])
    facts = events("file_differences_accepted")[0]
    assert (facts["component"], facts["fingerprint"]) == ("Akismet 5.3", "a" * 64)
    sync(ready, fake, config, edited("a"))
    assert stored(ready).state == "accepted"
    sync(ready, fake, config, edited("b"))
    assert stored(ready).state == "different"
    assert len(items(ana)) == 1
    # The same files in another version are not what was accepted.
    sync(ready, fake, config, edited("a", version="5.4"))
    assert stored(ready).state == "different"
    sync(ready, fake, config, edited("a"))
    assert stored(ready).state == "accepted"


def test_an_acceptance_can_be_withdrawn_once(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, ana: Actor
) -> None:
    sync(ready, fake, config, edited())
    row = accept(ready, ana, clock())
    acceptance.withdraw_acceptance(ready, row.id, by=ana, now=clock())
    assert stored(ready).state == "different"
    assert len(items(ana)) == 1
    assert events("file_acceptance_withdrawn")[0]["component"] == "Akismet 5.3"
    with pytest.raises(StaleState):
        acceptance.withdraw_acceptance(ready, row.id, by=ana, now=clock())


def test_files_other_than_those_on_the_page_are_not_accepted(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, ana: Actor
) -> None:
    sync(ready, fake, config, edited("a"))
    with pytest.raises(StaleState):
        accept(ready, ana, clock(), fingerprint="b" * 64)
    read_before = stored(ready)
    sync(ready, fake, config, edited("b"))
    assert not read_before.accept(by="Ben", because="ours", now=clock())
    accept(ready, ana, clock())
    with pytest.raises(StaleState):
        accept(ready, ana, clock())


def test_an_acceptance_needs_a_reason_a_role_and_a_recent_password(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, ana: Actor, cleo: Actor
) -> None:
    sync(ready, fake, config, edited())
    with pytest.raises(Invalid):
        accept(ready, ana, clock(), because="  ")
    with pytest.raises(Invalid):
        accept(ready, ana, clock(), because="x" * 501)
    with pytest.raises(ReauthenticationRequired):
        accept(ready, ana, clock(), confirmed_at=clock() - timedelta(hours=1))
    with pytest.raises(Forbidden):
        accept(ready, cleo, clock())
    with pytest.raises(NotFound):
        acceptance.get_component(ready, 10**6)
    assert stored(ready).state == "different"
