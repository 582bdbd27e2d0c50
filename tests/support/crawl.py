"""Find every kind of page that a person can reach by links."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urldefrag, urlsplit

_NUMBER = re.compile(r"/\d+(?=/|$)")
_UUID = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}")
_GROUPING = re.compile(r"\bby=\w+")
_IDENT = re.compile(r"^(/plugins/[a-z]+)/.+")
# Sign-out ends the session, and files are no pages.
_LEFT_OUT = re.compile(r"^/(sign-out|static/|exports/|audit/export)|\.(csv|txt|pdf|json|zip)$")


def kind_of(address: str) -> str:
    """Return the address without what differs from page to page of one kind.

    Filters and the order of a list make no other kind of page; grouping it does.
    """
    parts = urlsplit(address)
    path = _IDENT.sub(r"\1/:name", _UUID.sub("/:id", _NUMBER.sub("/:id", parts.path)))
    grouping = _GROUPING.search(parts.query)
    return path + (f"?{grouping[0]}" if grouping else "")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (target := dict(attrs).get("href")):
            self.found.append(target)


def links_in(html: str) -> list[str]:
    """Return the addresses of pages of this server that the page links to, in its order."""
    parser = _Links()
    parser.feed(html)
    local = (urldefrag(link)[0] for link in parser.found if link.startswith("/"))
    return [link for link in local if not _LEFT_OUT.search(urlsplit(link).path)]


def crawl(fetch: Callable[[str], str], start: str = "/") -> Iterator[tuple[str, str]]:
    """Yield address and HTML of one page of each kind that links lead to from `start`.

    `fetch` returns the HTML at an address.
    """
    waiting, seen = deque([start]), {kind_of(start)}
    while waiting:
        address = waiting.popleft()
        html = fetch(address)
        yield address, html
        for link in links_in(html):
            if (kind := kind_of(link)) not in seen:
                seen.add(kind)
                waiting.append(link)
