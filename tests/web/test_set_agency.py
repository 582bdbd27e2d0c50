"""An owner sets the name, the color and the logo of the agency for pages and reports."""

from __future__ import annotations

import io
import re
import zlib
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from app.domain.agency import logo
from app.domain.reporting.client_report import Period
from app.models.agency import Agency, AgencyLogo
from app.models.audit import AuditEntry
from app.models.base import db, utcnow
from app.models.clients import Client
from app.models.sites import Site
from app.views import agency
from tests.support.pictures import picture
from tests.support.unrecorded_writes import watched

PAGE = "/settings/agency"
SETTINGS = {"name": "Studio Nord", "time_zone": "Europe/Berlin", "accent": "#7a1f5c"}


def upload(person, data, name="logo.png"):
    return person.post(f"{PAGE}/logo", data={"logo": (io.BytesIO(data), name)})


def address(pattern, page):
    return re.search(pattern, page.text).group(1)


def test_saved_settings_are_shown_and_recorded(as_ana):
    answer = as_ana.post(PAGE, data=SETTINGS)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    page = as_ana.get(PAGE).text
    assert 'value="Studio Nord"' in page
    assert "<option selected>Europe/Berlin</option>" in page
    assert 'value="#7a1f5c"' in page
    sentence = re.sub("<[^>]+>", "", as_ana.get("/activity").text)
    assert "Ana changed the agency's settings: accent color from the default" in sentence
    assert "; name from the default to Studio Nord; time zone from" in sentence


@pytest.mark.parametrize("person", ["as_ben", "as_cleo", "as_dora"])
def test_only_an_owner_changes_the_agency(person, request, as_ana):
    person = request.getfixturevalue(person)
    for answer in (
        person.get(PAGE),
        person.post(PAGE, data=SETTINGS),
        upload(person, picture()),
        person.post(f"{PAGE}/logo/remove"),
    ):
        assert answer.status_code == 403
    assert PAGE not in person.get("/settings").text
    assert Agency.read().name == ""
    assert AgencyLogo.read_png() is None


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/logo", f"{PAGE}/logo/remove"])
def test_a_form_from_elsewhere_is_refused(as_ana, path):
    upload(as_ana, picture())
    before = Agency.read().logo_digest
    data = {**SETTINGS, "logo": (io.BytesIO(picture(color=(9, 9, 9, 255))), "x.png")}
    assert as_ana.post(path, data={**data, "csrf_token": "wrong"}).status_code == 400
    assert Agency.read().logo_digest == before
    assert Agency.read().name == ""


def test_wrong_values_stay_in_their_fields(as_ana):
    answer = as_ana.post(PAGE, data={**SETTINGS, "accent": "#ffff00"})
    assert answer.status_code == 422
    assert 'value="#ffff00"' in answer.text
    assert 'id="f-accent-error"' in answer.text
    assert "the minimum" in answer.text
    assert Agency.read().name == ""


# ---- color ----


def test_a_color_is_served_as_a_stylesheet_and_kept(as_ana, anonymous):
    assert "/brand.css" not in as_ana.get("/").text
    as_ana.post(PAGE, data=SETTINGS)
    for page in (as_ana.get("/"), anonymous.get("/sign-in")):
        link = address(r'href="(/brand\.css\?v=[0-9a-f]{12})"', page)
        assert page.text.index("tokens.css") < page.text.index(link) < page.text.index("print.css")
    answer = anonymous.get(link)
    assert "--accent: light-dark(#7a1f5c, #" in answer.text
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    assert anonymous.get("/brand.css?v=other").headers["Cache-Control"] == "no-store"


def test_another_color_has_another_address(as_ana):
    links = set()
    for color in ("#7a1f5c", "#0b5d3b"):
        as_ana.post(PAGE, data={**SETTINGS, "accent": color})
        links.add(address(r'href="(/brand\.css\?v=[0-9a-f]{12})"', as_ana.get("/")))
    assert len(links) == 2


def test_the_measured_contrast_of_the_color_in_use_is_shown(as_ana):
    own = as_ana.get(PAGE).text
    assert all(color in own for color in agency.OWN_ACCENTS)
    as_ana.post(PAGE, data={**SETTINGS, "accent": "#000000"})
    assert "21.0:1" in as_ana.get(PAGE).text


# ---- logo ----


def test_a_logo_is_shown_on_every_page_and_served_as_a_picture(as_ana, anonymous):
    assert upload(as_ana, picture(size=(600, 100))).status_code == 303
    for page in (as_ana.get("/"), as_ana.get(PAGE), anonymous.get("/sign-in")):
        link = address(r'<img class="brand-logo" src="(/brand/logo\.png\?v=\w{12})"', page)
        assert 'width="160" height="27"' in page.text
    answer = anonymous.get(link)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "immutable" in answer.headers["Cache-Control"]
    with Image.open(io.BytesIO(answer.data)) as opened:
        assert (opened.format, opened.size) == ("PNG", (480, 80))


def test_the_alternative_text_of_the_logo_is_the_name(as_ana):
    upload(as_ana, picture())
    as_ana.post(PAGE, data={**SETTINGS, "name": 'Nord & "Süd"'})
    assert 'alt="Nord &amp; &#34;Süd&#34;"' in as_ana.get("/").text


