"""Which domain of an address is registered, by the public suffix list (publicsuffix.org).

The list comes with a package, and a release of Aura brings a newer one.
"""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList


def registered_domain(url: str) -> str:
    """Return the domain that someone pays for: `bakery.co.uk` for `https://www.bakery.co.uk`.

    Empty for an address without one, such as an IP address or `localhost`.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    if not host or _is_address(host):
        return ""
    return _of_registries().privatesuffix(host) or ""


def belongs_to_host(domain: str) -> bool:
    """Whether people have addresses below a domain that is someone else's, such as github.io."""
    return _of_everyone().privatesuffix(domain) is None


@cache
def _of_registries() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


@cache
def _of_everyone() -> PublicSuffixList:
    return PublicSuffixList()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
