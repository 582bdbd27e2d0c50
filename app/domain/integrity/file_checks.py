"""Store what a site found when it compared its files with their releases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import FilesDiffer, FilesMatchAgain
from app.models.file_checks import (
    ACCEPTED,
    DIFFERENT,
    NOT_COMPARED,
    NOTHING,
    SAME,
    UNRELEASED_KINDS,
    ComparedComponent,
    SiteFileCheck,
)
from app.models.sites import Site

# More are not read from one report.
MAX_COMPONENTS = 1000
MAX_NAMES = 50
# An audit entry and a page that only mentions them name this many components.
MAX_NAMED = 20
_NAMED_BRIEFLY = 3
_LISTS = {"plugin": "plugins", "theme": "themes", "mu_plugin": "mu_plugins", "dropin": "dropins"}
_FOUND = ("changed", "missing", "unknown", "soft")
_FILES = ("changed_files", "missing_files", "unknown_files")
_RESULT = (*_FOUND, *_FILES, "fingerprint")
# Why a must-use plugin or a drop-in is not compared.
NO_RELEASE = "no_release"
# What a server may run. A new file of this kind is how most sites are taken over.
_PROGRAMS = (".php", ".phtml", ".phar")


def confirm_check(site: Site, answer: dict[str, Any] | None, now: datetime) -> None:
    """Record that a later check found the same. Call it in the transaction of the sync."""
    checked_at = _checked_at(answer, now)
    if checked_at is not None:
        SiteFileCheck.confirm(site.id, checked_at)


def store_check(
    site: Site, document: dict[str, Any], answer: dict[str, Any] | None, now: datetime
) -> None:
    """Store the result in a site's report, with an audit entry for what is new and what is gone.

    `document` is the checked report, and `answer` what it came with. Call it in the transaction of
    the sync. Without a finished check, nothing is known.
    """
    checked_at = _checked_at(answer, now)
    if checked_at is None:
        return
    is_first = SiteFileCheck.of_site(site.id) is None
    rows = {(row.kind, row.ident): row for row in ComparedComponent.of_site(site.id)}
    found, gone = list[str](), list[str]()
    for (kind, ident), result in _results(document).items():
        row = rows.pop((kind, ident), None)
        columns = _columns(kind, row, result, is_first=is_first, now=now)
        if row is None:
            row = ComparedComponent.create(site=site, kind=kind, ident=ident, **columns)
            found += [_in_words(row)] if row.state == DIFFERENT else []
            continue
        was, is_known = row.state, row.fingerprint == columns["fingerprint"]
        if was == DIFFERENT and columns["state"] == SAME:
            gone.append(_in_words(row))
        if any(getattr(row, name) != value for name, value in columns.items()):
            row.update_if(**columns)
            is_news = row.state == DIFFERENT and not (is_known and was == DIFFERENT)
            found += [_in_words(row)] if is_news else []
    gone += [_in_words(row) for row in rows.values() if row.state == DIFFERENT]
    removed = [row.id for row in rows.values()]
    ComparedComponent.delete().where(ComparedComponent.id.in_(removed)).execute()
    count_open(site.id, checked_at)
    _record(site, found, gone, now)


def count_open(site_id: int, checked_at: datetime | None = None) -> None:
    """Store how many components of a site have differences that no one has accepted."""
    rows = [row for row in ComparedComponent.of_site(site_id) if row.state == DIFFERENT]
    rows.sort(key=lambda row: not is_urgent(row))
    named = ", ".join(in_brief(row) for row in rows[:_NAMED_BRIEFLY])
    more = len(rows) - _NAMED_BRIEFLY
    columns = {
        "open_count": len(rows),
        "open_since": max((row.found_at for row in rows), default=None),
        "open_names": f"{named[:270]} and {more} more" if more > 0 else named[:300],
        "is_urgent": any(is_urgent(row) for row in rows),
    }
    checked = SiteFileCheck.of_site(site_id)
    at = checked_at or (checked.checked_at if checked else None)
    if at is not None:
        SiteFileCheck.store(site_id, checked_at=at, **columns)


def is_urgent(row: ComparedComponent) -> bool:
    """Whether the differences are where no one edits files by hand, or add a program."""
    if row.kind in ("core", *UNRELEASED_KINDS):
        return True
    return any(name.lower().endswith(_PROGRAMS) for name in row.unknown_files)


def in_brief(row: ComparedComponent) -> str:
    """Return the name and the version of what was compared."""
    return f"{row.name} {row.version}".strip()


def _checked_at(answer: dict[str, Any] | None, now: datetime) -> datetime | None:
    """Return when the site last compared its files, by its own clock; None if it never has."""
    at = (answer or {}).get("files_checked_at")
    if type(at) is not int or at <= 0:
        return None
    # A clock that is ahead must not make a check look newer than now.
    return datetime.fromtimestamp(at, UTC) if at < now.timestamp() else now


def _results(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the columns of each result in a checked report, by kind and ident."""
    listed = document.get("integrity", {}).get("components", [])
    names = _names(document)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in listed[:MAX_COMPONENTS]:
        key = (one.get("kind", ""), one.get("id", ""))
        if key in found or not all(key):
            continue
        found[key] = {
            "name": (names.get(key) or key[1].rstrip("/"))[:300],
            "version": one.get("version", "")[:64],
            "compared_with": one.get("compared_with", NOTHING),
            "reason": one.get("reason") or "",
            "fingerprint": one.get("fingerprint") or "",
            **{name: max(one.get(name, 0), 0) for name in _FOUND},
            **{name: one.get(name, [])[:MAX_NAMES] for name in _FILES},
        }
    return found


