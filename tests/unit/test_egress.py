"""Outgoing connections: only public addresses and allowed networks, whatever a name resolves to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from app.http import egress
from app.http.egress import AddressRefused, NoConnection, check_url
from app.http.ip_policy import is_reachable
from tests.support.hostile.server import HostileServer, http, sends

LOOPBACK = (ip_network("127.0.0.0/8"),)
HELLO = sends(http(200, {"Content-Type": "text/plain"}, b"hello"))

INWARD_LITERALS = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "169.254.169.254",
    "0.0.0.0",
    "[::]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "[fd00::1]",
    "[fe80::1]",
]


def resolves_to(*answers: list[str]) -> tuple[Callable[..., list[Any]], list[str]]:
    """Return a resolver with another answer for each query, and the list of the names queried."""
    queried: list[str] = []

    def resolve(host: str, port: int, *_: object) -> list[Any]:
        queried.append(host)
        found = answers[min(len(queried), len(answers)) - 1]
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in ip], socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]

    return resolve, queried


def get(url: str, allow_nets: tuple[Any, ...] = (), **options: Any) -> requests.Response:
    with egress.session(allow_nets, **options) as session:
        return session.get(url)


def test_a_listed_network_is_reached() -> None:
    with HostileServer(HELLO) as server:
        assert get(server.url, LOOPBACK).text == "hello"


@pytest.mark.parametrize("host", INWARD_LITERALS)
def test_every_spelling_of_an_inward_address_is_refused(host: str) -> None:
    with HostileServer(HELLO) as server:
        with pytest.raises(AddressRefused):
            get(f"http://{host}:{server.port}/")
        assert server.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "fec0::1",
        "fe80::1%eth0",
        "ff02::1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "100.64.0.1",
        "0.1.2.3",
        "2001:db8::1",
        "100::1",
    ],
)
def test_private_addresses_in_public_notation_are_refused(address: str) -> None:
    assert not is_reachable(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "9.9.9.9"])
def test_public_addresses_are_reachable(address: str) -> None:
    assert is_reachable(address)


def test_a_listed_private_network_allows_no_other() -> None:
    nets = (ip_network("192.168.1.0/24"), ip_network("fd00:1::/64"))
    assert is_reachable("192.168.1.7", nets)
    assert is_reachable("::ffff:192.168.1.7", nets)
    assert is_reachable("fd00:1::9", nets)
    assert not is_reachable("192.168.2.7", nets)
    assert not is_reachable("10.0.0.1", nets)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0"])
def test_allowing_all_networks_does_not_include_this_machine(address: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert is_reachable("10.0.0.1", everything)
    assert not is_reachable(address, everything)


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::a9fe:a9fe",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "2001:0:7f00:1:0:0:8080:fefe",
        "2001:0:808:808:0:0:80ff:fffe",
        "::127.0.0.1",
        "::169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::0.0.0.0",
        "64:ff9b::255.255.255.255",
    ],
)
@pytest.mark.parametrize("nets", [("::/0",), ("0.0.0.0/0", "::/0"), ("64:ff9b::/96", "::/96")])
def test_an_embedded_address_is_checked_as_well(address: str, nets: tuple[str, ...]) -> None:
    assert not is_reachable(address, tuple(map(ip_network, nets)))


def test_a_listed_gateway_leads_to_public_addresses() -> None:
    gateway = (ip_network("64:ff9b::/96"),)
    assert is_reachable("64:ff9b::93.184.216.34", gateway)
    assert not is_reachable("64:ff9b::10.0.0.1", gateway)
    assert is_reachable("64:ff9b::10.0.0.1", (*gateway, ip_network("10.0.0.0/8")))
    assert not is_reachable("64:ff9b::93.184.216.34")


def test_loopback_and_link_local_are_reached_when_listed_themselves() -> None:
    assert is_reachable("127.0.0.5", LOOPBACK)
    assert is_reachable("169.254.7.7", (ip_network("169.254.0.0/16"),))


@given(st.ip_addresses(v=4))
def test_an_embedded_private_address_is_never_reachable(ip: Any) -> None:
    if is_reachable(str(ip)):
        assert ip.is_global
    assert is_reachable(f"::ffff:{ip}") == is_reachable(str(ip))
    assert not is_reachable(f"64:ff9b::{ip}")
    assert not is_reachable(f"::{ip}")


def test_a_name_is_resolved_once_and_that_answer_is_used() -> None:
    resolve, queried = resolves_to(["127.0.0.2"], ["127.0.0.1"])
    allowed = (ip_network("127.0.0.2/32"),)
    with HostileServer(HELLO, host="127.0.0.2") as server:
        url = f"http://rebinding.example.test:{server.port}/"
        assert get(url, allowed, resolve=resolve).text == "hello"
        assert queried == ["rebinding.example.test"]
        with pytest.raises(AddressRefused) as caught:
            get(url, allowed, resolve=resolve)
    assert caught.value.address == "127.0.0.1"


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_one_bad_address_among_good_ones_refuses_the_name(order: slice) -> None:
    with HostileServer(HELLO, host="127.0.0.2") as server:
        resolve, _ = resolves_to(["127.0.0.2", "169.254.169.254"][order])
        with pytest.raises(AddressRefused) as caught:
            get(f"http://mixed.example.test:{server.port}/", LOOPBACK, resolve=resolve)
        assert server.connections == 0
    assert caught.value.address == "169.254.169.254"


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    resolve, _ = resolves_to(["127.0.0.3", "127.0.0.2"])
    with HostileServer(HELLO, host="127.0.0.2") as server:
        url = f"http://two.example.test:{server.port}/"
        assert get(url, LOOPBACK, resolve=resolve).text == "hello"


def test_a_name_without_addresses_is_no_connection() -> None:
    resolve, _ = resolves_to([])
    with pytest.raises(NoConnection):
        get("http://empty.example.test/", LOOPBACK, resolve=resolve)


def test_certificate_name_and_host_header_are_the_typed_name() -> None:
    resolve, _ = resolves_to(["127.0.0.1"])
    with HostileServer(HELLO) as server:
        get(f"http://shop.example.test:{server.port}/", LOOPBACK, resolve=resolve)
    assert server.received[0].headers["Host"] == f"shop.example.test:{server.port}"


def test_proxy_environment_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(HELLO) as proxy, HostileServer(HELLO) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        get(server.url, LOOPBACK)
        assert server.connections == 1
        assert proxy.connections == 0


def test_an_explicit_proxy_is_ignored() -> None:
    with HostileServer(HELLO) as proxy, HostileServer(HELLO) as server:
        with egress.session(LOOPBACK) as session:
            session.proxies = {"http": proxy.url}
            session.get(server.url, proxies={"http": proxy.url})
        assert server.connections == 1
        assert proxy.connections == 0


def test_redirects_are_never_followed() -> None:
    with HostileServer(HELLO) as elsewhere:
        away = sends(http(302, {"Location": elsewhere.url}))
        with HostileServer(away) as server, egress.session(LOOPBACK) as session:
            response = session.get(server.url, allow_redirects=True)
        assert response.status_code == 302
        assert elsewhere.connections == 0


def test_cookies_are_not_kept_for_the_next_call() -> None:
    with HostileServer(sends(http(200, {"Set-Cookie": "a=b"}))) as server:
        get(server.url, LOOPBACK)
        get(server.url, LOOPBACK)
    assert all("Cookie" not in request.headers for request in server.received)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.test/",
        "gopher://example.test/",
        "http://",
        "http:///path",
        "http://user@example.test/",
        "http://user:pw@example.test/",
        "http://example.test/#part",
        "http://example.test:0/",
        "http://example.test:65536/",
        "http://example.test:port/",
        "http://exa mple.test/",
        "http://example.test\\@inside/",
        "http://example.test/\n",
        "http://bücher.test/",
        "http://[::1/",
        "http://example.test/" + "a" * 2000,
    ],
)
def test_only_plain_http_addresses_pass(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.test",
        "https://example.test:8443/blog/?rest_route=/siteagent/v1/rpc",
        "https://xn--bcher-kva.test/",
        "http://[2606:4700::1111]/",
    ],
)
def test_plain_http_addresses_pass(url: str) -> None:
    check_url(url)


def test_the_session_speaks_no_other_scheme() -> None:
    with egress.session(LOOPBACK) as session:
        assert sorted(session.adapters) == ["http://", "https://"]
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.get_adapter("file:///etc/passwd")
