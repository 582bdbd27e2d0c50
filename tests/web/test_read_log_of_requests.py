"""The log of requests: one line for each request, and no secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from app.domain.accounts import one_time_links
from app.models.accounts import User
from app.models.base import utcnow
from tests.support.json_log import JsonLog, recorded

ACCESS = "app.views.access_log"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[JsonLog]:
    with recorded("web", tmp_path / "log") as found:
        yield found


def test_a_request_is_one_line(as_ana, ana, site, log):
    assert as_ana.get(f"/sites/{site.id}?tab=private").status_code == 200
    line = log.only(ACCESS)
    assert {name: line[name] for name in ("level", "process", "method", "route", "status")} == {
        "level": "info",
        "process": "web",
        "method": "GET",
        "route": "/sites/<int:site_id>",
        "status": 200,
    }
    assert line["user_id"] == ana.id
    assert 0 <= line["duration_ms"] < 60_000
    assert re.fullmatch(r"[0-9a-f]{8}", line["reference"])
    assert abs((datetime.fromisoformat(line["time"]) - utcnow()).total_seconds()) < 60
    assert "private" not in log.text


def test_each_request_has_a_reference_of_its_own(anonymous, log):
    for _ in range(3):
        anonymous.get("/healthz")
    assert len({line["reference"] for line in log.lines}) == 3


def test_a_stranger_has_no_id_and_an_unknown_address_no_route(anonymous, log):
    assert anonymous.get("/no/such/page").status_code == 404
    line = log.only(ACCESS)
    assert (line["status"], line.get("user_id"), line.get("route")) == (404, None, None)
    assert "/no/such/page" not in log.text


def test_the_reference_of_an_error_page_leads_to_its_cause(app, as_ana, log, monkeypatch):
    def fail(*_args, **_options):
        raise ZeroDivisionError("the cause")

    fail.verb = "view"
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setitem(app.view_functions, "sites.index", fail)
    page = as_ana.get("/sites")
    assert page.status_code == 500
    reference = re.search(r"Reference: <code>([0-9a-f]{8})</code>", page.text)[1]
    failed, access = (line for line in log.lines if line["reference"] == reference)
    assert failed["level"] == "error"
    assert failed["exception"].startswith("Traceback (most recent call last)")
    assert failed["exception"].endswith("ZeroDivisionError: the cause")
    assert (access["logger"], access["status"]) == (ACCESS, 500)


def test_no_line_contains_a_one_time_link(config, anonymous, log):
    link = one_time_links.setup_link(config)
    token = link.rpartition("/")[2]
    assert anonymous.get(f"/setup/{token}").status_code == 200
    assert anonymous.get(f"/invitation/{token}?next=/setup/{token}").status_code == 410
    # As gunicorn reports a request that failed outside of Aura.
    logging.getLogger("gunicorn.error").error("Error handling request %s", f"/setup/{token}")
    routes = [line["route"] for line in log.lines if line["logger"] == ACCESS]
    assert routes == ["/setup/<token>", "/invitation/<token>"]
    assert log.lines[0]["message"] == "GET /setup/<token>: 200"
    assert log.only("gunicorn.error")["message"] == "Error handling request /setup/…"
    assert token not in log.text
    assert token[:20] not in log.text


def test_no_line_contains_the_values_of_a_row(log):
    try:
        raise psycopg.errors.UniqueViolation(
            'duplicate key value violates unique constraint "user_email"\n'
            "DETAIL:  Key (email)=(olga@agency.example) already exists."
        )
    except psycopg.Error:
        logging.getLogger("app").exception("failed")
    (line,) = log.lines
    assert "user_email" in line["exception"]
    assert "olga@agency.example" not in log.text


def test_no_line_contains_what_a_person_types(anonymous, ana, log):
    email = User.get_by_id(ana.id).email
    anonymous.post("/sign-in", data={"email": email, "password": "a wrong password"})
    anonymous.get("/sites?q=a-secret-word", headers={"User-Agent": "a browser", "Cookie": "a=b"})
    for secret in (email, "a wrong password", "a-secret-word", "a browser", "a=b", "127.0.0.1"):
        assert secret not in log.text
    assert len(log.lines) >= 2


def test_a_message_of_several_lines_is_one_line(log):
    logging.getLogger("app").warning("one\ntwo\u2028three\x00")
    (line,) = log.lines
    assert line["message"] == "one\ntwo\u2028three\x00"
    assert log.text.count("\n") == 1
