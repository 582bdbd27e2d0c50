"""The log of every process: text for people, or with AURA_LOG=json one JSON object a line.

A line has the fields that are named here and no others. Of a request it names the route, and of a
job the ids of its rows, so that neither can bring a secret with it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

# What a line may say beside its message. `reference` is the one that error pages show, `job_ids`
# are the rows that a job works on.
_FIELDS = (
    "reference",
    "method",
    "route",
    "status",
    "duration_ms",
    "user_id",
    "job",
    "job_ids",
)
# Gunicorn reports a request that failed in it by its address, which may be a one-time link.
_ONE_TIME_LINK = re.compile(r"(/(?:setup|invitation|password)/)(?!<)[^\s\"'?#]+")
# PostgreSQL explains some errors with the values of a row.
_ROW_VALUES = re.compile(r"^(?:DETAIL|CONTEXT): .*\n?", re.MULTILINE)

_context: ContextVar[dict[str, object] | None] = ContextVar("log_context", default=None)


def configure(process: str, *, as_json: bool) -> None:
    """Write the log of this process to its standard output.

    `process` is web, worker, scheduler or supervisor. As text, the log contains warnings and
    errors. As JSON, it also has a line for each request and each job.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(process) if as_json else TextFormatter(process))
    level = logging.INFO if as_json else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # At the level below, both report what they do all day.
    for name in ("rq", "gunicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its warnings contain whole addresses, and the address of a webhook is a secret.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Add fields to each line that this thread logs in the block."""
    before = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(before)


def current(field: str) -> object:
    """Return a field of the present context, or None."""
    return (_context.get() or {}).get(field)


class JsonFormatter(logging.Formatter):
    """Format a record as one JSON object on one line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time_of(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self._process,
            "pid": record.process,
            "message": _without_secrets(record.getMessage()),
        }
        known = {**record.__dict__, **(_context.get() or {})}
        line |= {name: known[name] for name in _FIELDS if known.get(name) is not None}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = _without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Format a record for a terminal."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        message = _without_secrets(record.getMessage())
        text = f"{_time_of(record):%Y-%m-%d %H:%M:%S} {record.levelname} {self._process}: {message}"
        if record.exc_info and record.exc_info[0] is not None:
            text = f"{text}\n{_without_secrets(self.formatException(record.exc_info))}"
        return text


def _time_of(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _without_secrets(text: str) -> str:
    return _ROW_VALUES.sub("", _ONE_TIME_LINK.sub(r"\1…", text))
