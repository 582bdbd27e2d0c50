"""Made-up vulnerabilities for the fleet, with titles that say so."""

from __future__ import annotations

import io
from typing import Any

from app.domain.actor import SYSTEM
from app.domain.vulnerabilities import source, upkeep
from tests.fleet.fleet import Fleet
from tests.support.vulnerability_feeds import bounds, feed, record, software

# Kind, slug, title, score, last affected version ("*" for all), and the version that fixes it.
_RECORDS = (
    ("plugin", "smart-slider-3", "SQL injection without an account", 9.8, "3.5.1.30", "3.5.1.32"),
    ("plugin", "instagram-feed", "stored cross-site scripting", 7.2, "6.9.1", "6.10.0"),
    ("plugin", "instagram-feed", "cross-site request forgery", 4.3, "6.9.1", "6.10.0"),
    ("plugin", "wp-super-cache", "cache files that anyone can list", 5.3, "*", ""),
    ("plugin", "complianz-gdpr", "cross-site scripting by an author", 5.4, "7.4.3", "7.4.4.2"),
    ("plugin", "duplicate-post", "missing check of a permission", 3.1, "4.5", "4.6"),
    ("core", "wordpress", "server-side request forgery", 6.1, "6.4.7", "6.4.8"),
)


def add_vulnerabilities(fleet: Fleet) -> None:
    """Import the feed, an hour before the end of the fleet's month."""
    records = [_record(number, *one) for number, one in enumerate(_RECORDS, start=1)]
    # An impossible range, so that this version cannot be compared.
    backwards = software("tablepress", bounds("1.0", since="2.0"))
    records.append(_made_up(len(_RECORDS) + 1, "broken access control", 6.5, backwards))
    clock = fleet.clock
    source.accept_file_from_cli(
        io.BytesIO(feed(*records)), by=SYSTEM, config=fleet.config, now=clock()
    )
    upkeep.update(fleet.config, now=clock)


def _record(
    number: int, kind: str, slug: str, title: str, score: float, last: str, fixed: str
) -> dict[str, Any]:
    affected = software(slug, bounds(last), kind=kind, patched=(fixed,) if fixed else ())
    return _made_up(number, title, score, affected)


def _made_up(number: int, title: str, score: float, affected: dict[str, Any]) -> dict[str, Any]:
    return record(
        number,
        affected,
        score=score,
        title=f"Made up for the demo: {title}",
        cve=f"CVE-1900-{10000 + number}",
        references=[f"https://vulnerabilities.example/{number}"],
    )
