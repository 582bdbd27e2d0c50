"""What a page consists of, without what changes from one visit to the next. Pure.

A feature is a short text such as "post /contact/". Numbers, long hexadecimal texts, query strings
and anything in a carousel or a list of related entries is left out: none of it says that a page
works.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from app.http.response import RawResponse

HEADING = "heading"
FORM = "form"
FIELD = "field"
BUTTON = "button"
LINK = "link"
PRICE = "price"
SCRIPT = "script"
STYLE = "style"
DATA = "data"
KINDS = (HEADING, FORM, FIELD, BUTTON, LINK, PRICE, SCRIPT, STYLE, DATA)

# More features of one kind are not compared, so that a huge page stays small in the database.
MOST_OF_A_KIND = 120
_MOST_NODES = 4000
_MOST_LEVELS = 60
_MAX_CHARS = 100
_MAX_KEYS = 60

# What WordPress and PHP themselves write where a page should be.
_BROKEN = re.compile(
    rb"there has been a critical error on (this|your) website"
    rb"|(fatal|parse) error(</b>)?:.{0,300}? on line",
    re.IGNORECASE | re.DOTALL,
)
# A message of PHP in a page, with html_errors on or off.
_NOTICE = re.compile(
    r"(warning|notice|deprecated|strict standards|fatal error|parse error)(?:</b>)?:\s"
    r"[^\n]{1,500}?\son line\s(?:<b>)?\d+",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d[\d.,:]*")
# Nonces, hashes in names of files, and ids.
_RANDOM = re.compile(r"(?=[0-9a-f]*\d)[0-9a-f]{6,}|(?=\w*\d)(?=\w*[a-z])\w{16,}", re.IGNORECASE)
_MONTH = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
)
# Classes and ids of parts that show something else each time.
_VARIES = re.compile(
    r"carousel|slide|swiper|slick|\bowl\b|splide|flickity|rotat|random|related|recent|latest"
    r"|up-?sells?|cross-?sells?|recommend|banner|advert|\bads?\b|testimonial|countdown|popup|modal"
    r"|cookie|consent|experiment|variant|\bab-?test",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"(?:[€$£¥₹]|\b(?:eur|usd|chf|gbp|kr|zł)\b)\s?\d|\d\s?(?:[€$£¥₹]|\b(?:eur|usd|chf|gbp|kr|zł)\b)",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# Elements without an end, or whose end is often left out; and shapes, which end with "/>".
_UNNESTED = frozenset(
    {
        *("area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr"),
        *("html", "img", "input", "li", "link", "meta", "optgroup", "option", "p", "param"),
        *("rp", "rt", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr"),
    }
)
_SHAPES = frozenset(("circle", "ellipse", "line", "path", "polygon", "polyline", "rect", "use"))
_TAG = re.compile(r"/?[a-z][a-z0-9:-]{0,40}", re.IGNORECASE)
_DEEPEST = 1000
_MOST_REPEATED = 5000
_LONG_TAG = 10_000
_MOST_ATTRIBUTES = 3000
_UNSTABLE_FIELD = re.compile(r"nonce|token|csrf|captcha|honeypot|\bhp\b|timestamp", re.IGNORECASE)


@dataclass(frozen=True)
class Structure:
    """One page: its status, title, messages of PHP, and its features by kind, each sorted.

    `assets` are the addresses of its own scripts and stylesheets. None of this is a secret: it is
    what every visitor gets.
    """

    status: int
    title: str = ""
    notices: tuple[str, ...] = ()
    features: dict[str, tuple[str, ...]] = field(default_factory=dict)
    assets: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        features = {kind: list(found) for kind, found in self.features.items()}
        return {
            "status": self.status,
            "title": self.title,
            "notices": list(self.notices),
            "features": features,
            "assets": list(self.assets),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Structure:
        return cls(
            stored["status"],
            stored["title"],
            tuple(stored["notices"]),
            {kind: tuple(found) for kind, found in stored["features"].items()},
            tuple(stored["assets"]),
        )


def is_broken(received: RawResponse) -> bool:
    """Whether an answer is an error of PHP or WordPress instead of a page."""
    return received.status == 500 or _BROKEN.search(received.body) is not None


def is_json(received: RawResponse) -> bool:
    """Whether an answer is data, as from a REST route."""
    return received.media_type == "application/json" or received.media_type.endswith("+json")


class TooComplex(Exception):
    """A page would take a parser of HTML too long."""


@dataclass(frozen=True)
class Document:
    """An answer from `address`, parsed once. The tree of JSON is empty."""

    received: RawResponse
    address: str
    text: str
    tree: LexborHTMLParser

    @classmethod
    def parse(cls, received: RawResponse, address: str) -> Document:
        """Parse an answer. Raises: TooComplex."""
        text = received.body.decode("utf-8", "replace")
        if is_json(received):
            return cls(received, address, text, LexborHTMLParser(""))
        require_simple(text)
        return cls(received, address, text, LexborHTMLParser(text))

    @property
    def notices(self) -> tuple[str, ...]:
        """The kinds of messages that PHP wrote into the page."""
        return tuple(sorted({found[1].casefold() for found in _NOTICE.finditer(self.text)}))


def require_simple(text: str) -> None:
    """Refuse HTML that no theme writes, and that takes the parser a minute instead of a moment.

    Its time grows with the square of the depth, of the options in a list, and of the attributes
    of one element. Raises: TooComplex.
    """
    depth = repeated = 0
    for piece in text.split("<")[1:]:
        name = _TAG.match(piece)
        if name is None:
            continue
        tag = name[0].casefold()
        is_ended = tag in _SHAPES and piece.partition(">")[0].endswith("/")
        repeated += is_ended or tag == "option"
        if tag.startswith("/"):
            depth = max(0, depth - 1)
        elif tag not in _UNNESTED and not is_ended:
            depth += 1
        if depth > _DEEPEST or repeated > _MOST_REPEATED or _has_many_attributes(tag, piece):
            raise TooComplex(tag)


def _has_many_attributes(tag: str, piece: str) -> bool:
    """Whether this may be an element with thousands of attributes, and not a long text."""
    if len(piece) <= _LONG_TAG:
        return False
    if tag in ("script", "style"):
        head = piece.partition(">")[0]
        if head.count('"') % 2 == 0 and head.count("'") % 2 == 0:
            piece = head  # what follows is code
    return len(piece.split(None, _MOST_ATTRIBUTES)) > _MOST_ATTRIBUTES


def read_structure(document: Document) -> Structure:
    """Return the structure of an answer."""
    status, tree, address = document.received.status, document.tree, document.address
    if is_json(document.received):
        found = {DATA: _numbered(_data_features(document.text))}
        return Structure(status, "", document.notices, found)
    title = tree.css_first("title")
    features = {kind: _numbered(find(tree, address)) for kind, find in _FINDERS.items()}
    return Structure(
        status,
        normal_text(title.text()) if title else "",
        document.notices,
        {kind: found for kind, found in features.items() if found},
        tuple(_own_assets(tree, address)),
    )


def normal_text(text: str) -> str:
    """Return a text as it is compared: without case, numbers, dates and random parts."""
    plain = " ".join(text.split()).casefold()[: 4 * _MAX_CHARS]
    return without_noise(_MONTH.sub("#", plain))[:_MAX_CHARS]


def without_noise(text: str) -> str:
    """Return a text without numbers and random parts."""
    return _NUMBER.sub("#", _RANDOM.sub("#", text))


def normal_address(reference: str, base: str) -> str:
    """Return an address as it is compared: its path, and its host if that is another one."""
    try:
        target = urlsplit(urljoin(base, reference.strip()))
        is_own = target.hostname == urlsplit(base).hostname
    except ValueError:
        return "?"
    if target.scheme not in ("http", "https"):
        return f"{target.scheme}:"[:_MAX_CHARS]
    path = without_noise((target.path or "/")[: 4 * _MAX_CHARS])  # it takes quadratic time
    return (path if is_own else f"{target.hostname}{path}")[:_MAX_CHARS]


def is_shown(node: LexborNode) -> bool:
    """Whether neither the element nor one around it is hidden by an attribute.

    What a stylesheet hides cannot be seen here.
    """
    return not any(_is_hidden(one) for one in _lineage(node))


def _is_hidden(node: LexborNode) -> bool:
    found = node.attributes
    style = found.get("style") or ""
    return "hidden" in found or "inert" in found or _INVISIBLE.search(style) is not None


def _varies(node: LexborNode) -> bool:
    # The classes of <body> name what a page has, not what it is.
    inner = (one for one in _lineage(node) if one.tag not in ("body", "html", "main", "form"))
    return any(_VARIES.search(_names(one)) for one in inner)


def _names(node: LexborNode) -> str:
    found = node.attributes
    return f"{found.get('class') or ''} {found.get('id') or ''}"


def _lineage(node: LexborNode) -> Iterator[LexborNode]:
    """Yield the element and those around it."""
    one: LexborNode | None = node
    for _ in range(_MOST_LEVELS):
        if one is None or one.tag in ("-undef", "-document"):
            return
        yield one
        one = one.parent


def _numbered(features: Iterable[str]) -> tuple[str, ...]:
    """Return sorted features; a repeated one is followed by its number, so that each counts."""
    seen: Counter[str] = Counter()
    numbered = []
    for feature in features:
        if feature:
            seen[feature] += 1
            numbered.append(feature if seen[feature] == 1 else f"{feature} ({seen[feature]})")
        if len(numbered) == MOST_OF_A_KIND:
            break
    return tuple(sorted(numbered))


def _nodes(tree: LexborHTMLParser, selector: str) -> list[LexborNode]:
    return tree.css(selector)[:_MOST_NODES]


# ---- one kind of feature each ----


def _headings(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    for node in _nodes(tree, "h1, h2, h3"):
        if is_shown(node) and not _varies(node):
            yield normal_text(node.text(separator=" "))


def _forms(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    for node in _nodes(tree, "form"):
        if is_shown(node):
            yield form_name(node, address)


def form_name(form: LexborNode, address: str) -> str:
    """Return the method of a form and where it goes; a form without action goes to its page."""
    action = form.attributes.get("action")
    goes_to = normal_address(action, address) if action else "no action"
    return f"{(form.attributes.get('method') or 'get').casefold()[:10]} {goes_to}"


def _fields(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    for node in _nodes(tree, "form input[name], form select[name], form textarea[name]"):
        name, kind = node.attributes.get("name") or "", node.attributes.get("type") or node.tag
        if kind in ("hidden", "submit", "image") or _UNSTABLE_FIELD.search(name):
            continue
        if is_shown(node):
            yield f"{normal_text(str(kind))} {normal_text(name)}"


def _buttons(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    for node in _nodes(tree, "button, input[type=submit], input[type=button], a[role=button]"):
        found = node.attributes
        words = node.text(separator=" ") or found.get("value") or found.get("aria-label") or ""
        if "disabled" not in found and is_shown(node) and not _varies(node):
            yield normal_text(words)


def _links(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    """Yield the links of menus: the main sections of the site."""
    found = [
        normal_address(node.attributes.get("href") or "", address)
        for node in _nodes(tree, "nav a[href], header a[href]")
        if is_shown(node) and not _varies(node)
    ]
    yield from dict.fromkeys(found)


def _prices(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    """Yield where prices are, not what they are."""
    for node in _nodes(tree, "span, bdi, p, td, strong, b, em, div, li, ins, dd, data"):
        own = node.text(deep=False)
        names = _names(node).casefold()
        is_named = "price" in names or "amount" in names
        is_price = _MONEY.search(own) or (
            is_named and any(sign.isdigit() for sign in node.text()[:200])
        )
        if is_price and is_shown(node) and not _varies(node):
            yield f"{node.tag} {normal_text(node.attributes.get('class') or '')}".strip()


def _scripts(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    for node in _nodes(tree, "script[src]"):
        yield normal_address(node.attributes.get("src") or "", address)


def _styles(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    for node in _nodes(tree, "link[rel~=stylesheet][href]"):
        yield normal_address(node.attributes.get("href") or "", address)


_FINDERS = {
    HEADING: _headings,
    FORM: _forms,
    FIELD: _fields,
    BUTTON: _buttons,
    LINK: _links,
    PRICE: _prices,
    SCRIPT: _scripts,
    STYLE: _styles,
}


def _own_assets(tree: LexborHTMLParser, address: str) -> Iterator[str]:
    """Yield the addresses of scripts and stylesheets on the same host, without fragments."""
    found: dict[str, None] = {}
    for node in _nodes(tree, "script[src], link[rel~=stylesheet][href]"):
        reference = node.attributes.get("src") or node.attributes.get("href") or ""
        try:
            target = urlsplit(urljoin(address, reference.strip()))
            is_own = target.netloc == urlsplit(address).netloc
        except ValueError:
            continue
        if is_own and target.scheme in ("http", "https"):
            found[target._replace(fragment="").geturl()[:500]] = None
    yield from list(found)[:MOST_OF_A_KIND]


def _data_features(text: str) -> Iterator[str]:
    """Yield the names and types at the top of a JSON document."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield "no valid JSON"
        return
    if isinstance(document, list):
        yield "list"
        document = document[0] if document else None
    if isinstance(document, dict):
        for name, value in list(document.items())[:_MAX_KEYS]:
            # JSON can name half of a character, which no database stores.
            yield f"{normal_text(name.encode('utf-8', 'replace').decode())} {type(value).__name__}"
