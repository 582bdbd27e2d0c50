"""Every response has headers that restrict what the browser may do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app import queue
from app.factory import create_app
from app.models.base import db
from app.views import security_headers
from tests.support.browsers import Person

PAGES = ("/", "/sign-in", "/account", "/nothing-here", "/static/css/base.css", "/setup/nonsense")


@pytest.mark.parametrize("path", PAGES)
def test_every_response_has_the_security_headers(as_ana, path):
    with as_ana.get(path) as answer:
        for name, value in security_headers.ALWAYS.items():
            assert answer.headers[name] == value
        assert "Strict-Transport-Security" not in answer.headers


def test_the_policy_allows_nothing_but_our_own_files():
    policy = dict(part.split(" ", 1) for part in security_headers.POLICY.split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in security_headers.POLICY
    assert "*" not in security_headers.POLICY


@pytest.mark.parametrize("path", ["/", "/sign-in", "/account", "/nothing-here"])
def test_pages_are_never_stored(as_ana, path):
    assert as_ana.get(path).headers["Cache-Control"] == "no-store"


def test_static_files_are_cached_under_a_versioned_address(as_ana):
    link = re.search(r'href="(/static/css/base\.css\?v=[0-9a-f]{12})"', as_ana.get("/").text).group(
        1
    )
    with as_ana.get(link) as versioned, as_ana.get("/static/css/base.css") as unversioned:
        assert "immutable" in versioned.headers["Cache-Control"]
        assert "immutable" not in unversioned.headers["Cache-Control"]
    assert as_ana.get("/static/none.css?v=1").headers["Cache-Control"] == "no-store"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(anonymous):
    cookie = anonymous.get("/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("aura=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


# ---- under https, behind a proxy ----


@pytest.fixture
def https(database, jobs):
    """Return a function that starts Aura for an https origin, with changed settings."""

    def start(**changes):
        app = create_app(replace(database, origin="https://aura.test", **changes))
        app.test_client_class = Person
        queue.use(jobs)
        return app.test_client()

    yield start
    db.close()


def test_https_makes_cookies_secure_and_sends_hsts(https):
    answer = https().get("/sign-in", base_url="https://aura.test")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-aura=")
    assert "Secure" in cookie
    assert "Path=/;" in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == security_headers.HSTS


def test_a_form_under_https_needs_no_referrer(https):
    browser = https()
    page = browser.get("/sign-in", base_url="https://aura.test").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page).group(1)
    sent = {"data": {"csrf_token": token}, "headers": {"Origin": "https://aura.test"}}
    assert browser.post("/sign-in", base_url="https://aura.test", **sent).status_code == 422


def test_forwarded_headers_count_only_with_a_configured_proxy(https):
    sent = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example"}
    assert https().get("/sign-in", headers=sent).status_code == 200
    assert https(proxy_hops=1).get("/sign-in", headers=sent).status_code == 400


@pytest.mark.parametrize("host", ["evil.example", "aura.test.evil.example", "", "aura.test@evil"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_host_name_gets_no_page(app, host, method):
    browser = app.test_client()
    answer = getattr(super(Person, browser), method)("/sign-in", headers={"Host": host})
    assert answer.status_code == 400
    assert "<a" not in answer.text
    assert "Content-Security-Policy" in answer.headers
