"""Read the audit log: newest first, by event, by site, page by page."""

from __future__ import annotations

import html
import re

import pytest

from app.domain import audit
from app.domain.audit.events import SyncRequested
from app.domain.sites import notes
from app.models.audit import AuditEntry
from app.models.base import transaction
from tests.support.factories import AKISMET, approve, check, make_site, propose, run_change

pytestmark = pytest.mark.both_databases


def test_entries_are_sentences_with_number_and_hash(as_ana, site):
    text = as_ana.get("/activity").text
    assert "Ana added the site <strong>Bakery</strong>" in text
    head = audit.find_entries(audit.EntryFilter(event="site_added"), 1)[0]
    assert f'href="/activity/{head.seq}"' in text
    assert head.hash in as_ana.get(f"/activity/{head.seq}").text
    assert f'href="/sites/{site.id}"' in text


def test_the_audit_log_is_narrowed_to_a_site(as_ana, ana, site, clock):
    make_site(ana, now=clock(), url="https://other.example", name="Other")
    text = as_ana.get(f"/sites/{site.id}/activity").text
    assert "Bakery" in text
    assert "Other" not in text
    assert "Other" not in as_ana.get(f"/activity?site={site.id}").text.split('id="entries"')[1]


def test_the_audit_log_is_narrowed_to_an_event(as_ana, site, paired):
    listed = as_ana.get("/activity?event=pairing_completed").text.split('id="entries"')[1]
    assert "The site was paired" in listed
    assert "added the site" not in listed
    assert "No entries found" in as_ana.get("/activity?event=revocation_confirmed").text
    assert as_ana.get("/activity?event=nonsense&site=x&before=y").status_code == 200


def test_a_link_leads_to_older_entries(as_ana, ana, site):
    with transaction():
        for number in range(60):
            audit.record(SyncRequested(site_id=site.id, sync_id=number), ana)
    first = as_ana.get(f"/sites/{site.id}/activity")
    assert first.text.count('class="entry-text"') == 50
    older = f"/sites/{site.id}/activity?before={audit.find_entries(limit=50)[-1].seq}"
    assert f'href="{older}"' in first.text
    second = as_ana.get(older).text
    assert "added the site" in second
    assert "Newest entries" in second
    assert "Older entries" not in second


def test_reading_changes_nothing(as_ana, site):
    before = audit.find_entries(limit=1)[0].seq
    as_ana.get("/activity")
    assert audit.find_entries(limit=1)[0].seq == before


def test_a_stranger_reads_nothing(anonymous, site):
    assert anonymous.get("/activity").status_code in (302, 303)
    assert anonymous.get(f"/sites/{site.id}/activity").status_code in (302, 303)


# ---- filters ----


def listed(person, query):
    answer = person.get(f"/activity?{query}")
    assert answer.status_code == 200, query
    return answer.text.split('id="entries"')[1]


def test_filters_narrow_the_audit_log(as_ana, ana, ben, ready, fake, config, clock):
    other = make_site(ben, now=clock(), url="https://rival.example", name="Rival", client="Rival")
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    run_change(change, fake, config)
    assert "Rival" in listed(as_ana, f"client={other.client_id}")
    assert "Bakery" not in listed(as_ana, f"client={other.client_id}")
    by_ben = listed(as_ana, f"person={ben.id}")
    assert "Ben proposed update 1" in by_ben
    assert "Ana approved" not in by_ben
    ended = listed(as_ana, "outcome=succeeded&kind=plugin")
    assert ended.count('class="entry-text"') == 1
    assert "No entries found" in listed(as_ana, "kind=database")
    about = listed(as_ana, f"site={ready.id}&component={AKISMET}")
    assert about.count('class="entry-text"') == 5
    assert "Ben proposed update 1" in listed(as_ana, "words=proposed+akis")
    assert "No entries found" in listed(as_ana, "words=nothing+of+this")
    assert "Rival" in listed(as_ana, "since=2026-11-24&until=2026-11-24")
    assert "No entries found" in listed(as_ana, "until=2026-11-23")


