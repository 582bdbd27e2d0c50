"""Pages that are worth checking, from what the front page links to and what the site runs. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser

from app.domain.errors import Invalid
from app.domain.page_checks import addresses
from app.domain.page_checks.structure import TooComplex, require_simple
from app.http.front_page import FrontPage

MOST = 8
_MOST_LINKS = 2000

# What the last part of a path is called where visitors do something, in a few languages.
_USEFUL = re.compile(
    r"shop|store|checkout|kasse|cart|warenkorb|panier|carrito|basket|contact|kontakt|contacto"
    r"|book|reserv|termin|donat|spende|account|konto|subscribe|newsletter|order|bestell|product",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Suggestion:
    """A page, and what usually is on it. `why` is a sentence for the person who chooses."""

    path: str
    why: str
    phrase: str = ""
    selector: str = ""


def paths_in(front: FrontPage | None, site_url: str) -> list[str]:
    """Return the paths of a front page's links that name something visitors do."""
    received = front.received if front else None
    if received is None or not received.is_html or received.is_encoded:
        return []
    text = received.body.decode("utf-8", "replace")
    try:
        require_simple(text)
    except TooComplex:
        return []
    found: dict[str, None] = {}
    for node in LexborHTMLParser(text).css("a[href]")[:_MOST_LINKS]:
        href = (node.attributes.get("href") or "").strip()
        try:
            path = addresses.path_of(href, site_url)
            parts = [part for part in urlsplit(path).path.split("/") if part]
        except (Invalid, ValueError):
            continue
        if parts and "?" not in path and len(parts) <= 3 and _USEFUL.search(parts[-1]):
            found[path] = None
    return list(found)[:MOST]


def suggest(
    linked: Iterable[str], plugins: Iterable[str], taken: Collection[str]
) -> list[Suggestion]:
    """Return pages that are not in the list yet.

    `plugins` are the files of the active plugins; `linked` are paths from `paths_in`.
    """
    folders = {plugin.partition("/")[0] for plugin in plugins}
    found = [
        Suggestion("/", "The front page"),
        *(Suggestion(path, "Linked from the front page") for path in linked),
        Suggestion("/wp-login.php", "Where people sign in", selector="#loginform"),
        Suggestion("/wp-json/", "What apps and the editor use", phrase='"namespaces"'),
    ]
    if "woocommerce" in folders:
        found[1:1] = [
            Suggestion("/shop/", "WooCommerce is active"),
            Suggestion("/checkout/", "WooCommerce is active"),
        ]
    first: dict[str, Suggestion] = {}
    for one in found:
        first.setdefault(one.path, one)
    return [one for one in first.values() if one.path not in taken][:MOST]
