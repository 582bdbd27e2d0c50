"""Output before a response: the next ping names the file, and only signed requests are logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.probe import must_use
from tests.plugin.support.signed_requests import connect, forget

# Prints as a plugin with a byte order mark does, where PHP does not buffer output.
PRINTING_PLUGIN = """<?php
if (strpos($_SERVER['REQUEST_URI'], 'siteagent/v1/rpc')) {
    while (ob_get_level() > 0) { ob_end_flush(); }
    echo "\\xEF\\xBB\\xBF";
    flush();
}
"""
COUNT_ENTRIES = "return siteagent()->audit_log_reader()->count('output_started');"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


@pytest.fixture
def printing_plugin(tmp_path: Path) -> Path:
    file = tmp_path / "chatty.php"
    file.write_text(PRINTING_PLUGIN)
    return file


def test_the_next_ping_names_the_file_that_printed(wp, paired, printing_plugin) -> None:
    with must_use(wp, printing_plugin), pytest.raises(CallError):
        paired.ask("ping")
    assert paired.ask("ping").document["output_started"].startswith("chatty.php:")


def test_unauthenticated_requests_do_not_fill_the_log(wp, paired, printing_plugin) -> None:
    before = wp.evaluate(COUNT_ENTRIES)
    with must_use(wp, printing_plugin):
        for _ in range(3):
            requests.post(f"{wp.url}/?rest_route=/siteagent/v1/rpc", data=b"{}", timeout=60)
    assert wp.evaluate(COUNT_ENTRIES) == before