def test_filters_are_kept_on_the_next_page_and_shown_as_typed(as_ana, ana, site):
    with transaction():
        for number in range(60):
            audit.record(SyncRequested(site_id=site.id, sync_id=number), ana)
    text = as_ana.get(
        f"/activity?site={site.id}&words=%22sync%22+%3Cb%3E&event=sync_requested"
    ).text
    assert 'value="&#34;sync&#34; &lt;b&gt;"' in text
    narrow = as_ana.get(f"/activity?site={site.id}&words=sync").text
    older = re.search(r'href="([^"]+)" rel="next"', narrow).group(1)
    assert {"words=sync", f"site={site.id}"} <= set(html.unescape(older).split("?")[1].split("&"))


def test_an_invalid_day_is_refused_beside_its_field(as_ana, site):
    answer = as_ana.get("/activity?since=yesterday&words=akismet")
    assert answer.status_code == 422
    assert 'id="f-since-error"' in answer.text
    assert 'value="akismet"' in answer.text


# ---- one entry ----


def test_an_entry_has_a_page_with_its_facts_and_neighbors(
    as_ana, ana, ben, ready, fake, config, clock
):
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    run_change(change, fake, config)
    ended = audit.find_entries(audit.EntryFilter(event="change_ended"))[0]
    text = as_ana.get(f"/activity/{ended.seq}").text
    for words in (ended.hash, ended.prev, "Succeeded", AKISMET, 'href="/changes/1"'):
        assert words in text
    assert f'href="/activity?site={ready.id}&amp;component={AKISMET}"' in text
    assert f'href="/activity/{ended.seq - 1}"' in text
    approved = audit.find_entries(audit.EntryFilter(event="change_approved"))[0]
    assert "from 192.0.2.1" in as_ana.get(f"/activity/{approved.seq}").text


def test_an_unknown_entry_is_not_found(as_ana, site):
    assert as_ana.get("/activity/4711").status_code == 404


def test_a_client_user_reads_their_own_entries_without_addresses(as_dora, as_ana, ana, clock):
    own_site = make_site(ana, now=clock(), client="Bakery Ltd")
    own_seq = audit.find_entries(audit.EntryFilter(site=own_site.id))[0].seq
    other_site = make_site(ana, now=clock(), url="https://rival.example", client="Rival Ltd")
    other_seq = audit.find_entries(audit.EntryFilter(site=other_site.id))[0].seq
    text = as_dora.get(f"/activity/{own_seq}").text
    assert "added the site" in text
    assert "192.0.2.1" not in text
    assert as_dora.get(f"/activity/{other_seq}").status_code == 404
    assert as_dora.get("/activity").status_code == 403


def test_a_client_user_reads_no_internal_entry(as_dora, as_ana, ana, clock):
    own_site = make_site(ana, now=clock(), client="Bakery Ltd")
    notes.set_site_notes(own_site, "They pay late.", by=ana, now=clock())
    entry = AuditEntry.head()
    assert entry.event == "site_notes_changed"
    assert "the notes about the site" in as_ana.get(f"/activity/{entry.seq}").text
    assert as_dora.get(f"/activity/{entry.seq}").status_code == 404


def test_an_entry_says_that_its_personal_data_was_erased(as_ana, ben, clock):
    make_site(ben, now=clock(), url="https://florist.example", name="Florist")
    seq = audit.find_entries(audit.EntryFilter(person=ben.id))[0].seq
    as_ana.post(f"/team/{ben.id}/disable")
    as_ana.post(f"/team/{ben.id}/erase", data={"reason": "asked"})
    text = as_ana.get(f"/activity/{seq}").text
    assert "Personal data in this entry was erased" in text
    assert "[erased]" in text
