"""CSRF: a request that another page made a browser send changes nothing."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.models.audit import AuditEntry
from app.views.authorization import OPEN
from tests.support.browsers import Person

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
SIGNED = "agent_api.notice"


def raw_post(person, path, **more):
    """Send a POST request without the token and headers that a page of Aura adds."""
    return super(Person, person).post(path, **more)


def unsafe_paths(app):
    return [
        (rule.endpoint, app.url_map.bind("localhost").build(rule.endpoint, _values(rule), "POST"))
        for rule in app.url_map.iter_rules()
        if rule.methods & UNSAFE
    ]


def _values(rule):
    named = {"token": "x", "batch": UUID(int=1), "tab": "waiting", "kind": "plugin"}
    return {name: named.get(name, 1) for name in rule.arguments}


def test_a_form_of_aura_is_accepted(as_ben, jobs):
    assert as_ben.post("/sites/new", data={"url": "museum.example"}).status_code == 303


def test_every_unsafe_route_needs_the_token(app, as_ana):
    found = unsafe_paths(app)
    assert len(found) > 15
    assert SIGNED in dict(found)
    for endpoint, path in found:
        refused = raw_post(as_ana, path).status_code == 400
        assert refused is (endpoint != SIGNED), endpoint


def test_every_unsafe_route_refuses_other_pages_even_with_the_token(app, as_ana):
    for endpoint, path in unsafe_paths(app):
        if endpoint != SIGNED:
            response = as_ana.post(path, headers={"Sec-Fetch-Site": "cross-site"})
            assert response.status_code == 400, endpoint


def test_only_the_notice_is_exempt(app):
    csrf = app.extensions["csrf"]
    assert csrf._exempt_views == {"app.views.agent_api.notice"}
    assert csrf._exempt_blueprints == set()
    assert SIGNED in OPEN


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:8001"},
        {"Origin": ""},
    ],
)
def test_a_request_that_began_elsewhere_is_refused(as_ana, headers):
    response = as_ana.post("/account/sessions/end-others", headers=headers)
    assert response.status_code == 400
    assert "Form refused" in response.text
    assert AuditEntry.newest(limit=1)[0].event == "form_refused"


def test_a_request_without_an_origin_still_needs_the_token(as_ana):
    path, token = "/account/sessions/end-others", as_ana.token()
    assert raw_post(as_ana, path, data={"csrf_token": token}).status_code == 303
    assert raw_post(as_ana, path, data={"csrf_token": "nonsense"}).status_code == 400


def test_a_token_of_another_user_is_refused(as_ana, as_ben):
    data = {"csrf_token": as_ben.token()}
    assert raw_post(as_ana, "/account/sessions/end-others", data=data).status_code == 400


def test_get_requests_change_nothing(app, as_ana, site):
    before = AuditEntry.head().seq
    for rule in app.url_map.iter_rules():
        if "GET" in rule.methods and rule.endpoint != "static":
            path = app.url_map.bind("localhost").build(rule.endpoint, _values(rule))
            as_ana.get(path)
    assert AuditEntry.head().seq == before
