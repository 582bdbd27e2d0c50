"""Count available updates: site list, site page, client report and audit log agree."""

from __future__ import annotations

import re

import pytest

from app.domain.audit.documents import entry_document
from app.domain.changes import candidates
from app.domain.inventory.versions import available_updates
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from tests.support.factories import plugin, read_report

TRANSLATION = {
    "type": "plugin",
    "slug": "akismet",
    "language": "de_DE",
    "installed": "",
    "updated": "2026-01-01 00:00:00",
    "version": "5.3",
}


def release(version: str, kind: str) -> dict[str, object]:
    """Return a newer WordPress as a site reports it."""
    needs = {"requires_php": "7.2", "requires_mysql": "5.5"}
    return {"version": version, "kind": kind, "package": True, **needs}


@pytest.fixture
def mixed(today: Site, fake, config) -> Site:
    """A client's site with an update of two plugins, a translation and WordPress."""
    fake.report["plugins"].append(plugin("shop/shop.php", name="Shop", auto_update=True))
    updates = fake.report["updates"]
    updates["plugins"].append({**updates["plugins"][0], "id": "shop/shop.php"})
    updates["translations"] = [TRANSLATION]
    updates["core"] = [release("6.8.2", "minor"), release("6.9", "major")]
    fake.clock.now = utcnow()
    read_report(today, fake, config=config)
    Site.update(client=Client.named("Bakery Ltd")).where(Site.id == today.id).execute()
    return Site.get_by_id(today.id)


def test_list_site_page_report_and_entry_name_the_same_number(as_ana, mixed):
    row = re.search(r'class="site-updates">(\d+)', as_ana.get("/sites").text)
    assert row
    assert row.group(1) == "4"
    assert "4 updates available" in as_ana.get(f"/sites/{mixed.id}").text
    page = as_ana.get(f"/sites/{mixed.id}/updates").text
    assert "2 plugins, WordPress, 1 translation" in page
    report = as_ana.get(f"/clients/{mixed.client_id}/report").text
    assert "Available updates: 4" in report
    # The counts under "open now" add up to the same number.
    counts = re.findall(r"(\d+) updates? (?:is|are) waiting", report)
    assert sum(map(int, counts)) == 4
    document = entry_document(AuditEntry.newest(event="report_received", limit=1)[0])
    assert document["facts"]["available_updates"] == 4


def test_a_wordpress_with_two_versions_is_one_update(mixed):
    found = candidates.candidates_on_site(mixed, utcnow())
    assert available_updates(candidate.target for candidate in found) == {
        "plugin": 2,
        "core": 1,
        "translation": 1,
    }
