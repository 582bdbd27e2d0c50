"""Read a feed of vulnerabilities as a stream: the format of Wordfence Intelligence, version 3.

The feed is one JSON object of more than 150 MB, by the id of each record. Nothing in it is trusted:
what is kept is limited in type, number and length, and memory stays the same for any file.
Source: https://www.wordfence.com/help/wordfence-intelligence/v3-accessing-and-consuming-the-vulnerability-data-feed/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

import ijson

from app.domain.text import one_line
from app.domain.vulnerabilities.record import Vulnerability, read_record

MAX_FEED_BYTES = 512 * 1024 * 1024
# A record names every plugin that contains a vulnerable library, so the largest have hundreds.
MAX_RECORD_BYTES = 2 * 1024 * 1024
_MAX_VALUES = 100_000
_MAX_DEPTH = 12
# Five times as many as in 2026.
MAX_RECORDS = 200_000
# A file with more unreadable records than this share is not believed at all.
_MAX_UNREADABLE_SHARE = 0.01
_FEW_UNREADABLE = 10
_CHUNK_BYTES = 64 * 1024
_MAX_REASON_CHARS = 200
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class FeedInvalid(Exception):
    """The file is not a feed, or only a part of one; the text says where and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(one_line(reason, _MAX_REASON_CHARS))


class FeedReader:
    """Reads a file once. After the last record, `records` and `unreadable` are complete.

    `digest` is the SHA-256 of the whole file.
    """

    def __init__(self, file: BinaryIO, wanted: Collection[tuple[str, str]]) -> None:
        self._input = _BoundedInput(file)
        self._wanted = wanted
        self.records = 0
        self.unreadable = 0

    @property
    def digest(self) -> str:
        return self._input.digest.hexdigest()

    def read(self) -> Iterator[Vulnerability]:
        """Yield the vulnerabilities of wanted software, each with that software only.

        Raises: FeedInvalid.
        """
        seen: set[str] = set()
        try:
            for record_id, document in self._documents():
                if record_id in seen:
                    raise FeedInvalid(f"Record {record_id} is in the file twice.")
                seen.add(record_id)
                yield from self._read_one(record_id, document)
        # ijson passes on what Python says of a number or a text.
        except (ijson.JSONError, ValueError, RecursionError) as why:
            raise self._damaged(str(why) or type(why).__name__) from why
        # Its part in C wraps what Python says of an integer with thousands of digits.
        except (ArithmeticError, SystemError) as why:
            raise self._damaged("a number is too long") from why
        self._check_whole()

    def _damaged(self, reason: str) -> FeedInvalid:
        where = f"The file is damaged or incomplete after record {self.records}"
        return FeedInvalid(f"{where}: {reason.splitlines()[0]}")

    def _read_one(self, record_id: str, document: Any) -> Iterator[Vulnerability]:
        found = read_record(record_id, document, self._wanted)
        if found is None:
            self.unreadable += 1
        elif found.software:
            yield found

    def _check_whole(self) -> None:
        if not self.records:
            raise FeedInvalid("The file contains no vulnerabilities.")
        most = max(_FEW_UNREADABLE, self.records * _MAX_UNREADABLE_SHARE)
        if self.unreadable > most or self.unreadable == self.records:
            raise FeedInvalid(
                f"{self.unreadable} of {self.records} records do not have the expected format."
            )

    def _documents(self) -> Iterator[tuple[str, Any]]:
        events = ijson.basic_parse(self._input, buf_size=_CHUNK_BYTES)
        if next(events, ("", None))[0] != "start_map":
            raise FeedInvalid("The file is not a JSON object with a record for each id.")
        for event, record_id in events:
            if event == "end_map":
                # What follows the object is an error that the parser only then finds.
                for _ in events:
                    raise FeedInvalid("The file continues after its end.")
                return
            if not _ID.fullmatch(record_id):
                raise FeedInvalid(f"{str(record_id)[:80]!r} is not the id of a record.")
            self.records += 1
            if self.records > MAX_RECORDS:
                raise FeedInvalid(f"The file has more than {MAX_RECORDS} records.")
            self._input.begin_record()
            yield record_id, _Value(events).read(*next(events), depth=1)


class _BoundedInput:
    """Counts and hashes what is read, and ends a file or a record that is too large."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._total = 0
        self._of_record = 0
        self.digest = hashlib.sha256()

    def begin_record(self) -> None:
        self._of_record = 0

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        self._total += len(chunk)
        self._of_record += len(chunk)
        if self._total > MAX_FEED_BYTES:
            raise FeedInvalid(f"The file is larger than {MAX_FEED_BYTES // 1024**2} MB.")
        if self._of_record > MAX_RECORD_BYTES + _CHUNK_BYTES:
            raise FeedInvalid(f"A record is larger than {MAX_RECORD_BYTES // 1024**2} MB.")
        return chunk


class _Value:
    """Builds one JSON value from the events of the parser, of limited depth and size."""

    def __init__(self, events: Iterator[tuple[str, Any]]) -> None:
        self._events = events
        self._values = 0

    def read(self, event: str, value: Any, *, depth: int) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES or depth > _MAX_DEPTH:
            raise FeedInvalid("A record is nested too deeply, or has too many values.")
        if event == "start_map":
            found: dict[str, Any] = {}
            for inner, key in self._events:
                if inner == "end_map":
                    return found
                found[key] = self.read(*next(self._events), depth=depth + 1)
        elif event == "start_array":
            listed: list[Any] = []
            for inner, item in self._events:
                if inner == "end_array":
                    return listed
                listed.append(self.read(inner, item, depth=depth + 1))
        return value
