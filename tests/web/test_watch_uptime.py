"""Read the uptime of a site, and change how it is checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.uptime import figures, rounds, verdicts
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.uptime import OWN_NETWORK, Outage, SiteWatch, UptimeCheck
from tests.support.fakes import Clock
from tests.support.front_pages import FrontPages, failing, page, play


@pytest.fixture
def pages():
    """Return the front pages of the internet, beginning five hours ago."""
    return FrontPages(Clock(utcnow() - timedelta(hours=5)))


@pytest.fixture
def watched(today, pages, config):
    """Return a site that was down for twenty minutes four hours ago."""
    clock = pages.clock
    rounds.request_due(clock())
    SiteWatch.update(next_check_at=clock()).execute()
    play(pages, config, clock() + timedelta(hours=1))
    pages.answers[today.url] = failing()
    play(pages, config, clock() + timedelta(minutes=20))
    pages.answers[today.url] = page(ms=1640)
    pages.certificate_ends_at = clock() + timedelta(days=60)
    play(pages, config, utcnow())
    return today


def save(person, site, **form):
    return person.post(f"/sites/{site.id}/uptime", data={"every_minutes": 5, "phrase": "", **form})


def test_the_page_shows_uptime_and_outages(as_ben, watched):
    text = as_ben.get(f"/sites/{watched.id}/uptime").text
    assert "Checked every 5 minutes" in text
    assert "1 day with an outage" in text
    assert "The server refused the connection" in text
    outage = Outage.get()
    assert f"{round(outage.counted_s / 60)} min" in text
    assert "median <b>1.6 s</b>" in text
    assert "The TLS certificate ends" in text
    assert "Connected, up" in as_ben.get("/sites").text


def test_the_page_says_why_the_domain_is_unknown(as_ben, watched, app, config):
    text = as_ben.get(f"/sites/{watched.id}/uptime").text
    assert "Not known yet." in text
    app.config["AURA"] = replace(config, asks_registries=False)
    text = as_ben.get(f"/sites/{watched.id}/uptime").text
    assert "because AURA_ASK_REGISTRIES is off" in text
    assert "Not known yet." not in text


def test_a_site_that_is_down_says_why_and_what_to_do(as_ben, watched, pages, config):
    pages.answers[watched.url] = page(502)
    SiteWatch.update(next_check_at=pages.clock()).execute()
    play(pages, config, pages.clock() + timedelta(minutes=8))
    text = as_ben.get(f"/sites/{watched.id}/uptime").text
    assert "The server answered with an error" in text
    assert "HTTP status 502" in text
    assert "still down" in text
    overview = as_ben.get("/").text
    assert "Bakery is down" in overview
    assert f'href="/sites/{watched.id}/uptime"' in overview
    assert "Down" in as_ben.get("/sites?state=attention").text


def test_a_site_without_checks_says_so(as_cleo, ready):
    text = as_cleo.get(f"/sites/{ready.id}/uptime").text
    assert "Not checked yet" in text
    assert "No checks yet." in text
    assert "Save settings" not in text


def test_an_operator_changes_the_settings(as_ben, watched):
    answer = save(as_ben, watched, every_minutes=15, phrase="  Fresh   bread ")
    assert answer.headers["Location"] == f"/sites/{watched.id}/uptime"
    watch = SiteWatch.of(watched.id)
    assert (watch.every_minutes, watch.phrase, watch.state) == (15, "Fresh bread", "up")
    entry = AuditEntry.newest_of(("uptime_settings_changed",), site_id=watched.id)
    text = as_ben.get(f"/activity/{entry.seq}").text
    assert "every 15 minutes, with the phrase “Fresh bread”" in text
    save(as_ben, watched, every_minutes=15, phrase="Fresh bread")
    again = AuditEntry.newest_of(("uptime_settings_changed",), site_id=watched.id)
    assert again.seq == entry.seq


def test_turned_off_checks_end_the_outage_and_the_item(as_ben, watched, pages, config):
    pages.answers[watched.url] = failing()
    SiteWatch.update(next_check_at=pages.clock()).execute()
    play(pages, config, pages.clock() + timedelta(minutes=8))
    assert "Bakery is down" in as_ben.get("/").text
    save(as_ben, watched, every_minutes=0)
    assert "Bakery is down" not in as_ben.get("/").text
    assert "Checks are off" in as_ben.get(f"/sites/{watched.id}/uptime").text
    assert Outage.select().where(Outage.ended_at.is_null()).count() == 0
    assert SiteWatch.due(utcnow() + timedelta(days=1), 10) == []


def test_a_check_that_runs_while_checks_are_turned_off_stores_nothing(
    as_ben, watched, pages, config
):
    SiteWatch.update(next_check_at=pages.clock()).execute()
    late = rounds.check_site(watched.id, config=config, fetch=pages.fetch, now=pages.clock)
    save(as_ben, watched, every_minutes=0)
    before = UptimeCheck.select().count()
    assert rounds.settle([late], pages.clock()) == 0
    assert UptimeCheck.select().count() == before
    assert SiteWatch.of(watched.id).state == ""


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"every_minutes": 7}, "Choose one of the intervals."),
        ({"every_minutes": "-5"}, "Choose one of the intervals."),
        ({"every_minutes": "٥"}, "Choose one of the intervals."),
        ({"phrase": "x" * 201}, "At most 200 characters."),
        ({"phrase": "a\u202eb"}, "Remove characters that are invisible"),
    ],
)
def test_invalid_settings_are_refused(as_ben, watched, form, message):
    answer = save(as_ben, watched, **form)
    assert answer.status_code == 422
    assert message in answer.text


def test_a_viewer_and_a_client_may_read_but_not_change(as_cleo, as_dora, dora, watched):
    assert save(as_cleo, watched).status_code == 403
    assert as_dora.get(f"/sites/{watched.id}/uptime").status_code == 404
    watched.client = dora.client_id
    watched.save()
    text = as_dora.get(f"/sites/{watched.id}/uptime").text
    assert "1 day with an outage" in text
    assert "Save settings" not in text
    assert save(as_dora, watched).status_code == 403


def test_client_page_and_client_report_show_the_uptime(as_ben, dora, watched):
    watched.client = dora.client_id
    watched.save()
    length = f"{round(Outage.get().counted_s / 60)} min"
    page_of_client = as_ben.get(f"/clients/{dora.client_id}").text
    assert "1 day with an outage" in page_of_client
    days = {"from": str(utcnow().date() - timedelta(days=3)), "to": str(utcnow().date())}
    report = as_ben.get(f"/clients/{dora.client_id}/report", query_string=days).text
    assert "<h3>Uptime: " in report
    assert f"{length}:\n  The server refused the connection." in report
    pdf = as_ben.post(f"/clients/{dora.client_id}/report.pdf", data=days)
    assert pdf.data.startswith(b"%PDF")


def test_a_site_that_is_not_connected_has_no_settings_to_save(as_ben, site):
    assert save(as_ben, site).status_code == 409


def test_percentages_are_rounded_down():
    days = figures.DaysUptime(good_s=86_399 * 30, down_s=1)
    assert days.percent == "99.99 %"
    assert figures.DaysUptime(good_s=10).percent == "100 %"
    assert figures.DaysUptime(down_s=10).percent == "0.00 %"
    assert figures.DaysUptime().percent == "–"


def test_each_cause_has_words(only_app):
    words = only_app.jinja_env.get_template("uptime/_words.html").module.CAUSES
    own = {
        value for name, value in vars(verdicts).items()
        if name.isupper() and name[0] != "_" and isinstance(value, str) and name not in
        ("UP", "DOWN", "DEGRADED", "MAINTENANCE", "UNKNOWN", "ENDS_NOW", "ENDS_SOON")
    }  # fmt: skip
    codes = {str(code) for code in ErrorCode}
    assert own <= set(words)
    assert set(words) - own <= codes | {OWN_NETWORK}
    assert OWN_NETWORK in words
