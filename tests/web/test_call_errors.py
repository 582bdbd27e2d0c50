"""Call errors: the page names each problem, shows the evidence and the next step."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from flask import Flask
from flask_login import LoginManager

from app.http.errors import ErrorCode
from app.views import filters

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SITE = SimpleNamespace(url="https://bakery.example")
HOSTILE = "<script>alert(1)</script>" + "x" * 200
# Not a site's error, but shown in the same place.
OWN = {"keys_unreadable"}


@pytest.fixture
def errors(tmp_path):
    app = Flask("app", template_folder="templates")
    filters.register(app)
    LoginManager(app).user_loader(lambda _: None)
    with app.test_request_context():
        yield app.jinja_env.get_template("components/errors.html").module


def test_every_error_code_has_a_text(errors):
    assert errors.ERRORS.keys() == {error_code.value for error_code in ErrorCode} | OWN


@pytest.mark.parametrize("error_code", [error_code.value for error_code in ErrorCode] + sorted(OWN))
def test_each_error_says_what_happened_and_the_next_step(errors, error_code):
    shown = str(errors.error_notice(error_code, {"status": 403, "text": HOSTILE}, AT, SITE))
    words = errors.ERRORS[error_code]
    assert all(words[part] for part in ("headline", "happened", "next"))
    assert "Next step" in shown
    assert "HTTP status" in shown
    assert "24 Nov 2026, 10:00:00 UTC" in shown
    assert "<script>alert" not in shown


def test_an_undeclared_error_is_still_shown(errors):
    shown = str(errors.error_notice("brand_new", {"why": "x"}, AT, SITE))
    assert "The call failed" in shown


def test_the_diagnostic_can_be_sent_to_a_host(errors):
    text = str(errors.diagnostic("blocked", {"status": 403, "server": "cloudflare"}, AT, SITE))
    assert "(blocked)" in text
    assert "Site: https://bakery.example" in text
    assert "At: 2026-11-24T10:00:00Z" in text
    assert "server: cloudflare" in text
