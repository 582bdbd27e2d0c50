"""Each reason why a package was refused has a sentence, before and during the update."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from app.domain import alerts
from app.domain.actor import SYSTEM
from app.domain.changes import packages
from app.models.alerts import Alert
from app.models.base import transaction, utcnow
from app.package_tree import REFUSALS
from tests.support.factories import AKISMET, approve, check, propose, run_change


@pytest.fixture
def reasons(app):
    with app.test_request_context():
        yield app.jinja_env.get_template("changes/_words.html").module.REASONS


def refuse_package(monkeypatch, fake, reason: str) -> None:
    monkeypatch.setattr(fake.changes, "_unmet", lambda site, item: [reason])


BEFORE = [*REFUSALS, "download_failed", "package_host", packages.UNPINNED, packages.DIFFERS]


@pytest.mark.parametrize("code", BEFORE)
def test_each_reason_of_a_pre_check_has_its_sentence(
    as_ben, today, fake, ben, config, reasons, monkeypatch, code
):
    refuse_package(monkeypatch, fake, code)
    change = check(propose(today, ben, fake.clock()), fake, config)
    text = unescape(as_ben.get(f"/changes/{change.id}").text)
    assert reasons[code][1:] in text
    assert code not in text


@pytest.mark.parametrize("code", [*REFUSALS, "package_changed", "package_mismatch"])
def test_each_refusal_of_an_approved_update_has_its_sentence(
    as_ben, today, fake, ben, ana, config, reasons, monkeypatch, code
):
    change = check(propose(today, ben, fake.clock()), fake, config)
    approve(change, ana, config, fake.clock())
    refuse_package(monkeypatch, fake, code)
    assert run_change(change, fake, config) == "refused"
    text = unescape(as_ben.get(f"/changes/{change.id}").text)
    assert reasons[code][1:] in text
    assert code not in text


def test_files_that_differ_from_the_package_have_their_sentence(
    as_ben, today, fake, ben, ana, config, reasons
):
    change = check(propose(today, ben, fake.clock()), fake, config)
    approve(change, ana, config, fake.clock())
    fake.changes.plays[AKISMET] = ("rolled_back", "tree_mismatch")
    assert run_change(change, fake, config) == "rolled_back"
    assert reasons["tree_mismatch"][1:] in as_ben.get(f"/changes/{change.id}").text


def test_the_alert_says_why_in_words(as_ana, today, reasons):
    seen: dict[str, Any] = {
        "site": {"reason": "package_has_link"},
        "aura": {"kind": "plugin", "id": AKISMET, "version": "5.3.1"},
    }
    with transaction():
        alerts.raise_alert(today, alerts.PACKAGE_REFUSED, "x", seen, SYSTEM, utcnow())
    text = as_ana.get(f"/alerts/{Alert.get().id}").text
    assert reasons["package_has_link"] in text
    assert "package_has_link" not in text