def test_a_removed_logo_is_gone(as_ana):
    upload(as_ana, picture())
    as_ana.post(f"{PAGE}/logo/remove")
    assert "brand-logo" not in as_ana.get("/").text
    answer = as_ana.get("/brand/logo.png")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")
    assert [entry.event for entry in AuditEntry.newest(limit=2)] == [
        "agency_logo_removed",
        "agency_logo_changed",
    ]


@pytest.mark.parametrize("name", ["logo.png", "logo.svg", "../../etc/x.png", "x.html"])
def test_the_content_decides_and_not_the_name_of_the_file(as_ana, name):
    assert upload(as_ana, picture(), name).status_code == 303
    assert upload(as_ana, b"<svg/>", name).status_code == 422


@pytest.mark.parametrize("data", [b"", b"<svg onload=alert(1)>", picture("GIF"), picture()[:50]])
def test_a_refused_file_is_answered_beside_its_field(as_ana, data):
    answer = upload(as_ana, data)
    assert answer.status_code == 422
    assert 'id="f-logo-error"' in answer.text
    assert AgencyLogo.read_png() is None


def test_a_form_without_a_file_is_answered_beside_its_field(as_ana):
    assert "Choose a file" in as_ana.post(f"{PAGE}/logo").text


def test_too_large_a_file_is_named_and_a_huge_one_is_not_read(as_ana):
    assert "larger than 512 kB" in upload(as_ana, b"x" * (logo.MAX_BYTES + 1)).text
    assert upload(as_ana, b"x" * (2 * 1024 * 1024)).status_code == 413
    assert as_ana.post(PAGE, data={"name": "x" * 40_000}).status_code == 413


# ---- everywhere ----


def test_the_agency_name_replaces_auras_and_is_escaped(as_ana, anonymous):
    as_ana.post(PAGE, data={**SETTINGS, "name": "<b>Nord</b>"})
    for page in (as_ana.get("/").text, anonymous.get("/sign-in").text):
        assert '<span class="brand-name">&lt;b&gt;Nord&lt;/b&gt;</span>' in page


def test_a_page_reads_the_agency_once(as_ana):
    as_ana.post(PAGE, data=SETTINGS)
    statements = []
    execute = db.obj.execute_sql

    def record(sql, *values, **more):
        statements.append(sql)
        return execute(sql, *values, **more)

    with watched(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(db.obj, "execute_sql", record)
        as_ana.get("/")
    assert sum('"agency"' in sql for sql in statements) == 1


def test_without_a_database_pages_have_auras_design(as_ana, app, monkeypatch):
    as_ana.post(PAGE, data=SETTINGS)
    db.close()
    monkeypatch.setattr(db.obj, "database", "/nowhere/at/all.db")
    answer = as_ana.get("/sign-in")
    assert answer.status_code == 503
    assert '<span class="brand-name">Aura</span>' in answer.text


# ---- client reports ----


@pytest.fixture
def client_id(today):
    client = Client.create(name="Lakeside")
    Site.update(client=client).where(Site.id == today.id).execute()
    return client.id


def read_report(person, client_id, day):
    return person.get(f"/clients/{client_id}/report?from={day}&to={day}").text


def test_a_report_has_the_name_the_logo_and_the_zone_of_the_agency(as_ana, client_id):
    day = utcnow().astimezone(ZoneInfo("Pacific/Auckland")).date()
    assert "All times are UTC." in read_report(as_ana, client_id, utcnow().date())
    upload(as_ana, picture())
    as_ana.post(PAGE, data={**SETTINGS, "time_zone": "Pacific/Auckland"})
    text = read_report(as_ana, client_id, day)
    assert "Prepared by Studio Nord." in text
    assert "Days and times are in the time zone Pacific/Auckland." in text
    assert re.search(r"As of [^<]+ NZ[SD]T\.", text)
    article = text[text.index('<article class="report">') :]
    assert 'class="brand-logo"' in article
    assert " UTC" not in article


def test_the_days_of_a_report_are_those_of_the_zone():
    auckland = ZoneInfo("Pacific/Auckland")
    period = Period.of_days(date(2026, 9, 26), date(2026, 9, 27), auckland)
    assert (period.first_day, period.last_day) == (date(2026, 9, 26), date(2026, 9, 27))
    assert period.begins.isoformat() == "2026-09-25T12:00:00+00:00"
    # The clocks go forward on the second day, so it has 23 hours.
    assert period.ends - period.begins == timedelta(hours=47)
    utc = Period.of_days(date(2026, 9, 26), date(2026, 9, 27))
    assert utc.begins.isoformat() == "2026-09-26T00:00:00+00:00"


def test_the_pdf_has_the_logo_and_the_color(as_ana, client_id):
    sent = {"from": utcnow().date().isoformat(), "to": utcnow().date().isoformat()}
    plain = as_ana.post(f"/clients/{client_id}/report.pdf", data=sent).data
    upload(as_ana, picture())
    as_ana.post(PAGE, data={**SETTINGS, "time_zone": "UTC"})
    branded = as_ana.post(f"/clients/{client_id}/report.pdf", data=sent).data
    assert b"/Subtype /Image" not in plain
    assert b"/Subtype /Image" in branded
    assert colors_of_text(branded) - colors_of_text(plain) == {"0.4784 0.1216 0.3608 rg"}


def colors_of_text(pdf):
    """Return the fill colors that the streams of a PDF set."""
    found = set()
    for stream in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            continue
        found |= {color.decode() for color in re.findall(rb"[\d.]+ [\d.]+ [\d.]+ rg", text)}
    return found
