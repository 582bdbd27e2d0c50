"""The overview, the navigation and the page of a site show what needs attention."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app.domain import alerts, attention
from app.domain.actor import SYSTEM
from app.domain.changes import auto_update_rules
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import transaction, utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.fleet import fleet
from app.models.reports import Report
from app.models.sites import STATES, Site
from app.models.visibility import EVERYTHING
from tests.support.factories import check, make_site
from tests.support.release_reviews import compare, offer
from tests.support.rules import terms


def count_of(text: str, label: str) -> int:
    """Return the number that the navigation shows beside `label`."""
    found = re.search(rf'</svg>{label} <span class="count[^"]*">(\d+)', text)
    return int(found.group(1)) if found else 0


def headline(text: str) -> str:
    """Return the h1 of the overview."""
    return re.search(r"<h1>(.*?)</h1>", text).group(1)


def tasks(text: str) -> list[tuple[str, str]]:
    """Return the severity and the title of each row."""
    return re.findall(
        r'<li class="task[^"]*">.*?<span>(\w+)</span></span></div>\s*'
        r'<div><p class="task-title">(.*?)</p>',
        text,
        re.DOTALL,
    )


@pytest.fixture
def failed(proposed) -> Change:
    """Return an update that failed halfway, which pauses its site."""
    row = {"state": "failed", "is_incident": True, "ended_at": utcnow()}
    Change.update(**row).where(Change.id == proposed.id).execute()
    return Change.get_by_id(proposed.id)


def make_sites(ana, count: int, **columns) -> list[Site]:
    """Add paired sites that were never called, with the values of `columns`."""
    made = []
    for number in range(count):
        url = f"https://site{number}.example"
        site = make_site(ana, now=utcnow(), url=url, name=f"Site {number}")
        columns = {"state": "active", "paired_at": utcnow(), **columns}
        Site.update(**columns).where(Site.id == site.id).execute()
        made.append(Site.get_by_id(site.id))
    return made


DOWN = {"consecutive_failures": 5, "error_code": "server_error"}


def test_a_healthy_site_needs_no_attention(as_ana, today):
    text = as_ana.get("/").text
    assert headline(text) == "Nothing needs you"
    assert count_of(text, "Overview") == count_of(text, "Updates") == 0
    assert count_of(text, "Sites") == 1
    assert tasks(text) == []
    assert "This site needs attention" not in as_ana.get(f"/sites/{today.id}").text


def test_a_failed_update_is_counted_and_named_though_the_site_is_connected(as_ana, failed):
    assert failed.site.connection == "healthy"
    text = as_ana.get("/").text
    assert headline(text) == "1 thing needs you"
    assert count_of(text, "Overview") == count_of(text, "Updates") == 1
    assert tasks(text) == [("Critical", "Akismet update failed on Bakery")]
    assert "Updates on this site are paused." in text
    assert f'href="/changes/{failed.id}"' in text
    assert "Bakery" in as_ana.get("/sites?state=attention").text
    page = as_ana.get(f"/sites/{failed.site_id}").text
    assert "This site needs attention" in page
    assert f'href="/changes/{failed.id}"' in page


def test_an_open_alert_is_counted_for_the_agency_and_hidden_from_the_client(
    as_ana, as_dora, today, dora
):
    Site.update(client=Client.get_by_id(dora.client_id)).where(Site.id == today.id).execute()
    with transaction():
        alerts.raise_alert(today, alerts.CALL_UNKNOWN, "n", {}, SYSTEM, utcnow())
    assert headline(as_ana.get("/").text) == "1 thing needs you"
    assert "Someone else called" in as_ana.get(f"/sites/{today.id}").text
    assert headline(as_dora.get("/").text) == "Nothing needs you"
    assert "Someone else called" not in as_dora.get(f"/sites/{today.id}").text


def test_a_client_user_sees_only_tasks_of_their_own_sites(as_dora, failed, ana, clock, jobs):
    text = as_dora.get("/").text
    assert tasks(text) == []
    assert "Bakery" not in text.partition("<main")[2]
    own = make_site(ana, now=clock(), url="https://own.example", client="Bakery Ltd")
    Change.update(site=own).where(Change.id == failed.id).execute()
    assert len(tasks(as_dora.get("/").text)) == 1


def test_pages_with_and_without_the_sites_count_the_same(as_ana, ana, failed):
    sites = make_sites(ana, 5, consecutive_failures=5, last_success_at=utcnow())
    Site.update(quarantine="moved").where(Site.id == sites[0].id).execute()
    with_sites, without = as_ana.get("/").text, as_ana.get("/search").text
    # The failed update, the paused site, and one task for four sites that cannot be reached.
    assert [count_of(text, "Overview") for text in (with_sites, without)] == [3, 3]
    assert [count_of(text, "Sites") for text in (with_sites, without)] == [6, 6]


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_connection_is_covered(state, today, ana):
    Site.update(state=state).where(Site.id == today.id).execute()
    site = Site.get_by_id(today.id)
    items = attention.grouped_by_site(attention.urgent(ana, fleet(EVERYTHING))).get(site.id, [])
    assert bool(items) == (site.connection in attention.CONNECTIONS)


def test_every_connection_that_needs_attention_has_a_title(app):
    words = app.jinja_env.get_template("components/attention_words.html").module
    assert words.CONNECTION_TITLES.keys() == attention.CONNECTIONS.keys()
    rows = app.jinja_env.get_template("components/attention.html").module
    assert tuple(rows.SEVERITIES) == attention.SEVERITIES


def test_approvals_of_this_person_are_counted_in_the_navigation(as_ana, as_ben, proposed):
    proposed.site.client = Client.named("Bakery Ltd")
    proposed.site.save()
    Client.update(approvals="second").execute()
    # Ben proposed it and may not approve it himself.
    text = as_ana.get("/").text
    assert count_of(text, "Updates") == 1
    assert tasks(text) == [("Waiting", "1 update needs your approval")]
    assert "by Ben. Bakery." in text
    assert count_of(as_ben.get("/").text, "Updates") == 0


def test_two_sites_that_are_down_are_named_and_more_are_one_task(as_ana, ana, jobs):
    two, _ = make_sites(ana, 2, **DOWN), make_site(ana, now=utcnow(), url="https://new.example")
    assert tasks(as_ana.get("/").text) == [
        ("Critical", "Site 0 is unreachable"),
        ("Critical", "Site 1 is unreachable"),
        ("Soon", "Bakery is not connected yet"),
    ]
    third = make_site(ana, now=utcnow(), url="https://third.example", name="Third")
    Site.update(state="active", **DOWN).where(Site.id == third.id).execute()
    text = as_ana.get("/").text
    assert tasks(text)[0] == ("Critical", "3 sites are unreachable")
    assert all(site.name in text for site in (*two, third))
    assert headline(text) == "1 thing needs you"


def test_tasks_that_can_wait_are_listed_and_not_counted(as_ana, ana, today):
    Report.update(php="7.4.33").execute()
    AutoUpdateRule.create(
        name="Nightly", permissions=["plugins"], release_types=["patch"], weekdays=[0],
        from_hour=1, to_hour=4, created_by=ana.id, maker="Ana", created_at=utcnow(), reason="x",
        expires_at=utcnow() + timedelta(days=5, minutes=1),
    )  # fmt: skip
    text = as_ana.get("/").text
    assert headline(text) == "Nothing needs you"
    assert [severity for severity, _ in tasks(text)] == ["Soon", "Soon"]
    assert "Bakery runs a PHP version without security fixes" in text
    assert "Nightly" in text
    assert "in 5 days" in text
    assert "Bakery" in as_ana.get("/sites?state=old_php").text
    Report.update(php="8.4.1").execute()
    assert 'class="cell-name"' not in as_ana.get("/sites?state=old_php").text


def test_the_most_urgent_comes_first_and_seven_rows_are_shown(as_ana, ana, failed, jobs):
    with transaction():
        for number, kind in enumerate(alerts.KINDS):
            alerts.raise_alert(failed.site, kind, str(number), {}, SYSTEM, utcnow())
    text = as_ana.get("/").text
    assert headline(text) == f"{len(alerts.KINDS) + 1} things need you"
    assert len(tasks(text)) == 7
    assert f"Show {len(alerts.KINDS) - 6} more" in text
    every = [severity for severity, _ in tasks(as_ana.get("/?tasks=all").text)]
    assert every == sorted(every, key=["Critical", "Check"].index)
    assert len(every) == len(alerts.KINDS) + 1


def test_a_waiting_approval_is_always_among_the_rows(as_ana, ana, proposed):
    with transaction():
        for number, kind in enumerate(alerts.KINDS):
            alerts.raise_alert(proposed.site, kind, str(number), {}, SYSTEM, utcnow())
    rows = tasks(as_ana.get("/").text)
    assert len(rows) == 7
    assert rows[-1] == ("Waiting", "1 update needs your approval")


def test_updates_wait_before_a_newer_report():
    old, new = utcnow() - timedelta(days=9), utcnow()
    report = attention.Item("report", "waiting", attention.WAITING, 1, "Bakery Ltd", new)
    update = attention.Item("approval", "proposed", attention.WAITING, 2, "Akismet", old)
    assert [task.first for task in attention.tasks([report, update])] == [update, report]


def test_several_failed_updates_are_one_task(as_ana, failed):
    row = Change.select().where(Change.id == failed.id).dicts().get()
    for name in ("Forms", "Shop"):
        copied = {**row, "name": name, "ident": name, "op_id": name}
        del copied["id"]
        Change.insert(copied).execute()
    assert tasks(as_ana.get("/").text) == [("Critical", "3 updates failed")]
    text = as_ana.get("/").text
    assert all(name in text for name in ("Akismet", "Forms", "Shop"))
    assert 'href="/updates/done#to-check"' in text


def test_a_release_with_a_warning_is_a_decision_that_leads_to_its_review(
    as_ana, ana, ready, fake, config, clock
):
    server = offer(fake, {"includes/wp-comments-posts.php": b"<?php"})
    now = clock()
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=now, now=now)
    auto_update_rules.propose_due(now)
    change = check(Change.get(), fake, config)
    assert [words for _, words in tasks(as_ana.get("/").text)] == ["1 update needs your approval"]
    compare(server, config, clock)
    text = as_ana.get("/").text
    title = "Akismet 5.3.1 has a warning and waits for a decision"
    assert tasks(text) == [("Waiting", title)]
    (link,) = re.findall(r"<a [^>]*><span>Review release</span>", text)
    assert f'href="/changes/{change.id}"' in link
    assert "leave it to a person on Bakery" in text
    assert count_of(text, "Updates") == 1
