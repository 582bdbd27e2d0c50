"""Forty pages of made-up websites, with the HTML of WordPress themes and plugins.

Each visit differs as real ones do: carousels, dates, nonces, A/B tests, caches and counters. A page
is named by its number; `draw` gives its HTML for one visit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from app.domain.page_checks.comparison import Look, Requirements, unmet_requirements
from app.domain.page_checks.structure import Document, read_structure
from app.http.response import RawResponse

COUNT = 40
ADDRESS = "https://shop.example/page/"
GOODS = ("Rye bread", "Spelt rolls", "Walnut cake", "Cheese tart", "Oat biscuits", "Plum jam")
MONTHS = ("January", "March", "May", "July", "October", "November")
CURRENCIES = ("€", "$", "£", "CHF ")


@dataclass(frozen=True)
class Page:
    """One page: its kind, and what must be on it."""

    number: int
    kind: str
    required: Requirements

    def draw(self, visit: Random, spoil: Callable[[str], str] = str) -> str:
        """Return the page as one visitor gets it, changed by `spoil`."""
        parts = {
            "shop": _shop,
            "checkout": _checkout,
            "contact": _contact,
            "front": _front,
            "login": _login,
        }
        return spoil(_frame(self.number, self.kind, parts[self.kind](self.number, visit), visit))

    def look(self, visit: Random, spoil: Callable[[str], str] = str) -> Look:
        """Look at it once."""
        return look_at(self.draw(visit, spoil), self.required)


def look_at(text: str, required: Requirements, status: int = 200) -> Look:
    return look_at_answer(answer(text, status), required)


def look_at_answer(received: RawResponse, required: Requirements) -> Look:
    document = Document.parse(received, ADDRESS)
    return Look(read_structure(document), unmet_requirements(document, required))


def answer(text: str, status: int = 200, media: str = "text/html; charset=utf-8") -> RawResponse:
    body = text.encode()
    return RawResponse(status, {"Content-Type": media}, body, False, 2**20, "203.0.113.1", ())


def pages() -> list[Page]:
    kinds = {
        "shop": Requirements(phrase="Add to cart", selector="span.price"),
        "checkout": Requirements(selector="#place_order", form_action="/checkout/"),
        "contact": Requirements(phrase="Send message", form_action="/contact/"),
        "front": Requirements(phrase="Open today"),
        "login": Requirements(selector="#loginform", form_action="/wp-login.php"),
    }
    names = list(kinds)
    return [Page(n, names[n % 5], kinds[names[n % 5]]) for n in range(COUNT)]


def _hex(visit: Random, length: int = 10) -> str:
    return f"{visit.getrandbits(4 * length):0{length}x}"


def _frame(number: int, kind: str, body: str, visit: Random) -> str:
    section = ("shop", "blog", "about", "contact", "opening-hours")
    menu = "".join(f'<li><a href="/{name}/">{name.title()}</a></li>' for name in section)
    wide = visit.choice(("variant-a", "variant-b"))
    styles = (
        f'<link rel="stylesheet" href="/wp-content/themes/t{number % 4}/style.css?ver={number}">'
    )
    merged = f'<link rel="stylesheet" href="/wp-content/cache/min/{_hex(visit, 32)}.css">'
    scripts = "".join(
        f'<script src="/wp-content/plugins/{name}/app.js?ver={visit.randrange(9)}"></script>'
        for name in ("forms", "cart", "menu")[: 1 + number % 3]
    )
    return (
        f'<!doctype html><html lang="en"><head><title>{kind.title()} {number % 7} – Bakery</title>'
        f"{styles}{merged}</head>"
        f'<body class="page {wide} recent-posts-on"><header><nav><ul>{menu}</ul></nav></header>'
        f"{_promotion(visit)}<main>{body}</main>{_carousel(visit)}{_recent(visit)}"
        f"<footer><p>{visit.choice(MONTHS)} {visit.randrange(1, 29)}, 2026, "
        f"{visit.randrange(1, 900)} visitors</p></footer>"
        f'<script>var nonce="{_hex(visit)}";</script>{scripts}'
        f"<!-- cached in {visit.random():.4f} s --></body></html>"
    )


def _promotion(visit: Random) -> str:
    """Return the teaser of an A/B test: half of the visitors get another one."""
    text = visit.choice(("<h2>Try our new jam</h2>", '<a class="b" role="button">Taste it</a>'))
    return f'<div class="ab-test experiment-{visit.randrange(99)}">{text}</div>'


def _carousel(visit: Random) -> str:
    chosen = visit.sample(GOODS, 3)
    slides = "".join(
        f'<div class="swiper-slide"><h3>{name}</h3><span class="price">€{visit.randrange(2, 9)}'
        f'</span><button type="button">Show {name}</button></div>'
        for name in chosen
    )
    return f'<section class="swiper" id="s{_hex(visit, 6)}">{slides}</section>'


def _recent(visit: Random) -> str:
    count = visit.randrange(2, 6)
    items = "".join(
        f"<li><a href='/{visit.randrange(99)}/'>{visit.choice(GOODS)}</a></li>"
        for _ in range(count)
    )
    return f'<aside class="recent-posts"><h2>From the blog</h2><ul>{items}</ul></aside>'


def _shop(number: int, visit: Random) -> str:
    money = CURRENCIES[number % 4]
    rows = "".join(
        f'<li class="product post-{visit.randrange(9999)}"><h2>{name}</h2><span class="price">'
        f'<span class="amount"><bdi>{money}{visit.randrange(2, 30)}.{visit.randrange(10, 99)}</bdi>'
        f'</span></span><button name="add" type="submit" value="{visit.randrange(999)}">Add to cart'
        "</button></li>"
        for name in GOODS[: 2 + number % 4]
    )
    stock = f"<p>Only {visit.randrange(1, 9)} left</p>"
    return f'<h1>Shop</h1><ul class="products">{rows}</ul>{stock}'


def _checkout(number: int, visit: Random) -> str:
    money = CURRENCIES[number % 4]
    fields = "".join(
        f'<input name="billing_{name}" type="text">' for name in ("name", "city", "zip")
    )
    return (
        f'<h1>Checkout</h1><form method="post" action="/checkout/?s={_hex(visit)}">{fields}'
        f'<input type="hidden" name="checkout-nonce" value="{_hex(visit)}">'
        f'<input name="hp_{_hex(visit, 8)}" style="display:none">'
        f'<p class="total">Total <strong class="order-price">{money}{visit.randrange(9, 99)}.00'
        f'</strong></p><button id="place_order" type="submit">Place order</button></form>'
    )


def _contact(number: int, visit: Random) -> str:
    extra = '<input type="file" name="photo">' if number % 2 else ""
    return (
        f'<h1>Contact</h1><form id="wpcf7-f{number}" method="post" action="/contact/#wpcf7-o1">'
        f'<input name="your-name"><input type="email" name="your-email">{extra}'
        f'<textarea name="your-message"></textarea><input type="hidden" name="_wpnonce" '
        f'value="{_hex(visit)}"><input type="submit" value="Send message"></form>'
        f"<p>We answer within {visit.randrange(2, 5)} hours.</p>"
    )


def _front(number: int, visit: Random) -> str:
    return (
        f"<h1>Fresh bread, every day</h1><p>Open today until {visit.randrange(17, 20)}:00</p>"
        f"<h2>{visit.choice(MONTHS)} {visit.randrange(1, 28)}: what we bake</h2>"
        f'<p class="from">From <span class="price-from">€{visit.randrange(2, 9)}</span></p>'
        f'<a role="button" href="/shop/?ref={_hex(visit)}">Order now</a>'
        f'<form role="search" action="/"><input name="s" type="search"></form>'
    )


def _login(number: int, visit: Random) -> str:
    return (
        '<form id="loginform" name="loginform" action="/wp-login.php" method="post">'
        '<input name="log"><input name="pwd" type="password">'
        f'<input type="hidden" name="testcookie" value="{visit.randrange(9)}">'
        '<button type="submit" id="wp-submit">Log In</button></form>'
    )
