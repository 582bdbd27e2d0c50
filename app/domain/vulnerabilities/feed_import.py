"""Import a file of known vulnerabilities: all of it, or nothing of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import VulnerabilityFeedImported
from app.domain.vulnerabilities import slugs
from app.domain.vulnerabilities.feed import FeedInvalid, FeedReader
from app.domain.vulnerabilities.record import RATINGS, Vulnerability
from app.models import vulnerabilities as tables
from app.models.base import transaction
from app.models.vulnerabilities import CoveredSoftware, VulnerabilityFeed, VulnerableSoftware

# A feed of less than this share of the former one's records is taken for a part of it.
_LEAST_SHARE = 0.5
_RECORDS_AT_ONCE = 200


@dataclass(frozen=True)
class ImportResult:
    """How many records a file has, and how many are about the fleet or were left out."""

    digest: str
    records: int
    kept: int
    unreadable: int


def import_file(path: Path, *, source: str, now: datetime, etag: str = "") -> ImportResult:
    """Replace what is known by the file at `path`.

    What is about the fleet goes through a temporary file, so the memory stays the same for any
    feed, and the transaction is short. If the file is refused, nothing changes.

    Raises: FeedInvalid.
    """
    covered = slugs.fleet_software()
    with path.open("rb") as file, tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        reader = FeedReader(file, covered)
        kept = sum(_spool(record, spool) for record in reader.read())
        result = ImportResult(reader.digest, reader.records, kept, reader.unreadable)
        spool.seek(0)
        with transaction():
            _replace(spool, covered, result, source, etag, now)
    return result


def _spool(record: Vulnerability, spool: IO[str]) -> int:
    spool.write(json.dumps(_as_rows(record)))
    spool.write("\n")
    return 1


def _as_rows(record: Vulnerability) -> dict[str, Any]:
    """Return a record as the columns of its rows, in JSON."""
    software = [
        {
            "kind": one.kind,
            "slug": one.slug,
            "name": one.name,
            "ranges": [
                [each.from_version, each.from_inclusive, each.to_version, each.to_inclusive]
                for each in one.ranges
            ],
            "patched": list(one.patched),
            "remediation": one.remediation,
        }
        for one in record.software
    ]
    return {
        "vulnerability": {
            "record_id": record.record_id,
            "title": record.title,
            "cve": record.cve,
            "score": record.score,
            "rating": record.rating,
            "rank": RATINGS.index(record.rating),
            "references": list(record.references),
            "published_at": record.published_at.isoformat() if record.published_at else None,
            "updated_at": record.updated_at.isoformat() if record.updated_at else None,
            "notices": [[one.notice, one.license, one.license_url] for one in record.notices],
        },
        "software": software,
    }


def _replace(
    spool: IO[str],
    covered: set[tuple[str, str]],
    result: ImportResult,
    source: str,
    etag: str,
    now: datetime,
) -> None:
    former = VulnerabilityFeed.read()
    if source == former.source == tables.WORDFENCE:
        _check_size(result, former)
    number = former.number + 1
    for some in _batches(spool):
        ids = tables.Vulnerability.store([_row(one["vulnerability"], number) for one in some])
        VulnerableSoftware.store(
            [
                {
                    **software,
                    "vulnerability": ids[one["vulnerability"]["record_id"]],
                    "feed": number,
                }
                for one in some
                for software in one["software"]
            ]
        )
    CoveredSoftware.replace_all(sorted(covered))
    VulnerabilityFeed.write(
        number=number,
        source=source,
        imported_at=now,
        checked_at=now,
        digest=result.digest,
        records=result.records,
        kept=result.kept,
        unreadable=result.unreadable,
        etag=etag[:200],
        reread_at=None,
    )
    # The same file, read again for new plugins, is no news.
    if result.digest != former.digest:
        event = VulnerabilityFeedImported(
            source=source,
            digest=result.digest,
            records=result.records,
            kept=result.kept,
            unreadable=result.unreadable,
        )
        audit.record(event, SYSTEM, now=now)


def _check_size(result: ImportResult, former: VulnerabilityFeed) -> None:
    if result.records < former.records * _LEAST_SHARE:
        raise FeedInvalid(
            f"The feed has {result.records} records, and the last one had {former.records}. "
            "That is taken for a part of it."
        )


def _batches(spool: IO[str]) -> Iterator[list[dict[str, Any]]]:
    some: list[dict[str, Any]] = []
    for line in spool:
        some.append(json.loads(line))
        if len(some) == _RECORDS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _row(columns: dict[str, Any], number: int) -> dict[str, Any]:
    times = {
        name: datetime.fromisoformat(columns[name]) if columns[name] else None
        for name in ("published_at", "updated_at")
    }
    return {**columns, **times, "feed": number}
