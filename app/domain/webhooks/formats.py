"""The body of a message in the format of its endpoint.

Titles contain names that sites chose. In Slack's markup they are escaped, and in an adaptive card
they are plain text runs, so that no name becomes a link, a mention or markup.
"""

from __future__ import annotations

import json
import re
from typing import Any

from app import formats
from app.models.webhooks import SLACK, TEAMS, WebhookMessage

# The version of the standard format. It goes up when a field changes its meaning.
VERSION = 1
_CARD = "http://adaptivecards.io/schemas/adaptive-card.json"
_CARD_TYPE = "application/vnd.microsoft.card.adaptive"
# The oldest version that has RichTextBlock.
_CARD_VERSION = "1.2"
_COLORS = {"critical": "Attention", "warn": "Warning", "good": "Good"}
_WORD_JOINER = "\u2060"
# What Slack and its relatives take for a mention, a link or markup.
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SLACK_MARKUP = re.compile(r"([@*_~`])|\](?=\()")


def render_body(message: WebhookMessage, origin: str) -> bytes:
    """Return the body that is sent and signed, the same at each attempt."""
    render = {SLACK: _slack, TEAMS: _teams}.get(message.endpoint.format, _standard)
    return json.dumps(render(message, origin)).encode("ascii")


def escape_slack(text: str) -> str:
    """Return text that reads the same in Slack, and in Mattermost, and does nothing.

    A word joiner, which has no width, follows what would begin a mention, markup or a link.
    """
    return _SLACK_MARKUP.sub(rf"\g<0>{_WORD_JOINER}", text.translate(_SLACK_ESCAPES))


def _standard(message: WebhookMessage, origin: str) -> dict[str, Any]:
    alerts = [
        {
            "keys": entry["keys"],
            "severity": entry["severity"],
            "title": entry["title"],
            "detail": entry["why"],
            "url": origin + entry["path"],
        }
        for section in message.content["sections"]
        for entry in section["entries"]
    ]
    return {
        "type": message.type,
        "version": VERSION,
        "timestamp": formats.iso_time(message.requested_at),
        "data": {
            "title": message.subject,
            "alerts": alerts,
            "more": _left_out(message),
            "url": f"{origin}/",
        },
    }


def _slack(message: WebhookMessage, origin: str) -> dict[str, Any]:
    lines = [f"*{escape_slack(message.subject)}*"]
    for section in message.content["sections"]:
        for entry in section["entries"]:
            link = f"<{origin}{entry['path']}|{escape_slack(entry['title'])}>"
            lines.append(f"• {entry['label']}: {link}. {escape_slack(entry['why'])}".rstrip())
    if more := _left_out(message):
        lines.append(f"And {more} more in <{origin}/|Aura>")
    # Slack then makes no link of an address in a name, and loads nothing.
    return {
        "text": "\n".join(lines),
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _teams(message: WebhookMessage, origin: str) -> dict[str, Any]:
    blocks = [_rich(_run(message.subject, weight="Bolder", size="Medium"))]
    for section in message.content["sections"]:
        for entry in section["entries"]:
            color = _COLORS.get(entry["tone"], "Default")
            title = _run(entry["title"], weight="Bolder")
            title["selectAction"] = {"type": "Action.OpenUrl", "url": origin + entry["path"]}
            why = [_run(f" {entry['why']}")] if entry["why"] else []
            blocks.append(_rich(_run(f"{entry['label']}: ", color=color), title, *why))
    if more := _left_out(message):
        blocks.append(_rich(_run(f"And {more} more in Aura")))
    card = {
        "$schema": _CARD,
        "type": "AdaptiveCard",
        "version": _CARD_VERSION,
        "body": blocks,
        "actions": [{"type": "Action.OpenUrl", "title": "Open Aura", "url": f"{origin}/"}],
    }
    return {"type": "message", "attachments": [{"contentType": _CARD_TYPE, "content": card}]}


def _rich(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: str) -> dict[str, Any]:
    """Return text in which, unlike in a TextBlock, no Markdown is interpreted."""
    return {"type": "TextRun", "text": text, **style}


def _left_out(message: WebhookMessage) -> int:
    return sum(section["more"] for section in message.content["sections"])
