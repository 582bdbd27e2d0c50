"""Read pages, and fill in their forms."""

from __future__ import annotations

import re
from datetime import timedelta

from app.models.base import utcnow


def site_names(answer) -> list[str]:
    return re.findall(r'class="cell-name" href="/sites/\d+">([^<]+)</a>', answer.text)


def rule_form(**changes):
    usual = {
        "name": "Patches at night",
        "permissions": ["plugins", "themes"],
        "release_types": ["patch"],
        "client": "",
        "weekdays": ["0", "1", "2", "3"],
        "from_hour": "2",
        "to_hour": "5",
        "expires_at": (utcnow() + timedelta(days=30)).date().isoformat(),
        "reason": "agreed with every client",
    }
    return {**usual, **changes}
