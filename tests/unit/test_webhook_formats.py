"""Webhook bodies: their documented format, and hostile names in chats."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.webhooks import endpoints, formats
from app.models.webhooks import WebhookEndpoint, WebhookMessage

ROOT = Path(__file__).parents[2]
NAME = "Bakery <!channel> <https://evil.example|Click> @here *bold* [x](https://evil.example)"
AT = datetime(2026, 11, 30, 9, 5, tzinfo=UTC)


def message(format_: str, title: str = NAME, more: int = 0, why: str = "") -> WebhookMessage:
    entry = {
        "keys": ["uptime:1"],
        "severity": "critical",
        "label": "Critical",
        "tone": "critical",
        "title": title,
        "why": why or title,
        "path": "/sites/1",
    }
    return WebhookMessage(
        endpoint=WebhookEndpoint(format=format_),
        type="alert.opened",
        subject=title,
        content={"sections": [{"heading": "Needs you now", "entries": [entry], "more": more}]},
        requested_at=AT,
    )


def rendered(format_: str, **more: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        formats.render_body(message(format_, **more), "https://aura.example")
    )
    return document


def test_the_standard_body_is_the_documented_one() -> None:
    text = (ROOT / "docs/OPERATIONS.md").read_text("utf-8").partition("\n## Webhooks\n")[2]
    documented = json.loads(text.partition("```json\n")[2].partition("```")[0])
    sent = message("standard", documented["data"]["title"])
    (alert,) = documented["data"]["alerts"]
    (entry,) = sent.content["sections"][0]["entries"]
    entry.update(keys=alert["keys"], title=alert["title"], why=alert["detail"])
    entry["path"] = "/sites/7/uptime"
    assert json.loads(formats.render_body(sent, "https://aura.example")) == documented


def test_omitted_items_are_counted() -> None:
    assert rendered("standard", more=2)["data"]["more"] == 2
    assert rendered("slack", more=2)["text"].endswith("And 2 more in <https://aura.example/|Aura>")


def test_a_name_cannot_mention_or_link_in_slack() -> None:
    document = rendered("slack")
    text = document["text"]
    # The only markup is Aura's own: a bold subject and one link to itself for each entry.
    assert text.count("<") == text.count(">") == 1
    assert "<https://aura.example/sites/1|" in text
    assert "<!channel>" not in text
    assert "&lt;!channel&gt;" in text
    for trigger in ("@here", "*bold", "](http"):
        assert trigger not in text
    assert (document["parse"], document["link_names"]) == ("none", False)


@pytest.mark.parametrize("text", ["@", "*", "_", "~", "`"])
def test_slack_markup_is_broken_by_an_invisible_character(text: str) -> None:
    assert formats.escape_slack(f"a{text}b") == f"a{text}\u2060b"


def test_names_are_plain_text_in_a_teams_card() -> None:
    document = rendered("teams", more=3)
    card = document["attachments"][0]["content"]
    assert document["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert NAME in [run["text"] for run in runs]
    links = [run["selectAction"]["url"] for run in runs if "selectAction" in run]
    assert links == ["https://aura.example/sites/1"]
    assert runs[-1]["text"] == "And 3 more in Aura"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://hooks.slack.com/services/T0/B0/secretsecretsecret",
            "https://hooks.slack.com/…cret",
        ),
        ("https://hooks.example/in", "https://hooks.example/…"),
        ("https://hooks.example:8443/", "https://hooks.example:8443"),
        ("https://hooks.example", "https://hooks.example"),
        ("https://hooks.example?code=abcdefghijklmnopqrstuvw", "https://hooks.example/…tuvw"),
    ],
)
def test_an_address_is_shown_without_its_secret_part(url: str, shown: str) -> None:
    assert endpoints.shown_url(url) == shown
