"""A known vulnerability is shown within one sync, and is gone after the update."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.documents import entry_document
from app.domain.changes import vulnerability_updates
from app.domain.errors import Forbidden
from app.domain.sites import holds
from app.domain.vulnerabilities import findings, known, source, upkeep
from app.models.audit import AuditEntry
from app.models.site_vulnerabilities import SiteVulnerability
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.models.vulnerabilities import Vulnerability, VulnerabilityFeed, VulnerableSoftware
from tests.support.factories import AKISMET, plugin, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.vulnerability_feeds import bounds, feed, record, software

pytestmark = pytest.mark.both_databases

UP_TO_5_3 = software("akismet", bounds("5.3"), patched=("5.3.1",))


def import_feed(config: Config, clock: Clock, *records: dict[str, Any]) -> str:
    """Import a file with these records, as the command line does."""
    path = config.var_dir / "some-feed.json"
    path.write_bytes(feed(*records))
    with path.open("rb") as file:
        source.accept_file_from_cli(file, by=SYSTEM, config=config, now=clock())
    return upkeep.update(config, now=clock)


def sync(site: Site, fake: FakeSite, config: Config, version: str) -> None:
    """Have the site report another version of Akismet, and sync it."""
    fake.report["plugins"][0]["version"] = version
    if version != "5.3":
        fake.report["updates"]["plugins"] = []
    read_report(site, fake, config=config)
    findings.check_site(site.id, fake.clock())


def events(name: str) -> list[dict[str, Any]]:
    return [entry_document(entry)["facts"] for entry in AuditEntry.select() if entry.event == name]


def titles(actor: Actor) -> list[str]:
    return [
        task.vulnerable.worst.cve
        for task in attention.tasks(attention.urgent_in_brief(actor).items)
        if task.first.about == "vulnerability"
    ]


def test_a_vulnerability_shows_within_one_sync_and_is_gone_after_the_update(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, ana: Actor
) -> None:
    sync(ready, fake, config, "5.3.1")
    assert import_feed(config, clock, record(1, UP_TO_5_3)) == "imported"
    assert titles(ana) == []
    sync(ready, fake, config, "5.3")
    assert titles(ana) == ["CVE-2026-10001"]
    (found,) = known.urgent_vulnerabilities(EVERYTHING)
    assert (found.name, found.version, found.fixed_in) == ("Akismet", "5.3", "5.3.1")
    assert found.site_ids == {ready.id}
    sync(ready, fake, config, "5.3.1")
    assert titles(ana) == []
    assert [row["count"] for row in events("vulnerabilities_found")] == [1]
    assert events("vulnerabilities_gone")[0]["vulnerabilities"] == ["Akismet 5.3: CVE-2026-10001"]


def test_a_later_import_finds_a_vulnerability_without_a_sync(
    ready: Site, config: Config, clock: Clock, ana: Actor
) -> None:
    import_feed(config, clock, record(1, UP_TO_5_3), record(2, software("other")))
    assert titles(ana) == ["CVE-2026-10001"]
    assert Vulnerability.select().count() == 1
    # A withdrawn vulnerability is gone with the next feed, and so are its rows.
    import_feed(config, clock, record(2, software("other")))
    assert titles(ana) == []
    assert Vulnerability.select().count() == VulnerableSoftware.select().count() == 0


def test_a_vulnerability_keeps_its_number_at_the_next_import(
    ready: Site, config: Config, clock: Clock
) -> None:
    import_feed(config, clock, record(1, UP_TO_5_3))
    before = SiteVulnerability.get()
    clock.advance(days=1)
    import_feed(config, clock, record(1, UP_TO_5_3, title="Better words"), record(2))
    after = SiteVulnerability.get(SiteVulnerability.software == before.software_id)
    assert (after.id, after.found_at) == (before.id, before.found_at)
    assert Vulnerability.get(Vulnerability.record_id == record(1)["id"]).title == "Better words"
    assert len(events("vulnerabilities_found")) == 2


def test_a_version_that_cannot_be_compared_raises_no_alert(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, ana: Actor
) -> None:
    import_feed(config, clock, record(1, UP_TO_5_3))
    sync(ready, fake, config, "nightly")
    assert SiteVulnerability.get().state == "unknown"
    assert titles(ana) == []


def test_an_inactive_plugin_counts_and_a_fix_may_be_missing(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    import_feed(config, clock, record(1))
    fake.report["plugins"][0]["active"] = False
    sync(ready, fake, config, "5.3")
    (found,) = known.urgent_vulnerabilities(EVERYTHING)
    assert (found.inactive, found.fixed_in) == (1, "")


def test_a_new_plugin_starts_another_read_of_the_stored_file(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    import_feed(config, clock, record(1, software("forms", bounds("9.3"), patched=("9.4",))))
    assert Vulnerability.select().count() == 0
    fake.report["plugins"].append(plugin("forms/forms.php", name="Forms", version="9.3"))
    sync(ready, fake, config, "5.3")
    assert known.urgent_vulnerabilities(EVERYTHING) == []
    assert upkeep.request_due(clock()) == 0
    clock.advance(minutes=11)
    assert upkeep.request_due(clock()) == 1
    assert upkeep.update(config, now=clock) == "read again"
    assert [row.name for row in known.urgent_vulnerabilities(EVERYTHING)] == ["Forms"]
    assert len(events("vulnerability_feed_imported")) == 1
    assert upkeep.request_due(clock()) == 0


def test_wordpress_and_themes_are_matched_by_their_own_kind(
    ready: Site, config: Config, clock: Clock
) -> None:
    import_feed(
        config,
        clock,
        record(1, software("wordpress", bounds("6.8.1"), kind="core", patched=("6.8.2",))),
        record(2, software("twentytwentyfour", kind="theme")),
        record(3, software("twentytwentyfour", kind="plugin")),
    )
    assert sorted(row.kind for row in known.all_vulnerabilities(EVERYTHING)) == ["core", "theme"]


def test_a_revoked_site_is_no_longer_counted(
    ready: Site, config: Config, clock: Clock, ana: Actor
) -> None:
    import_feed(config, clock, record(1, UP_TO_5_3))
    Site.update(state="revoked").where(Site.id == ready.id).execute()
    assert titles(ana) == []
    assert upkeep.check_sites(clock) == 0


def test_one_button_reviews_the_update_that_fixes_it(
    ready: Site, config: Config, clock: Clock, ben: Actor, cleo: Actor
) -> None:
    import_feed(config, clock, record(1, UP_TO_5_3), record(2, software("akismet", bounds("5.3"))))
    found = SiteVulnerability.get(SiteVulnerability.fixed_in == "5.3.1")
    with pytest.raises(Forbidden):
        vulnerability_updates.review_fixes(found.software_id, by=cleo, now=clock())
    (change,) = vulnerability_updates.review_fixes(found.software_id, by=ben, now=clock())
    assert (change.site_id, change.to_version) == (ready.id, "5.3.1")
    # A second click finds the update in progress.
    with pytest.raises(vulnerability_updates.NothingToReview):
        vulnerability_updates.review_fixes(found.software_id, by=ben, now=clock())


def test_an_ignored_update_hides_no_vulnerability(
    ready: Site, config: Config, clock: Clock, ana: Actor
) -> None:
    import_feed(config, clock, record(1, UP_TO_5_3))
    holds.hold_updates(
        [ready], "plugin", AKISMET, until=None, reason="breaks the shop", by=ana, now=clock()
    )
    assert titles(ana) == ["CVE-2026-10001"]
    assert list(SiteVulnerability.held_by_software(clock(), EVERYTHING).values()) == [1]


def test_an_update_to_another_affected_version_is_no_fix(
    ready: Site, config: Config, clock: Clock, ben: Actor
) -> None:
    import_feed(config, clock, record(1, software("akismet", bounds("5.4"), patched=("5.4.1",))))
    found = SiteVulnerability.get()
    with pytest.raises(vulnerability_updates.NothingToReview):
        vulnerability_updates.review_fixes(found.software_id, by=ben, now=clock())
    effect = vulnerability_updates.effect_of("plugin", AKISMET, "5.3", "5.3.1")
    assert (len(effect.fixed), len(effect.remaining)) == (0, 1)


def test_two_jobs_at_once_do_the_work_once(
    ready: Site, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    VulnerabilityFeed.write(uploaded_at=clock())
    assert VulnerabilityFeed.claim(clock(), timedelta(minutes=35))
    assert upkeep.update(config, now=clock) == "busy"
    # A killed worker leaves its claim behind, which expires.
    clock.advance(minutes=36)
    assert upkeep.request_due(clock()) == 1
    assert upkeep.update(config, now=clock) == "failed"
    assert VulnerabilityFeed.read().problem == "file_missing"
