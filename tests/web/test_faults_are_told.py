"""Whatever a call runs into, the page names it, shows the evidence and says what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from flask import Flask

from app.http.errors import ErrorCode
from app.views import filters

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SITE = SimpleNamespace(url="https://bakery.example")
HOSTILE = "<script>alert(1)</script>" + "x" * 200
# Not a site's fault, but shown in the same place.
OWN = {"keys_unreadable"}


@pytest.fixture
def faults(tmp_path):
    app = Flask("app", template_folder="templates")
    filters.register(app)
    with app.test_request_context():
        yield app.jinja_env.get_template("components/faults.html").module


def test_every_fault_has_its_words(faults):
    assert faults.FAULTS.keys() == {fault.value for fault in ErrorCode} | OWN


@pytest.mark.parametrize("fault", [fault.value for fault in ErrorCode] + sorted(OWN))
def test_each_fault_says_what_happened_and_the_next_step(faults, fault):
    shown = str(faults.fault_notice(fault, {"status": 403, "text": HOSTILE}, AT, SITE))
    words = faults.FAULTS[fault]
    assert all(words[part] for part in ("headline", "happened", "next"))
    assert "Next step" in shown
    assert "HTTP status" in shown
    assert "24 Nov 2026, 10:00:00 UTC" in shown
    assert "<script>alert" not in shown


def test_a_fault_nobody_declared_is_still_shown_as_one(faults):
    shown = str(faults.fault_notice("brand_new", {"why": "x"}, AT, SITE))
    assert "The call failed" in shown


def test_the_diagnostic_can_be_sent_to_a_host(faults):
    text = str(faults.diagnostic("blocked", {"status": 403, "server": "cloudflare"}, AT, SITE))
    assert "(blocked)" in text
    assert "Site: https://bakery.example" in text
    assert "At: 2026-11-24T10:00:00Z" in text
    assert "server: cloudflare" in text
