"""Error pages say what happened and what to do next."""

from __future__ import annotations

import re

import pytest

from app.domain.accounts import sessions
from app.domain.errors import AuraError, ReauthenticationRequired
from app.views import errors


@pytest.fixture
def broken(app, monkeypatch):
    """Make the list of sites fail with an error page instead of a traceback."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def fail(*_args, **_kwargs):
        raise ZeroDivisionError("a secret in a traceback")

    monkeypatch.setattr("app.views.sites.list_sites", fail)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("get", "/nothing", 404, "There is no page at this address"),
        ("get", "/sites/4711", 404, "This site does not exist"),
        ("get", "/sign-out", 405, "This address does not support this kind of request"),
        ("get", "/setup/x", 410, "This setup link has expired or was used"),
        ("post", "/sites/4711/sync", 404, "This site does not exist"),
    ],
)
def test_each_refusal_is_a_page_with_a_next_step(as_ana, method, path, status, words):
    answer = getattr(as_ana, method)(path)
    assert answer.status_code == status
    assert words in answer.text
    assert "Next step" in answer.text
    assert answer.text.count("<h1>") == 1
    assert "Ana" in answer.text


def test_a_visitor_gets_the_error_page_without_navigation(anonymous):
    text = anonymous.get("/nothing").text
    assert "Next step" in text
    assert "Sign out" not in text


def test_405_names_the_allowed_methods(as_ana):
    assert "POST" in as_ana.get("/sign-out").headers["Allow"]


def test_a_large_body_is_refused_before_it_is_read(as_ana):
    assert as_ana.post("/sites/new", data={"name": "x" * 300_000}).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        f"/sites/{'9' * 30}",
        f"/sites/{'9' * 30}/activity",
        f"/activity?before={'9' * 30}",
        f"/activity?site={'9' * 30}",
        "/activity?before=-1&site=%C2%B2",
        f"/sites?q={'x' * 5000}",
        "/sites?q=%ff%fe",
    ],
)
def test_huge_numbers_and_texts_cause_no_error(as_ana, path):
    assert as_ana.get(path).status_code in (200, 404)


def test_a_text_that_no_database_can_store_is_refused(as_ana):
    assert as_ana.get("/sites?q=a%00b").status_code == 400
    assert as_ana.post("/sites/new", data={"name": "a\0b", "url": "a.example"}).status_code == 400


def test_every_refusal_of_the_domain_has_a_page():
    def below(kind):
        return {kind} | {sub for child in kind.__subclasses__() for sub in below(child)}

    handled = tuple(kind for kind, _ in errors._REFUSALS)
    # These ask for a confirmation and have a form.
    refusals = below(AuraError) - {AuraError} - below(ReauthenticationRequired)
    assert all(issubclass(kind, handled) for kind in refusals)


def test_a_failure_shows_a_reference_that_the_log_has_too(broken, as_ana, caplog):
    answer = as_ana.get("/sites")
    assert answer.status_code == 500
    reference = re.search(r"Reference: <code>([0-9a-f]{8})</code>", answer.text).group(1)
    assert f"Reference {reference}: GET /sites failed" in caplog.text
    assert "a secret in a traceback" not in answer.text
    assert "Traceback" not in answer.text


def test_a_failure_of_the_database_itself_is_still_a_page(app, as_ana, monkeypatch):
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def fail(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(sessions, "resume_session", fail)
    answer = as_ana.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text


def test_the_log_never_holds_a_one_time_link(app, anonymous, monkeypatch, caplog):
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def fail(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("app.views.auth.one_time_links.verify_setup_link", fail)
    assert anonymous.get("/setup/a-one-time-secret").status_code == 500
    assert "a-one-time-secret" not in caplog.text


def test_a_conflict_leads_back_to_the_page_it_began_on(as_ana, proposed):
    page = f"/changes/{proposed.id}"
    answer = as_ana.post(
        f"{page}/approve", data={"digest": "0" * 64}, headers={"Referer": f"http://localhost{page}"}
    )
    assert answer.status_code == 409
    assert f'href="{page}"><span>Back to the page</span>' in answer.text


def test_a_refused_link_offers_no_way_back_to_itself(as_ana):
    answer = as_ana.get("/sites/4711", headers={"Referer": "http://localhost/updates"})
    assert "Back to the page" not in answer.text