def _names(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    found = {("core", "wordpress"): "WordPress"}
    for kind, place in _LISTS.items():
        found |= {(kind, one["id"]): one.get("name", "") for one in document.get(place, [])}
    return found


def _columns(
    kind: str,
    row: ComparedComponent | None,
    result: dict[str, Any],
    *,
    is_first: bool,
    now: datetime,
) -> dict[str, Any]:
    """Return what is stored of a result. `row` is the former one.

    While the site cannot compare its files, what it found in the same version before stays.
    """
    is_unknown = result["compared_with"] == NOTHING and result["reason"] != NO_RELEASE
    if row is not None and is_unknown and row.version == result["version"]:
        result = result | {name: getattr(row, name) for name in _RESULT}
    if row is not None and row.fingerprint == result["fingerprint"]:
        state = _state(kind, row, result, is_listed=True)
        return {**result, "state": state, "found_at": row.found_at}
    return {**result, "state": _state(kind, row, result, is_listed=is_first), "found_at": now}


def _state(
    kind: str, row: ComparedComponent | None, result: dict[str, Any], *, is_listed: bool
) -> str:
    """Return the state of a result.

    `is_listed`: it is the same as before, or the first one, which lists the must-use plugins and
    drop-ins that are there.
    """
    these = result["version"], result["fingerprint"]
    if row and row.accepted_at and these == (row.accepted_version, row.accepted_fingerprint):
        return ACCEPTED
    if kind in UNRELEASED_KINDS:
        if not is_listed:
            return DIFFERENT
        return row.state if row is not None else NOT_COMPARED
    if result["changed"] + result["missing"] + result["unknown"]:
        return DIFFERENT
    return NOT_COMPARED if result["compared_with"] == NOTHING else SAME


def _record(site: Site, found: Sequence[str], gone: Sequence[str], now: datetime) -> None:
    if found:
        named = list(found[:MAX_NAMED])
        audit.record(
            FilesDiffer(site_id=site.id, count=len(found), components=named), SYSTEM, now=now
        )
    if gone:
        named = list(gone[:MAX_NAMED])
        audit.record(
            FilesMatchAgain(site_id=site.id, count=len(gone), components=named), SYSTEM, now=now
        )


def _in_words(row: ComparedComponent) -> str:
    """Return what differs and how many files, as the activity names it."""
    if row.kind in UNRELEASED_KINDS:
        return f"{'must-use plugin' if row.kind == 'mu_plugin' else 'drop-in'} {row.ident}"
    counts = [(row.changed, "changed"), (row.missing, "missing"), (row.unknown, "unknown")]
    words = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{in_brief(row)}: {words}"
