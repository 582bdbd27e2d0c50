"""Which domain of an address is registered, by the public suffix list."""

from __future__ import annotations

import pytest

from app.domain.uptime.domain_names import belongs_to_host, registered_domain


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://bakery.com", "bakery.com"),
        ("https://www.bakery.co.uk/shop", "bakery.co.uk"),
        ("https://a.b.c.bakery.com.au:8443", "bakery.com.au"),
        ("https://xn--bcker-gra.de", "xn--bcker-gra.de"),
        ("https://WWW.Bakery.COM.", "bakery.com"),
        ("https://agency.github.io", "github.io"),
        ("https://192.0.2.7", ""),
        ("https://[2001:db8::7]", ""),
        ("http://localhost", ""),
        ("https://co.uk", ""),
        ("", ""),
    ],
)
def test_an_address_has_a_registered_domain(url: str, domain: str) -> None:
    assert registered_domain(url) == domain


def test_a_shared_hosting_domain_belongs_to_the_host() -> None:
    assert belongs_to_host("github.io")
    assert not belongs_to_host("bakery.com")
