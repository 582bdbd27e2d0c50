"""Addresses of pages: on the site's own host, requested by GET, without anything secret. Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from app.domain.errors import Invalid

MAX_PATH_CHARS = 500
_MOST_FIELDS = 50

# Names in a query whose values let someone in, or that make WordPress do something.
_SECRET = re.compile(
    r"(^|[_-])(key|secret|token|password|pass|pwd|passwd|auth|signature|sig|nonce|wpnonce|session"
    r"|sid|code|otp|hash|api[_-]?key|access|credential|login|order[_-]?key)($|[_-])",
    re.IGNORECASE,
)
_ACTION = re.compile(
    r"^(action|add-to-cart|remove_item|undo_item|wc-ajax|doing_wp_cron|delete|logout|loggedout"
    r"|unsubscribe|apply_coupon|empty-cart)$",
    re.IGNORECASE,
)
_NO_PAGE = re.compile(r"/(wp-cron|xmlrpc|admin-ajax|admin-post)\.php|/wp-admin(/|$)", re.IGNORECASE)


def path_of(typed: str, site_url: str) -> str:
    """Return the path and query of a page that someone typed, as an address or as a path.

    A path is one on the host of the site. Raises: Invalid('path', …).
    """
    text = typed.strip()
    if not text:
        raise Invalid("path", "Enter the address of a page.")
    try:
        site, target = urlsplit(site_url), urlsplit(urljoin(f"{site_url}/", text))
        is_same_host = _bare(site.hostname) == _bare(target.hostname) and (
            target.port in (None, site.port)
        )
    except ValueError:
        raise Invalid("path", "This is not an address.") from None
    if target.scheme not in ("http", "https") or not is_same_host:
        raise Invalid("path", f"Only pages on {site.hostname} can be checked.")
    if target.username is not None or target.password is not None:
        raise Invalid("path", "Remove the name and password from the address.")
    _check_query(target.query)
    if _NO_PAGE.search(target.path):
        raise Invalid("path", "Aura checks pages that visitors see. Choose another page.")
    path = quote(target.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(target.query, safe="=&%+:@!$'()*,;/?~-._[]")
    found = f"{path}?{query}" if query else path
    if len(found) > MAX_PATH_CHARS:
        raise Invalid("path", f"At most {MAX_PATH_CHARS} characters.")
    return found


def address_of(path: str, site_url: str) -> str:
    """Return the whole address of a page."""
    site = urlsplit(site_url)
    return f"{site.scheme}://{site.netloc}{path}"


def _check_query(query: str) -> None:
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("path", f"The address has more than {_MOST_FIELDS} parameters.") from None
    for name, _ in fields:
        if _SECRET.search(name):
            raise Invalid(
                "path", f"Remove “{name[:40]}” from the address: its value may be a secret."
            )
        if _ACTION.search(name):
            raise Invalid(
                "path", f"Remove “{name[:40]}” from the address: it makes the site do something."
            )


def _bare(host: str | None) -> str:
    return (host or "").casefold().removeprefix("www.")
