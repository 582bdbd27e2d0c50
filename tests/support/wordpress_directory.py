"""A simulated plugin and theme directory of WordPress.org."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from app.http.errors import CallError, ErrorCode
from app.http.wordpress_org import Closed, Listing

AKISMET = Listing(
    name="Akismet Anti-spam",
    version="5.3.1",
    last_updated=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    author="Automattic",
    owner="automattic",
    contributors=("automattic", "matt"),
    requires="5.8",
    tested="6.9",
    requires_php="5.6.20",
)


@dataclass
class Directory:
    """Answer with `known` for each kind and slug, and with the data of Akismet for any other.

    None stands for a missing listing. With an `error`, each request fails. `asked` counts requests.
    """

    known: dict[tuple[str, str], Listing | Closed | None] = field(default_factory=dict)
    error: ErrorCode | None = None
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def ask(self, kind: str, slug: str) -> Listing | Closed | None:
        self.asked[kind, slug] += 1
        if self.error is not None:
            raise CallError(self.error)
        return self.known.get((kind, slug), replace(AKISMET, name=slug))


def plugin_document(**changes: object) -> dict[str, object]:
    """Return the API's answer about Akismet, in the form of class-plugin.php."""
    return {
        "name": "Akismet Anti-spam: Spam Protection &#8211; Security",
        "slug": "akismet",
        "version": "5.3.1",
        "author": '<a href="https://automattic.com/">Automattic &amp; friends</a>',
        "author_profile": "https://profiles.wordpress.org/Automattic/",
        "contributors": {
            "matt": {"profile": "https://profiles.wordpress.org/matt", "display_name": "Matt"},
            "automattic": {"profile": "https://profiles.wordpress.org/automattic"},
        },
        "requires": "5.8",
        "tested": "6.9",
        "requires_php": False,
        "last_updated": "2026-03-01 9:30pm GMT",
        "rating": 94,
        **changes,
    }


def theme_document(**changes: object) -> dict[str, object]:
    """Return the API's answer about a theme, in the form of class-themes-api.php."""
    return {
        "name": "Twenty Thirty",
        "slug": "twentythirty",
        "version": "1.2",
        "author": {
            "user_nicename": "wordpressdotorg",
            "profile": "https://profiles.wordpress.org/wordpressdotorg/",
            "display_name": "WordPress.org",
            "author": "the WordPress team",
            "author_url": "https://wordpress.org/",
        },
        "requires": "6.7",
        "requires_php": "7.2",
        "last_updated": "2026-04-01",
        "last_updated_time": "2026-04-01 10:00:05",
        **changes,
    }


def closed_document(**changes: object) -> dict[str, object]:
    """Return the API's answer about a closed plugin, which has the status 404."""
    return {
        "error": "closed",
        "name": "Akismet Anti-spam",
        "slug": "akismet",
        "description": "This plugin has been closed as of April 7, 2026.",
        "closed": True,
        "closed_date": "2026-04-07",
        "reason": "security-issue",
        "reason_text": "Security Issue",
        **changes,
    }
