"""An owner sets how long releases rest before auto-update rules install them."""

from __future__ import annotations

import html
from typing import Any

import pytest

from app.models.agency import Agency
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from tests.support.pages import rule_form

ADDRESS = "/auto-update-rules/rest-period"


def text_of(answer: Any) -> str:
    return " ".join(html.unescape(answer.text).split())


def test_a_rule_says_how_long_releases_rest(as_ana: Any, as_cleo: Any, today: Any) -> None:
    as_ana.post("/auto-update-rules", data=rule_form())
    text = text_of(as_cleo.get("/auto-update-rules"))
    assert "Releases rest 48 hours, major ones 7 days" in text
    assert "Change rest period" not in text


def test_an_owner_sets_the_rest_period_and_the_activity_records_it(as_ana: Any, today: Any) -> None:
    answer = as_ana.post(ADDRESS, data={"agency_hours": "24", "agency_hours_major": "240"})
    assert answer.status_code == 303
    agency = Agency.read()
    assert (agency.rest_hours, agency.rest_hours_major) == (24, 240)
    assert AuditEntry.head().event == "rest_period_changed"
    text = text_of(as_ana.get("/activity"))
    assert "patch and minor releases 24 hours (before 48 hours), others 10 days (before 7" in text


def test_an_empty_field_restores_the_default(as_ana: Any, today: Any) -> None:
    as_ana.post(ADDRESS, data={"agency_hours": "24", "agency_hours_major": "240"})
    as_ana.post(ADDRESS, data={"agency_hours": "", "agency_hours_major": " "})
    agency = Agency.read()
    assert (agency.rest_hours, agency.rest_hours_major) == (None, None)


def test_saving_the_same_hours_again_is_refused(as_ana: Any, today: Any) -> None:
    before = AuditEntry.head()
    answer = as_ana.post(ADDRESS, data={"agency_hours": "48", "agency_hours_major": "168"})
    assert answer.status_code == 409
    assert AuditEntry.head() == before


@pytest.mark.parametrize("typed", ["-1", "2161", "soon", "1.5", "١٢", "9" * 40])
def test_invalid_hours_are_refused(as_ana: Any, today: Any, typed: str) -> None:
    answer = as_ana.post(ADDRESS, data={"agency_hours": typed, "agency_hours_major": "168"})
    assert answer.status_code == 422
    assert "Enter 0 to 2160 hours." in answer.text
    assert Agency.read().rest_hours is None


def test_only_an_owner_sets_the_rest_period(as_mia: Any, today: Any) -> None:
    answer = as_mia.post(ADDRESS, data={"agency_hours": "0", "agency_hours_major": "0"})
    assert answer.status_code == 403
    assert Agency.read().rest_hours is None


def test_a_rule_may_have_its_own_rest_period(as_ana: Any, today: Any) -> None:
    as_ana.post("/auto-update-rules", data=rule_form() | {"rest_hours": "12"})
    rule = AutoUpdateRule.get()
    assert (rule.rest_hours, rule.rest_hours_major) == (12, None)
    text = text_of(as_ana.get("/auto-update-rules"))
    assert "Releases rest 12 hours, major ones 7 days" in text
    assert "Patch and minor releases rest 12 hours." in text_of(as_ana.get("/activity"))


def test_an_invalid_value_stays_in_the_form(as_ana: Any, today: Any) -> None:
    answer = as_ana.post("/auto-update-rules", data=rule_form() | {"rest_hours": "soon"})
    assert answer.status_code == 422
    assert 'value="soon"' in answer.text
    assert AutoUpdateRule.select().count() == 0
