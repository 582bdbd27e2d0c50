"""The watcher of browser tests notices what a page must not do."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Route

from tests.support.watcher import Watcher

_ADDRESS = "http://127.0.0.1:9/page"


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ("<script>document.title = 'x'</script>", "rule: "),
        ("<p style='color: red'>text</p>", "rule: "),
        ("<img src='http://elsewhere.example/a.png' alt=''>", "request: http://elsewhere.example"),
        ("<p>text</p>", ""),
    ],
)
def test_each_violation_is_reported(context: BrowserContext, html: str, complaint: str) -> None:
    watcher, page = Watcher(context), context.new_page()

    def answer(route: Route) -> None:
        # Images may come from anywhere here, so that one from elsewhere is requested at all.
        policy = {"Content-Security-Policy": "default-src 'self'; img-src *"}
        route.fulfill(body=html, content_type="text/html", headers=policy)

    page.route("**", answer)
    page.goto(_ADDRESS)
    assert [one[: len(complaint)] for one in watcher.complaints] == [complaint][: bool(complaint)]
