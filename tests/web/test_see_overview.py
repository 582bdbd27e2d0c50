"""The overview: figures, charts, widespread updates and recent activity."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app.models.available_updates import AvailableUpdate
from app.models.base import db, utcnow
from app.models.reports import Report
from app.models.sites import Site
from app.models.update_backlog import UpdateBacklog
from tests.support.factories import AKISMET, make_site


@pytest.fixture
def queries(monkeypatch):
    """Record the statements that are sent to the database."""
    seen: list[str] = []
    send = db.obj.execute_sql

    def record(sql, *args, **more):
        seen.append(sql)
        return send(sql, *args, **more)

    monkeypatch.setattr(db.obj, "execute_sql", record)
    return seen


def figures(text: str) -> list[str]:
    return re.findall(r'class="figure-number">(\d+)', text)


def add_sites(ana, count: int) -> None:
    """Add rows of sites that have reported."""
    now = utcnow()
    for number in range(count):
        url = f"https://site{number}.example"
        site = make_site(ana, now=now, url=url, name=f"Site {number}")
        Site.update(
            state="active", paired_at=now, last_success_at=now, last_contact_at=now, update_count=2
        ).where(Site.id == site.id).execute()
        php = "8.1.2" if number % 4 == 0 else "8.4.1"
        row = {"taken_at": now, "received_at": now, "wordpress": "6.8.1", "php": php}
        Report.create(site=site, digest="", body="{}", **row)
        AvailableUpdate.create(
            site=site, kind="plugin", ident="shop/shop.php", name="Shop", from_version="1.0",
            to_version="2.0", release_type="major", permission="plugins", is_fit=True, reasons=[],
        )  # fmt: skip


def test_figures_link_to_what_they_count(as_ana, ana, today, jobs):
    add_sites(ana, 4)
    text = as_ana.get("/").text
    assert figures(text) == ["5", "5", "0", "1"]
    for path in ("/sites", "/updates", "/updates/done", "/sites?state=old_php"):
        assert f'class="figure" href="{path}"' in text


def test_versions_are_a_chart_with_its_finding_and_numbers(as_ana, ana, today, jobs):
    add_sites(ana, 4)
    text = as_ana.get("/").text
    assert "<b>WordPress</b>: all 5 sites run 6.8.1" in text
    assert "<b>PHP</b>: 1 site runs a version without security fixes" in text
    assert '<tr><th scope="row">8.4.1</th><td>3</td></tr>' in text
    assert text.count('<svg class="spread-bar" role="img" aria-labelledby="chart-') == 2


def test_the_update_backlog_is_a_line_with_its_finding_and_numbers(as_ana, ana, today, jobs):
    add_sites(ana, 2)
    assert "The chart begins tomorrow" in as_ana.get("/").text
    day = utcnow().date()
    for ago, updates in ((30, 9), (29, 11), (4, 1), (0, 70), (31, 50)):
        UpdateBacklog.create(site=today, day=day - timedelta(days=ago), updates=updates)
    text = as_ana.get("/").text
    assert "Down from 9 to <b>3</b> in 30 days" in text
    assert text.count('class="plot-line" d="M0 ') == 1
    rows = re.findall(r'<tr><th scope="row">(\d+ \w+)</th><td>(\d+)</td>', text)
    assert [count for _, count in rows] == ["3", "1", "11", "9"]
    Site.update(forgotten_at=utcnow()).where(Site.id == today.id).execute()
    assert "The chart begins tomorrow" in as_ana.get("/").text


def test_the_most_widespread_update_comes_first_and_can_be_proposed(as_ana, as_cleo, ana, today):
    add_sites(ana, 3)
    listed = re.findall(r'class="cell-name"[^>]*>([^<]+)<', as_ana.get("/").text)
    assert listed == ["Shop", "Akismet"]
    assert 'href="/plugins/plugin?ident=shop/shop.php"' in as_ana.get("/").text
    link = f"/plugins/plugin?ident={AKISMET}"
    assert "/updates/review" in as_ana.get(link).text
    assert "/updates/review" not in as_cleo.get(link).text


def test_a_long_version_fits_into_the_list_of_widespread_updates(as_ana, ana, today):
    add_sites(ana, 3)
    text = as_ana.get("/").text
    steps = re.findall(r'<span class="step">(.*?)</b>', text, re.DOTALL)
    assert len(steps) == 2
    # The class cuts long text. A plugin may use any text as its version.
    assert [step.count('class="version"') for step in steps] == [2, 2], steps


def test_decisions_and_results_of_the_last_day_are_listed(as_ana, as_dora, today):
    as_ana.post(f"/sites/{today.id}/revoke")
    assert "Ana revoked access." in as_ana.get("/").text
    assert "Ana signed in" not in as_ana.get("/").text
    assert "Last 24 hours" not in as_dora.get("/").text


def test_the_first_steps_are_shown_until_a_site_is_paired(as_ana, as_cleo, ana, today):
    assert "First steps" not in as_ana.get("/").text
    Site.update(paired_at=None, state="new").execute()
    text = as_ana.get("/").text
    assert "First steps" in text
    assert "Connect Bakery" in text
    assert "First steps" not in as_cleo.get("/").text


def test_queries_do_not_grow_with_the_number_of_sites(as_ana, ana, today, jobs, queries):
    add_sites(ana, 2)
    as_ana.get("/")
    queries.clear()
    as_ana.get("/")
    few = len(queries)
    add_sites_more(ana)
    queries.clear()
    answer = as_ana.get("/")
    assert len(queries) == few <= 12
    assert len(answer.data) < 60_000


def add_sites_more(ana) -> None:
    now = utcnow()
    for number in range(100, 140):
        site = make_site(ana, now=now, url=f"https://more{number}.example", name=f"More {number}")
        Site.update(state="active", paired_at=now).where(Site.id == site.id).execute()


def test_a_hostile_name_stays_text(as_ana, ana, today):
    AvailableUpdate.update(name="<b>x</b>").execute()
    Site.update(name="<i>y</i>", consecutive_failures=9).execute()
    text = as_ana.get("/").text
    assert "<b>x</b>" not in text
    assert "<i>y</i>" not in text
    assert "&lt;i&gt;y&lt;/i&gt; is unreachable" in text
