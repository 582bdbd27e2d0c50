"""Other code on the site prints before an answer: the dashboard hears where, and only its requests
leave a trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.probe import must_use
from tests.plugin.support.signed_requests import connect, forget

# As a plugin does that was saved with a byte order mark, where PHP does not buffer.
CHATTY = """<?php
if (strpos($_SERVER['REQUEST_URI'], 'siteagent/v1/rpc')) {
    while (ob_get_level() > 0) { ob_end_flush(); }
    echo "\\xEF\\xBB\\xBF";
    flush();
}
"""
COUNT = "return siteagent()->audit_log_reader()->count('output_started');"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


@pytest.fixture
def chatty(tmp_path: Path) -> Path:
    file = tmp_path / "chatty.php"
    file.write_text(CHATTY)
    return file


def test_the_next_connection_test_names_what_printed(wp, paired, chatty) -> None:
    with must_use(wp, chatty), pytest.raises(CallError):
        paired.ask("ping")
    assert paired.ask("ping").document["output_started"].startswith("chatty.php:")


def test_requests_of_strangers_do_not_fill_the_log(wp, paired, chatty) -> None:
    before = wp.evaluate(COUNT)
    with must_use(wp, chatty):
        for _ in range(3):
            requests.post(f"{wp.url}/?rest_route=/siteagent/v1/rpc", data=b"{}", timeout=60)
    assert wp.evaluate(COUNT) == before
