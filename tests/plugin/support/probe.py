"""Measure pages of a real site from inside WordPress, with SiteAgent active or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

PROBE = Path(__file__).with_name("probe.php")
LOADED_FILES = Path(__file__).with_name("loaded_files.php")


@contextmanager
def must_use(wp: Any, source: Path) -> Iterator[None]:
    """Install this file as a must-use plugin for a while."""
    target = f"WPMU_PLUGIN_DIR . '/{source.name}'"
    code = source.read_text("utf-8").replace("\\", "\\\\").replace("'", "\\'")
    wp.evaluate(f"return file_put_contents({target}, '{code}');")
    try:
        yield
    finally:
        wp.evaluate(f"unlink({target});")


def look(wp: Any, page: str, *, active: bool) -> dict[str, Any]:
    """Request a page as a visitor; return what probe.php measured."""
    headers = {"X-Probe": "1"} | ({} if active else {"X-Without-SiteAgent": "1"})
    return dict(json.loads(requests.get(wp.url + page, headers=headers, timeout=60).text))
