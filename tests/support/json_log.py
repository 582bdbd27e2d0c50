"""Read the log that Aura writes with AURA_LOG=json."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.logs import JsonFormatter


class JsonLog:
    """The lines that this process, and those it forks, write to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def text(self) -> str:
        return self._path.read_text("utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.split("\n")[:-1]]

    def only(self, logger: str) -> dict[str, Any]:
        """Return the one line of a logger."""
        (line,) = [line for line in self.lines if line["logger"] == logger]
        return line


@contextmanager
def recorded(process: str, path: Path) -> Iterator[JsonLog]:
    """Record the log of this block as `logs.configure` would write it."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield JsonLog(path)
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(level)
