"""When and to whom reports of a client are sent."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.agency.settings import AgencySettings
from app.domain.audit.events import ReportScheduleChanged
from app.domain.errors import Invalid
from app.domain.text import name_problem
from app.domain.time_zones import time_zones, zone_of
from app.models.client_reports import CADENCES, MONTHLY, NEVER, WEEKLY, ReportSchedule
from app.models.clients import Client

LANGUAGES = ("en", "de")
MOST_RECIPIENTS = 10
MAX_ADDRESS_CHARS = 254
MAX_NAME_CHARS = 120
_LAST_DAYS = {WEEKLY: 6, MONTHLY: 31}
_FIRST_DAYS = {WEEKLY: 0, MONTHLY: 1}
# What SMTP without extensions can carry: ASCII, without quotes or spaces (RFC 5321).
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True)
class ReportTerms:
    """The schedule of a client, as it is typed or in force."""

    cadence: str = NEVER
    day: int = 1
    time_zone: str = ""
    is_automatic: bool = False
    recipients: tuple[str, ...] = ()
    sender_name: str = ""
    reply_to: str = ""
    language: str = "en"


def terms_of(client: Client) -> ReportTerms:
    """Return the schedule in force; without one, no report is due."""
    row = ReportSchedule.of(client)
    if row is None:
        return ReportTerms()
    return ReportTerms(
        cadence=row.cadence,
        day=row.day,
        time_zone=row.time_zone,
        is_automatic=row.is_automatic,
        recipients=tuple(row.recipients),
        sender_name=row.sender_name,
        reply_to=row.reply_to,
        language=row.language,
    )


def suggested_terms(client: Client) -> ReportTerms:
    """Return the schedule for the form: before there is one, with the client's contact."""
    terms = terms_of(client)
    if ReportSchedule.of(client) is None and client.contact_email:
        return replace(terms, recipients=(client.contact_email,))
    return terms


def zone_for(time_zone: str, agency: AgencySettings) -> ZoneInfo:
    """Return the time zone of a client's reports: its own, or the agency's."""
    return zone_of(time_zone) if time_zone else agency.zone


def parse_recipients(text: str) -> tuple[str, ...]:
    """Return the addresses of a text, one on each line or between commas, each once."""
    typed = (one.strip() for one in re.split(r"[\n,;]", text))
    return tuple(dict.fromkeys(one for one in typed if one))


def change_schedule(
    client: Client, terms: ReportTerms, *, by: Actor, confirmed_at: datetime, now: datetime
) -> None:
    """Store the schedule of a client. What was due before now is not sent.

    Raises Forbidden, ReauthenticationRequired, or Invalid with a message for each field.
    """
    permissions.require(by, "reports")
    permissions.require_recent_authentication(confirmed_at, now)
    valid = replace(terms, sender_name=terms.sender_name.strip(), reply_to=terms.reply_to.strip())
    Invalid.raise_for(_problems(valid))
    with permissions.user_transaction(by, "reports", client) as (_, present):
        client.refresh()
        if ReportSchedule.of(client) is not None and terms_of(client) == valid:
            return
        columns = {**vars(valid), "recipients": list(valid.recipients)}
        ReportSchedule.replace_with(client, handled_until=now, **columns)
        event = ReportScheduleChanged(
            client_id=client.id,
            client=client.name,
            **{
                **vars(valid),
                "recipients": ", ".join(valid.recipients),
            },
        )
        audit.record(event, present, now=now)


def _problems(terms: ReportTerms) -> dict[str, str]:
    found = {
        "cadence": "" if terms.cadence in CADENCES else "Choose how often.",
        "day": _day_problem(terms),
        "time_zone": _zone_problem(terms.time_zone),
        "recipients": _recipients_problem(terms),
        "sender_name": name_problem(terms.sender_name, MAX_NAME_CHARS),
        "reply_to": _address_problem(terms.reply_to) if terms.reply_to else "",
        "language": "" if terms.language in LANGUAGES else "Choose a language from the list.",
    }
    return {name: problem for name, problem in found.items() if problem}


def _day_problem(terms: ReportTerms) -> str:
    if terms.cadence not in _FIRST_DAYS:
        return ""
    if _FIRST_DAYS[terms.cadence] <= terms.day <= _LAST_DAYS[terms.cadence]:
        return ""
    return "Choose a weekday." if terms.cadence == WEEKLY else "Choose a day from 1 to 31."


def _zone_problem(text: str) -> str:
    return "" if not text or text in time_zones() else "Choose a time zone from the list."


def _recipients_problem(terms: ReportTerms) -> str:
    if len(terms.recipients) > MOST_RECIPIENTS:
        return f"Enter at most {MOST_RECIPIENTS} addresses."
    if terms.is_automatic and terms.cadence != NEVER and not terms.recipients:
        return "Enter at least one address, because these reports are sent without approval."
    wrong = next((one for one in terms.recipients if _address_problem(one)), "")
    return f"{wrong[:80]}: {_address_problem(wrong)}" if wrong else ""


def _address_problem(text: str) -> str:
    if len(text) > MAX_ADDRESS_CHARS or not _ADDRESS.fullmatch(text):
        return "Enter an e-mail address in plain letters, for example m@example.com."
    return ""
