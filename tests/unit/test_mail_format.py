"""E-mail format: text and HTML with the same content, and safe headers."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.attention import CONNECTIONS, CRITICAL, Item, Task
from app.domain.text import one_line
from app.mail_format import Entry, Envelope, Letter, Section, compose, describe_task
from app.models.changes import BAD_ENDS, UNKNOWN

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 10, 37, tzinfo=UTC)
ENVELOPE = Envelope(
    sender="aura@agency.example",
    sender_name="Fernwood, Ltd.",
    recipient="ana@agency.example",
    recipient_name="Äna “A” Moreau",
    subject="Critical: Bäckerei is unreachable",
    message_id="<1@agency.example>",
    at=NOW,
)
HOSTILE = '<img src="https://evil.example/x.png"><script>alert(1)</script>{{ 7*7 }}'
LETTER = Letter(
    heading="Needs you now",
    paragraphs=("A paragraph.",),
    sections=(
        Section(
            "Needs you now",
            (
                Entry(
                    "Critical", "critical", HOSTILE, "Since 10:02 & later", "https://a.example/s/1"
                ),
            ),
            more=3,
        ),
        Section("Resolved", (Entry("Resolved", "good", "Fine again", "", ""),)),
    ),
    button=("Open the overview", "https://a.example/"),
    notes=("A note.",),
    reason="You asked for it.",
    reason_url="https://a.example/account/notifications",
)


def parts(letter: Letter = LETTER, envelope: Envelope = ENVELOPE) -> tuple[Any, str, str]:
    message: Any = message_from_bytes(
        compose(letter, envelope, "Fernwood", BERLIN), policy=policy.default
    )
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return message, text, html


def test_both_parts_have_the_whole_content() -> None:
    message, text, html = parts()
    assert message.get_content_type() == "multipart/alternative"
    for words in (
        "Needs you now", "A paragraph.", "Critical", "Resolved", "Fine again", "And 3 more.",
        "https://a.example/s/1", "Open the overview", "https://a.example/", "A note.", "Fernwood",
        "You asked for it.", "https://a.example/account/notifications",
    ):  # fmt: skip
        assert words in text, words
        assert words in html, words
    assert "Since 10:02 & later" in text
    assert "\n\n\n" not in text


def test_text_from_a_site_is_escaped() -> None:
    _, text, html = parts()
    assert HOSTILE in text
    assert "<img" not in html
    assert "<script" not in html
    assert "{{ 7*7 }}" in html
    assert set(re.findall(r'(?:href|src)="([^"]+)"', html)) <= {
        "https://a.example/s/1",
        "https://a.example/",
        "https://a.example/account/notifications",
    }


def test_headers_follow_the_standard() -> None:
    message, _, _ = parts()
    assert message["To"] == "Äna “A” Moreau <ana@agency.example>"
    assert message["From"] == '"Fernwood, Ltd." <aura@agency.example>'
    assert message["Subject"] == "Critical: Bäckerei is unreachable"
    assert message["Date"] == "Tue, 24 Nov 2026 10:37:00 +0000"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hello\r\nBcc: eve@evil.example"},
        {"subject": "Hello\nBcc: eve@evil.example"},
        {"sender_name": "Aura\r\nBcc: eve@evil.example"},
        {"recipient_name": "Ana\nBcc: eve@evil.example"},
        {"recipient": "ana@agency.example\r\nBcc: eve@evil.example"},
        {"message_id": "<1>\r\nBcc: eve@evil.example"},
    ],
)
def test_no_header_can_inject_another(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"CR|line|linefeed|Invalid|invalid"):
        compose(LETTER, replace(ENVELOPE, **changes), "Fernwood", BERLIN)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(
    ("about", "word"),
    [
        *(("connection", word) for word in CONNECTIONS),
        *(("change", word) for word in (*BAD_ENDS, UNKNOWN)),
        ("alert", "call_unknown"),
        ("approval", "proposed"),
        ("audit_log", "broken"),
        ("rule", "ends"),
        ("files", "differ"),
        ("pages", "different"),
        ("pages", "cannot_tell"),
        ("webhook", "gone"),
        ("webhook", "failing"),
        ("php", "ended"),
        ("new", "new"),
    ],
)
def test_every_item_has_words_without_a_relative_time(about: str, word: str, count: int) -> None:
    row = SimpleNamespace(
        outcome_reason="fatal_after", ended_at=NOW, is_incident=True, proposer="Ben", broken_at=7,
        reason="a hash does not match", to_version="2.4.1", paths="/shop/ and 2 more",
    )  # fmt: skip
    items: Any = tuple(
        Item(
            about, word, CRITICAL, number, "Contact & Desk", NOW,
            SimpleNamespace(
                id=number, name=f"Site & {number}", error_code="tls_expired", last_success_at=NOW
            ),
            row,
        )
        for number in range(1, count + 1)
    )  # fmt: skip
    title, why = describe_task(Task(items), BERLIN)
    title, why = one_line(title, 500), one_line(why, 500)
    assert len(title) > 8
    assert not re.search(r"\bago\b|&amp;|<|\bNone\b|Undefined", title + why)
    if about not in ("php", "new"):
        assert "24 Nov 2026, 11:37 CET" in title + why or count > 1 or about == "audit_log"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words", "plain words"),
        ("two\r\nlines\tand  spaces", "two lines and spaces"),
        ("\u202eevil\u2066 \u200bname\x00", "evil name"),
        ("see https://evil.example now", "see https evil.example now"),
        ("x" * 50, "x" * 29 + "…"),
        ("", ""),
    ],
)
def test_text_from_outside_is_one_printable_line(text: str, expected: str) -> None:
    assert one_line(text, 30) == expected
