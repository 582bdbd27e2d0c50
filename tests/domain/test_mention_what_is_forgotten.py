"""Mention what leaves a site without security: old vulnerability data and a forgotten pause."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.attention import CHECK, SOON, Item
from app.domain.notifications import preferences
from app.domain.notifications.preferences import Preferences
from app.domain.vulnerabilities import source, upkeep
from app.http.download import DownloadFailed
from app.models.base import transaction
from app.models.fleet import fleet, noticeable_sites
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.models.vulnerabilities import FILE, VulnerabilityFeed
from tests.support.emails import look_for, titles, turn_email_on
from tests.support.factories import limits, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

pytestmark = pytest.mark.both_databases


def upcoming(actor: Actor, clock: Clock) -> list[Item]:
    return attention.upcoming(actor, fleet(EVERYTHING), clock())


def about(found: list[Item], what: str) -> list[tuple[str, str]]:
    return [(item.word, item.severity) for item in found if item.about == what]


def refusing(*_: object, **__: object) -> str:
    raise DownloadFailed("key_refused", "HTTP 401")


# ---- a pause ----


def test_a_pause_of_a_week_is_mentioned_until_the_owner_resumes(
    ready: Site, ana: Actor, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    began = int(clock().timestamp())
    fake.report["agent"]["limits"] = limits(paused_at=began, reason="Summer sale")
    read_report(ready, fake, config=config)
    clock.advance(days=6, hours=23)
    assert about(upcoming(ana, clock), "pause") == []
    clock.advance(hours=1)
    for actor in (ana, ben):
        [item] = [row for row in upcoming(actor, clock) if row.about == "pause"]
        assert (item.severity, item.name, item.site.id) == (SOON, "Summer sale", ready.id)
    # The overview reads only the sites that may need attention.
    assert [site.id for site in noticeable_sites((), (), (), EVERYTHING)] == [ready.id]
    fake.report["agent"]["limits"] = limits()
    read_report(ready, fake, config=config)
    assert about(upcoming(ana, clock), "pause") == []


def test_a_pause_in_wp_config_has_no_time_and_is_not_mentioned(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.report["agent"]["limits"] = {**limits(), "paused": True, "read_only": True}
    read_report(ready, fake, config=config)
    clock.advance(days=60)
    assert about(upcoming(ana, clock), "pause") == []


def test_a_digest_mentions_a_pause_once_and_not_its_end(
    ready: Site,
    ana: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> None:
    turn_email_on(ana, config, clock())
    preferences.change_preferences(Preferences(digest="daily"), by=ana, now=clock())
    began = int(clock().timestamp())
    fake.report["agent"]["limits"] = limits(paused_at=began, reason="Summer sale")
    read_report(ready, fake, config=config)
    clock.advance(days=6, hours=20)
    sent = [titles(email) for email in look_for(config, clock, 2 * 1440)]
    title = "Updates of Bakery have been paused for more than a week"
    assert len([email for email in sent if ("Soon", title) in email]) == 1
    fake.report["agent"]["limits"] = limits()
    read_report(ready, fake, config=config)
    later = [titles(email) for email in look_for(config, clock, 1440)]
    assert not [email for email in later if title in str(email)]


# ---- known vulnerabilities ----


def test_a_key_that_fails_for_more_than_a_day_is_mentioned_to_owners(
    ready: Site, ana: Actor, ben: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    source.set_key("a-key", by=ana, config=config, now=clock())
    began = clock()
    while clock() - began < timedelta(hours=30):
        assert upkeep.update(config, fetch=refusing, now=clock) == "failed"
        assert about(attention.urgent(ana, []), "feed") == []
        clock.now = VulnerabilityFeed.read().next_fetch_at
    assert upkeep.update(config, fetch=refusing, now=clock) == "failed"
    assert about(attention.urgent(ana, []), "feed") == [("key_refused", CHECK)]
    assert about(attention.urgent(ben, []), "feed") == []
    open_keys = attention.read_findings().keys()
    assert "feed:0" in open_keys
    with transaction():
        VulnerabilityFeed.write(key_sealed=None)
    assert about(attention.urgent(ana, []), "feed") == []


def test_an_imported_file_without_a_key_is_mentioned_after_a_month(
    ready: Site, ana: Actor, ben: Actor, clock: Clock
) -> None:
    with transaction():
        VulnerabilityFeed.write(number=1, source=FILE, checked_at=clock())
    clock.advance(days=29)
    assert about(upcoming(ana, clock), "old_feed") == []
    clock.advance(days=1)
    assert about(upcoming(ana, clock), "old_feed") == [("old", SOON)]
    assert about(upcoming(ben, clock), "old_feed") == []
    with transaction():
        VulnerabilityFeed.write(key_sealed="sealed")
    assert about(upcoming(ana, clock), "old_feed") == []
