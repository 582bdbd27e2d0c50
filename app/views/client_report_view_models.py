"""Data of the pages about reports that are sent to a client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import render_template

from app.domain.actor import Actor
from app.domain.mail import outbox
from app.domain.reporting import schedule, sending
from app.domain.reporting.due import DueReport, next_due
from app.domain.reporting.schedule import LANGUAGES, ReportTerms
from app.domain.time_zones import time_zones
from app.models.accounts import CLIENT
from app.models.client_reports import ReportDelivery, SentReport
from app.models.clients import Client
from app.report_format import file_name, render_document
from app.views.brand import agency_settings

_LANGUAGE_NAMES = {"en": "English", "de": "German"}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class ReportList:
    """The reports of a client; `terms` and `next` are only for the agency."""

    client: Client
    reports: list[SentReport]
    terms: ReportTerms
    next: DueReport | None
    zone: str
    weekday: str
    language: str
    is_email_on: bool


@dataclass(frozen=True)
class ReportPage:
    """One report: `document` is its HTML, marked as such.

    `recipients` are those it would be sent to now.
    """

    report: SentReport
    document: str
    deliveries: list[ReportDelivery]
    recipients: tuple[str, ...]
    language: str
    seen: str
    is_email_on: bool
    is_staff: bool


@dataclass(frozen=True)
class ScheduleChoices:
    """The options of the form."""

    weekdays: list[tuple[int, str]]
    days: list[tuple[int, str]]
    time_zones: list[tuple[str, str]]
    languages: list[tuple[str, str]]


def report_list(client: Client, by: Actor, now: datetime) -> ReportList:
    """Return the data of the list of a client's reports."""
    terms = schedule.terms_of(client)
    zone = schedule.zone_for(terms.time_zone, agency_settings())
    is_weekly = terms.cadence == "weekly"
    return ReportList(
        client=client,
        reports=sending.reports_of(client, by),
        terms=terms,
        next=next_due(terms.cadence, terms.day, zone, now),
        zone=zone.key,
        weekday=_WEEKDAYS[terms.day] if is_weekly else "",
        language=_LANGUAGE_NAMES[terms.language],
        is_email_on=outbox.is_on(),
    )


def report_page(report: SentReport, by: Actor) -> ReportPage:
    """Return the data of the page of one report."""
    is_staff = by.role != CLIENT
    return ReportPage(
        report=report,
        document=_document(report) if report.content_digest else "",
        deliveries=ReportDelivery.of_report(report) if is_staff else [],
        recipients=schedule.terms_of(report.client).recipients if is_staff else (),
        language=_LANGUAGE_NAMES[report.language],
        seen=sending.seen_digest(report),
        is_email_on=outbox.is_on(),
        is_staff=is_staff,
    )


def schedule_choices() -> ScheduleChoices:
    """Return the options of the form for a schedule."""
    agency = agency_settings().time_zone.replace("_", " ")
    zones = [(zone, zone.replace("_", " ")) for zone in time_zones()]
    return ScheduleChoices(
        weekdays=list(enumerate(_WEEKDAYS)),
        days=[(day, f"{day}, or the last day" if day > 28 else str(day)) for day in range(1, 32)],
        time_zones=[("", f"The agency's ({agency})"), *zones],
        languages=[(code, _LANGUAGE_NAMES[code]) for code in LANGUAGES],
    )


def file_name_of(report: SentReport) -> str:
    """Return the file name of its PDF."""
    return file_name(sending.text_of(report))


def _document(report: SentReport) -> str:
    text = sending.text_of(report)
    states = text.content["uptime"]["states"]
    strip = render_template("client_reports/_strip.html", states=states) if states else ""
    return render_document(text, strip)
