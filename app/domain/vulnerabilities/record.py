"""One record of a feed of vulnerabilities: what of it is kept, within which limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.domain.text import has_hidden_characters
from app.domain.vulnerabilities.ranges import VersionRange

# Severities, the worst first. NONE is a score of 0, and NOT_RATED no score at all.
CRITICAL = "critical"
HIGH = "high"
MEDIUM = "medium"
LOW = "low"
NONE = "none"
NOT_RATED = ""
RATINGS = (CRITICAL, HIGH, MEDIUM, LOW, NONE, NOT_RATED)
# The ratings of CVSS version 3 (https://www.first.org/cvss/v3.1/specification-document, section 5).
_LEAST_SCORES = ((9, CRITICAL), (7, HIGH), (4, MEDIUM), (Decimal("0.1"), LOW), (0, NONE))

KINDS = ("plugin", "theme", "core")
MAX_TITLE_CHARS = 300
MAX_NAME_CHARS = 200
MAX_SLUG_CHARS = 200
MAX_VERSION_CHARS = 64
MAX_RANGES = 200
MAX_PATCHED = 100
MAX_REFERENCES = 5
MAX_URL_CHARS = 500
MAX_REMEDIATION_CHARS = 300
MAX_NOTICES = 4
MAX_NOTICE_CHARS = 200
MAX_LICENSE_CHARS = 2000
_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Notice:
    """A copyright notice that the license of the data requires next to it."""

    notice: str
    license: str
    license_url: str


@dataclass(frozen=True)
class AffectedSoftware:
    """Which versions of one plugin, theme or WordPress are affected, and which are fixed."""

    kind: str
    slug: str
    name: str
    ranges: tuple[VersionRange, ...]
    patched: tuple[str, ...]
    remediation: str


@dataclass(frozen=True)
class Vulnerability:
    """A known vulnerability. `score` is CVSS, from 0 to 10; `cve` is empty without a number."""

    record_id: str
    title: str
    cve: str
    score: float | None
    rating: str
    references: tuple[str, ...]
    published_at: datetime | None
    updated_at: datetime | None
    notices: tuple[Notice, ...]
    software: tuple[AffectedSoftware, ...]


class _Unreadable(Exception):
    """A part that has to be understood has the wrong type."""


def read_record(
    record_id: str, document: Any, wanted: Collection[tuple[str, str]]
) -> Vulnerability | None:
    """Return a record with its wanted software only, which may be none; None if it is unreadable.

    What tells which versions are affected has to be readable. Anything else that is not is left
    out.
    """
    try:
        software = _software(document, wanted)
    except _Unreadable:
        return None
    score, rating = _severity(document.get("cvss"))
    return Vulnerability(
        record_id=record_id,
        title=_text(document.get("title"), MAX_TITLE_CHARS) or "Vulnerability without a title",
        cve=_cve(document.get("cve")),
        score=score,
        rating=rating,
        references=_references(document.get("references")) if software else (),
        published_at=_time(document.get("published")),
        updated_at=_time(document.get("updated")),
        notices=_notices(document.get("copyrights")) if software else (),
        software=software,
    )


def _software(document: Any, wanted: Collection[tuple[str, str]]) -> tuple[AffectedSoftware, ...]:
    """Return the wanted software; of several entries about the same one, all ranges together."""
    if not isinstance(document, dict) or not isinstance(document.get("software"), list):
        raise _Unreadable
    # Such a record is a remark, and no vulnerability.
    if document.get("informational") is True:
        return ()
    found: dict[tuple[str, str], AffectedSoftware] = {}
    for entry in document["software"]:
        if not isinstance(entry, dict):
            raise _Unreadable
        kind, slug = entry.get("type"), entry.get("slug")
        if not isinstance(kind, str) or not isinstance(slug, str):
            raise _Unreadable
        key = (kind, slug)
        if key not in wanted or len(slug) > MAX_SLUG_CHARS:
            continue
        one = _affected(kind, slug, entry)
        found[key] = _joined(found[key], one) if key in found else one
    return tuple(found.values())


def _affected(kind: str, slug: str, entry: dict[str, Any]) -> AffectedSoftware:
    ranges = entry.get("affected_versions")
    # PHP writes an empty object as a list. Without ranges, no version can be compared.
    ranges = {} if ranges == [] else ranges
    if not isinstance(ranges, dict) or len(ranges) > MAX_RANGES:
        raise _Unreadable
    patched = entry.get("patched_versions")
    listed = patched if isinstance(patched, list) else []
    versions = [_text(one, MAX_VERSION_CHARS) for one in listed[:MAX_PATCHED]]
    return AffectedSoftware(
        kind=kind,
        slug=slug,
        name=_text(entry.get("name"), MAX_NAME_CHARS) or slug,
        ranges=tuple(_range(one) for one in ranges.values()),
        patched=tuple(one for one in versions if one),
        remediation=_text(entry.get("remediation"), MAX_REMEDIATION_CHARS),
    )


def _joined(one: AffectedSoftware, other: AffectedSoftware) -> AffectedSoftware:
    return AffectedSoftware(
        kind=one.kind,
        slug=one.slug,
        name=one.name,
        ranges=(*one.ranges, *other.ranges)[:MAX_RANGES],
        patched=tuple(dict.fromkeys((*one.patched, *other.patched)))[:MAX_PATCHED],
        remediation=one.remediation or other.remediation,
    )


def _range(entry: Any) -> VersionRange:
    if not isinstance(entry, dict):
        raise _Unreadable
    bounds = (entry.get("from_version"), entry.get("to_version"))
    inclusive = (entry.get("from_inclusive"), entry.get("to_inclusive"))
    if not all(_is_bound(one) for one in bounds):
        raise _Unreadable
    if not all(isinstance(one, bool) for one in inclusive):
        raise _Unreadable
    return VersionRange(str(bounds[0]), bool(inclusive[0]), str(bounds[1]), bool(inclusive[1]))


def _is_bound(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_VERSION_CHARS and value.isprintable()


def _severity(cvss: Any) -> tuple[float | None, str]:
    """Return score and rating. A valid score decides, because words are easier to get wrong."""
    if not isinstance(cvss, dict):
        return None, NOT_RATED
    score = cvss.get("score")
    if isinstance(score, int | Decimal) and not isinstance(score, bool) and 0 <= score <= 10:
        return float(score), next(word for least, word in _LEAST_SCORES if score >= least)
    rating = _text(cvss.get("rating"), 16).lower()
    return None, rating if rating in RATINGS else NOT_RATED


def _cve(value: Any) -> str:
    return value if isinstance(value, str) and _CVE.fullmatch(value) else ""


def _references(value: Any) -> tuple[str, ...]:
    listed = value[:MAX_REFERENCES] if isinstance(value, list) else []
    return tuple(one for one in listed if _is_address(one))


def _is_address(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.startswith("https://")
        and len(value) <= MAX_URL_CHARS
        and value.isascii()
        and value.isprintable()
        and not set(value) & set(' "<>\\')
    )


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    # A time near the year 1 or 9999 has no UTC.
    except (ValueError, OverflowError):
        return None


def _notices(value: Any) -> tuple[Notice, ...]:
    """Return what the feed says under the name of each holder of rights."""
    holders = value.values() if isinstance(value, dict) else ()
    found = []
    for one in holders:
        if isinstance(one, dict) and _text(one.get("notice"), MAX_NOTICE_CHARS):
            address = one.get("license_url")
            found.append(
                Notice(
                    _text(one["notice"], MAX_NOTICE_CHARS),
                    _text(one.get("license"), MAX_LICENSE_CHARS),
                    str(address) if _is_address(address) else "",
                )
            )
    return tuple(found[:MAX_NOTICES])


def _text(value: Any, most: int) -> str:
    """Return a text on one line; characters that hide or turn others become spaces."""
    if not isinstance(value, str):
        return ""
    # Cut first, so that a text of megabytes costs nothing.
    some = value[: 4 * most]
    visible = "".join(" " if has_hidden_characters(one) else one for one in some)
    return _SPACES.sub(" ", visible).strip()[:most]
