"""Somebody reads the trail: newest first, by event, by site, page by page."""

from __future__ import annotations

from app.domain import audit
from app.domain.events import SyncAsked
from app.models.base import transaction
from tests.factories import make_site


def test_entries_are_sentences_with_number_and_hash(as_ana, site):
    text = as_ana.get("/audit").text
    assert "Ana added the site <strong>Bakery</strong>" in text
    head = audit.find(audit.Filter(event="site_added"), 1)[0]
    assert f"{head.seq} · " in text
    assert head.hash[:12] in text
    assert f'href="/sites/{site.id}"' in text


def test_the_trail_is_narrowed_to_a_site(as_ana, ana, site, clock):
    make_site(ana, now=clock(), url="https://other.example", name="Other")
    text = as_ana.get(f"/sites/{site.id}/audit").text
    assert "Bakery" in text
    assert "Other" not in text
    assert "Other" not in as_ana.get(f"/audit?site={site.id}").text.split('id="entries"')[1]


def test_the_trail_is_narrowed_to_an_event(as_ana, site, paired):
    listed = as_ana.get("/audit?event=pairing_completed").text.split('id="entries"')[1]
    assert "The site was paired" in listed
    assert "added the site" not in listed
    assert "No entry matches" in as_ana.get("/audit?event=revocation_confirmed").text
    assert as_ana.get("/audit?event=nonsense&site=x&before=y").status_code == 200


def test_older_entries_are_a_link_away(as_ana, ana, site):
    with transaction():
        for number in range(60):
            audit.record(SyncAsked(site_id=site.id, sync_id=number), ana)
    first = as_ana.get(f"/sites/{site.id}/audit")
    assert first.text.count('class="entry-text"') == 50
    older = f"/sites/{site.id}/audit?before={audit.find(limit=50)[-1].seq}"
    assert f'href="{older}"' in first.text
    second = as_ana.get(older).text
    assert "added the site" in second
    assert "Newest entries" in second
    assert "Older entries" not in second


def test_reading_changes_nothing(as_ana, site):
    before = audit.find(limit=1)[0].seq
    as_ana.get("/audit")
    assert audit.find(limit=1)[0].seq == before


def test_a_stranger_reads_nothing(as_nobody, site):
    assert as_nobody.get("/audit").status_code in (302, 303)
    assert as_nobody.get(f"/sites/{site.id}/audit").status_code in (302, 303)
