"""Verify a site's log in which some entries are only digests."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.protocol import b64u
from tests.support import audit_log_exports as made
from tests.support.audit_log_exports import Row, small
from tests.support.running_verifier import verify
from tests.support.verified_exports import SITE_FILE


def digests_of(rows: list[Row]) -> Row:
    raw = b"".join(sha256(row["body"].encode()).digest() for row in rows)
    return {"first": rows[0]["seq"], "last": rows[-1]["seq"], "digests": b64u(raw)}


def verdict_on(rows: list[Row], tmp_path: Path) -> Any:
    export = small()
    files = {**export.files(), SITE_FILE: made.lines([made.site_head(made.SITE), *rows])}
    sealed = made.sealed(files, export.seed, {})
    return verify(made.write_zip(sealed, tmp_path / "export.zip"))


def test_digests_in_place_of_entries_prove_the_chain(tmp_path: Path) -> None:
    rows = small().site_rows
    for first, last in ((1, 2), (1, 4), (2, 5)):
        shortened = [*rows[:first], digests_of(rows[first:last]), *rows[last:]]
        found = verdict_on(shortened, tmp_path)
        assert found.status == 0, found.output


def altered(rows: list[Row]) -> list[Row]:
    other = [{**rows[2], "body": json.dumps({"n": 77})}]
    return [*rows[:2], digests_of([*other, rows[3]]), *rows[4:]]


def shortened(rows: list[Row]) -> list[Row]:
    return [*rows[:2], {**digests_of(rows[2:4]), "last": 5}, *rows[5:]]


def moved(rows: list[Row]) -> list[Row]:
    return [*rows[:1], digests_of(rows[2:4]), *rows[4:]]


def first(rows: list[Row]) -> list[Row]:
    return [digests_of(rows[:2]), *rows[2:]]


def twice(rows: list[Row]) -> list[Row]:
    return [*rows[:2], digests_of(rows[2:4]), *rows[3:]]


def none(rows: list[Row]) -> list[Row]:
    return [*rows[:2], {"first": 3, "last": 2, "digests": ""}, *rows[2:]]


def more(rows: list[Row]) -> list[Row]:
    return [*rows[:2], {**digests_of(rows[2:4]), "hash": rows[3]["hash"]}, *rows[4:]]


@pytest.mark.parametrize("change", [altered, shortened, moved, first, twice, none, more])
def test_changed_digests_are_found(change: Any, tmp_path: Path) -> None:
    found = verdict_on(change(small().site_rows), tmp_path)
    assert found.status == 1, found.output
    assert "the log of site" in found.output
