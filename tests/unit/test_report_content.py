"""The content of a client report, made without guessing missing data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.domain.reporting.client_report import (
    FORGOTTEN,
    ChangeHistory,
    ClientReport,
    Period,
    Rights,
    Risk,
    SiteSection,
    SiteSnapshot,
    UsualUpdates,
)
from app.domain.reporting.content import digest_of, make_content
from app.domain.reporting.site_uptime import OutageSummary, UptimeSummary
from app.domain.reporting.sync_stats import Checks, ReportEntry

PERIOD = Period.of_days(date(2026, 11, 1), date(2026, 11, 3))
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY_S = 86_400
_KNOWN_DIGEST = "5e2f2fbd900d50abb32bcbc697ea93e6136906298d4160c59ba67d19d1007bb7"


def uptime(*states: str, good_s: int = 3 * DAY_S, down_s: int = 0) -> UptimeSummary:
    lasting = OutageSummary(NOON, NOON + timedelta(seconds=down_s), down_s, "http_error")
    return UptimeSummary("2026-11-01", good_s, down_s, states, (lasting,) if down_s else ())


def section(number: int, found: UptimeSummary | None, **more: Any) -> SiteSection:
    columns = {"connection": "healthy", **more}
    site = SiteSnapshot(number, f"Site {number}", f"{number}.example", uptime=found, **columns)
    return SiteSection(site, Checks(made=10, answered=9), 0, None, None, ())


def change(number: int, name: str, state: str, site_id: int = 1, at: datetime = NOON) -> Any:
    facts: dict[str, object] = {"kind": "plugin", "name": name}
    step = ReportEntry(number, at, "change_ended", site_id, "Aura", facts)
    return ChangeHistory(number, site_id, name, "1.0", "2.0", state, "", (step,), step, None, False)


def report(*sections: SiteSection, **more: Any) -> ClientReport:
    parts: dict[str, Any] = {"changes": (), "usual_updates": (), "risks": (), **more}
    return ClientReport(
        client="Bakery",
        period=PERIOD,
        created_at=datetime(2026, 11, 4, tzinfo=UTC),
        sites=sections,
        agreements=(),
        rights=Rights("self"),
        **parts,
    )


def content(found: ClientReport) -> dict[str, Any]:
    return make_content(found, None, "Fernwood", "UTC")


def test_uptime_of_all_sites_is_rounded_down() -> None:
    down = uptime("up", "down", "up", good_s=3 * DAY_S - 1, down_s=1)
    found = content(report(section(1, uptime("up", "up", "up")), section(2, down)))["uptime"]
    assert (found["hundredths"], found["down_s"], found["outages"]) == (9999, 1, 1)
    assert found["states"] == ["up", "down", "up"]
    assert (found["uncertain_days"], found["unwatched_sites"]) == (0, 0)


def test_days_and_sites_without_measurements_are_counted() -> None:
    gap, blind = uptime("up", "", "up"), uptime("unknown", "up", "up")
    found = content(report(section(1, gap), section(2, blind), section(3, None)))["uptime"]
    assert found["hundredths"] == 10_000
    assert (found["uncertain_days"], found["unwatched_sites"]) == (2, 1)
    assert found["states"] == ["unknown", "", "up"]


def test_without_any_measurement_there_is_no_figure() -> None:
    found = content(report(section(1, None)))["uptime"]
    assert (found["hundredths"], found["states"]) == (None, [])


def test_updates_of_the_period_are_summed_by_component() -> None:
    before = datetime(2026, 10, 31, tzinfo=UTC)
    changes = (
        change(1, "Shop", "succeeded", 1),
        change(2, "Shop", "succeeded", 2),
        change(3, "Forms", "succeeded", 1),
        change(4, "Forms", "rolled_back", 2),
        change(5, "Old", "succeeded", 1, before),
    )
    entry = ReportEntry(9, NOON, "change_ended", 1, "Aura", {"name": "Usual", "to_version": "3.1"})
    usual = (UsualUpdates(40, 2, entry, entry),)
    sections = (section(1, None), section(2, None))
    found = content(report(*sections, changes=changes, usual_updates=usual))
    assert [(one["name"], one["count"], one["sites"]) for one in found["done"]] == [
        ("Usual", 40, 2), ("Shop", 2, 2), ("Forms", 1, 1),
    ]  # fmt: skip
    assert found["updates"] == 43
    assert found["restored"] == [{"name": "Forms", "version": "2.0", "site": "Site 2"}]


def test_what_does_not_fit_the_first_page_is_counted() -> None:
    changes = tuple(change(number, f"Plugin {number}", "succeeded") for number in range(10))
    found = content(report(section(1, None), changes=changes))
    assert (len(found["done"]), found["more_done"]) == (6, 4)
    assert len(found["details"][0]["updates"]) == 10


def test_open_items_belong_to_the_agency_or_the_client() -> None:
    risks = tuple(Risk(code, 1, {"by": "Ben", "reason": "secret"}) for code in ("held", "alert"))
    found = content(report(section(1, None), risks=risks))
    assert [one["code"] for one in found["recommended"]] == ["held"]
    assert [one["code"] for one in found["working"]] == ["alert"]
    assert "secret" not in str(found), "what the agency notes for itself stays there"


def test_a_removed_site_is_only_in_the_details() -> None:
    found = content(report(section(1, None), section(2, None, connection=FORGOTTEN)))
    assert found["sites"] == 1
    assert [one["is_removed"] for one in found["details"]] == [False, True]


def test_the_digest_covers_every_value() -> None:
    first = content(report(section(1, None)))
    other = content(replace(report(section(1, None)), client="Mill"))
    assert digest_of(first) == digest_of(content(report(section(1, None))))
    assert digest_of(first) != digest_of(other)


def test_the_digest_of_a_report_is_stable_across_versions() -> None:
    outage = uptime("up", "down", "up", good_s=5, down_s=1)
    found = report(section(1, outage), section(2, None), changes=(change(7, "Shop", "succeeded"),))
    later = replace(found, created_at=found.created_at + timedelta(days=1))
    assert found.digest == later.digest == _KNOWN_DIGEST
    assert replace(found, client="Florist").digest != found.digest
