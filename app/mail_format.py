"""Write an e-mail: multipart text and HTML, without scripts, images or anything to load.

Both parts are templates of app/email_templates. What needs attention is put into the words that the
overview uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app import formats

_HERE = Path(__file__).parent
# Templates are compiled once for each time zone and format, as long as there are few.
_ZONES_KEPT = 8
# Seven bits pass every server, and a header never contains a line break (RFC 5322).
_POLICY = EmailPolicy(linesep="\r\n", cte_type="7bit")


@dataclass(frozen=True)
class Entry:
    """One line of a section. `label` is a word and `tone` its color; `url` leads to the page."""

    label: str
    tone: str
    title: str
    why: str
    url: str


@dataclass(frozen=True)
class Section:
    """A heading with entries; `more` is how many were left out."""

    heading: str
    entries: tuple[Entry, ...]
    more: int = 0


@dataclass(frozen=True)
class Letter:
    """What a message says. Every text is one line.

    `button` is a label and an address, and `notes` are small print below it. `reason` says why the
    recipient gets this, and `reason_url` where to change that.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    button: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""
    reason_url: str = ""


@dataclass(frozen=True)
class Envelope:
    """The headers of a message: names may be any text without line breaks."""

    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    subject: str
    message_id: str
    at: datetime
    headers: dict[str, str] = field(default_factory=dict)


def describe_task(task: Any, zone: ZoneInfo) -> tuple[str, str]:
    """Return the title and the reason of an attention.Task as plain text, as the overview does."""
    words: Any = _environment(zone, is_html=False).get_template("task.txt").module
    return str(words.title(task)), str(words.why(task))


def compose(letter: Letter, envelope: Envelope, brand: str, zone: ZoneInfo) -> bytes:
    """Return the message as bytes for SMTP.

    `brand` is the name at its top. Raises ValueError for a header with a line break, and for an
    invalid address.
    """
    parts = {"letter": letter, "brand": brand}
    text = render("letter.txt", zone, is_html=False, **parts)
    html = render("letter.html", zone, is_html=True, **parts)
    return build_message(envelope, text, html)


@dataclass(frozen=True)
class Attachment:
    """A PDF that a message carries."""

    name: str
    content: bytes


def build_message(
    envelope: Envelope, text: str, html: str, attachments: Sequence[Attachment] = ()
) -> bytes:
    """Return a message with both parts, and files after them.

    Raises ValueError for a header with a line break, and for an invalid address.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = _address(envelope.sender_name, envelope.sender)
    message["To"] = _address(envelope.recipient_name, envelope.recipient)
    message["Subject"] = envelope.subject
    message["Date"] = format_datetime(envelope.at.astimezone(UTC))
    message["Message-ID"] = envelope.message_id
    # Out-of-office replies and mailing lists leave it alone (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    for name, value in envelope.headers.items():
        message[name] = value
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    for attached in attachments:
        message.add_attachment(
            attached.content, maintype="application", subtype="pdf", filename=attached.name
        )
    return message.as_bytes()


def render(name: str, zone: ZoneInfo, *, is_html: bool, **context: Any) -> str:
    """Return a template of app/email_templates with these values."""
    return _environment(zone, is_html=is_html).get_template(name).render(**context)


def _address(name: str, address: str) -> Address:
    return Address(display_name=name, addr_spec=address)


@lru_cache(maxsize=_ZONES_KEPT)
def _environment(zone: ZoneInfo, *, is_html: bool) -> Environment:
    """Return the templates for readers in one time zone; plain text is not escaped."""
    found = Environment(
        loader=FileSystemLoader([_HERE / "email_templates", _HERE / "templates"]),
        autoescape=select_autoescape(("html",) if is_html else ()),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters.update(_filters(zone))
    return found


def _filters(zone: ZoneInfo) -> dict[str, Callable[..., str | bool]]:
    """Return the filters of the shared words. A message is read later, so no time is relative."""

    def local_time(at: datetime) -> str:
        at = at.astimezone(zone)
        return f"{at.day} {at:%b %Y, %H:%M %Z}"

    return {
        "ago": local_time,
        "local_time": local_time,
        "full_time": lambda at: formats.time_in(UTC, at),
        "stamp": str,
        "iso_time": formats.iso_time,
        "initial": lambda text: text[:1].upper() + text[1:],
        "file_size": formats.file_size,
        "day_if_one": formats.day_if_one,
        "is_web_address": formats.is_web_address,
        "counted": formats.counted,
    }
