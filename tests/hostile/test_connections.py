"""What goes wrong before anything is sent: names, addresses, ports, certificates."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from urllib3.util.ssl_ import create_urllib3_context

from app.http import certificates
from app.http.site_client import CallError, ErrorCode, Reply, call, call_bearer
from tests.support.hostile.calls import LOOPBACK
from tests.support.hostile.certificates import DAY, Authority
from tests.support.hostile.server import HostileServer
from tests.support.hostile.site import answers, channel, document


def test_an_unknown_name_is_named() -> None:
    def unknown(*_: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(CallError) as caught:
        call(
            channel("http://no.example.test"), "ping", {}, by="Ana", allow_nets=(), resolve=unknown
        )
    assert caught.value.error_code is ErrorCode.dns
    assert caught.value.evidence == {
        "host": "no.example.test",
        "detail": "Name or service not known",
    }


def test_a_silent_name_server_does_not_delay_the_call() -> None:
    never = threading.Event()

    def silent(*_: object) -> list[Any]:
        never.wait(30)
        return []

    with pytest.raises(CallError) as caught:
        call(
            channel("http://slow.example.test"),
            "ping",
            {},
            by="Ana",
            allow_nets=(),
            resolve=silent,
            deadline_s=0.2,
        )
    never.set()
    assert caught.value.error_code is ErrorCode.dns


def test_a_closed_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CallError) as caught:
        call(channel(f"http://127.0.0.1:{port}"), "ping", {}, by="Ana", allow_nets=LOOPBACK)
    assert caught.value.error_code is ErrorCode.connection_refused
    assert caught.value.evidence["address"] == f"127.0.0.1 port {port}"


def test_a_full_backlog_is_a_connect_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        target = listener.getsockname()
        waiting = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(target)
            waiting.append(sock)
        with pytest.raises(CallError) as caught:
            call(
                channel(f"http://127.0.0.1:{target[1]}"),
                "ping",
                {},
                by="Ana",
                allow_nets=LOOPBACK,
                deadline_s=0.4,
            )
        for sock in waiting:
            sock.close()
    assert caught.value.error_code is ErrorCode.connect_timeout


def test_a_private_address_is_refused_and_not_called() -> None:
    with HostileServer(answers(document())) as server, pytest.raises(CallError) as caught:
        call(channel(server.url), "ping", {}, by="Ana", allow_nets=())
    assert caught.value.error_code is ErrorCode.address_refused
    assert caught.value.evidence == {"host": "127.0.0.1", "address": "127.0.0.1"}
    assert server.connections == 0


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://site.example.test",
        "http://ana:pw@site.example.test",
        "http://site.example.test/#",
        "http://bücher.example.test",
        "http://site.example.test:0",
        "http://site.example.test:99999",
        "http:///nohost",
        "nonsense",
        "http://" + "a" * 2000,
    ],
)
def test_an_address_that_is_not_plain_http_is_refused(endpoint: str) -> None:
    with pytest.raises(CallError) as caught:
        call(channel(endpoint), "ping", {}, by="Ana", allow_nets=LOOPBACK)
    assert caught.value.error_code is ErrorCode.address_refused
    with pytest.raises(CallError) as caught:
        call_bearer(endpoint, {"op": "revoke"}, allow_nets=LOOPBACK)
    assert caught.value.error_code is ErrorCode.address_refused


def at_home(*_: object) -> list[Any]:
    """Resolve every name to this machine."""
    host, port = _[0], _[1]
    assert isinstance(host, str)
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@contextmanager
def https_site(authority: Authority, name: str, **options: Any) -> Iterator[HostileServer]:
    with HostileServer(answers(document(time=1)), tls=authority.server(name, **options)) as server:
        yield server


def over_tls(server: HostileServer, authority: Authority, **options: Any) -> Reply:
    options = {"ca_file": str(authority.ca_file)} | options
    return call(
        channel(f"https://shop.example.test:{server.port}"),
        "ping",
        {},
        by="Ana",
        allow_nets=LOOPBACK,
        resolve=at_home,
        **options,
    )


def test_a_good_certificate_is_accepted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with https_site(authority, "shop.example.test") as server:
        assert over_tls(server, authority).document["time"] == 1


def test_the_ca_file_is_read_again_only_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def create() -> ssl.SSLContext:
        read.append(1)
        return create_urllib3_context()

    monkeypatch.setattr(certificates, "create_urllib3_context", create)
    authority = Authority(tmp_path)
    with https_site(authority, "shop.example.test") as server:
        for _ in range(3):
            over_tls(server, authority)
        assert len(read) == 1
        another = Authority(tmp_path)
        os.utime(another.ca_file, ns=(0, 0))
        with pytest.raises(CallError) as caught:
            over_tls(server, another)
    assert caught.value.error_code is ErrorCode.tls_invalid
    assert len(read) == 2


def test_an_expired_certificate_is_named_with_its_date(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with https_site(authority, "shop.example.test", starts=-9 * DAY, ends=-DAY) as server:
        with pytest.raises(CallError) as caught:
            over_tls(server, authority)
        assert server.received == []
    error = caught.value
    yesterday = datetime.now(UTC) - DAY
    assert error.error_code is ErrorCode.tls_expired
    assert str(error.evidence["not_after"])[:4] == str(yesterday.year)
    assert error.evidence["subject"] == "shop.example.test"
    assert error.evidence["issuer"] == "Test Authority"
    assert "expired" in str(error.evidence["detail"])


def test_a_certificate_for_another_name_is_named_with_its_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with https_site(authority, "other.example.test") as server:
        with pytest.raises(CallError) as caught:
            over_tls(server, authority)
        assert server.received == []
    assert caught.value.error_code is ErrorCode.tls_wrong_name
    assert caught.value.evidence["names"] == "other.example.test"


def test_a_self_signed_certificate_is_invalid(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with https_site(authority, "shop.example.test", vouched=False) as server:
        with pytest.raises(CallError) as caught:
            over_tls(server, authority)
        assert server.received == []
    assert caught.value.error_code is ErrorCode.tls_invalid
    assert caught.value.evidence["issuer"] == "shop.example.test"


def test_a_certificate_of_a_version_that_does_not_exist_is_invalid(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    odd = https_site(authority, "shop.example.test", vouched=False, version=7)
    with odd as server, pytest.raises(CallError) as caught:
        over_tls(server, authority)
    assert caught.value.error_code is ErrorCode.tls_invalid
    assert "issuer" not in caught.value.evidence


def test_an_unknown_authority_is_invalid(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with https_site(authority, "shop.example.test") as server:
        with pytest.raises(CallError) as caught:
            over_tls(server, authority, ca_file=None)
        assert server.received == []
    assert caught.value.error_code is ErrorCode.tls_invalid


def test_a_certificate_from_tomorrow_is_invalid(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tomorrow = https_site(authority, "shop.example.test", starts=DAY, ends=2 * DAY)
    with tomorrow as server, pytest.raises(CallError) as caught:
        over_tls(server, authority)
    assert caught.value.error_code is ErrorCode.tls_invalid


def test_a_server_without_tls_is_not_a_certificate_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def answer_in_the_clear() -> None:
            # Answer at once: a server that reads a line first may wait long for one in TLS bytes.
            with listener.accept()[0] as line:
                line.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                line.recv(1 << 16)

        answered = pool.submit(answer_in_the_clear)
        endpoint = f"https://shop.example.test:{listener.getsockname()[1]}"
        with pytest.raises(CallError) as caught:
            call(
                channel(endpoint),
                "ping",
                {},
                by="Ana",
                allow_nets=LOOPBACK,
                resolve=at_home,
            )
        answered.result(timeout=10)
    assert caught.value.error_code is ErrorCode.tls_not_spoken


def test_a_silent_tls_server_is_a_connect_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"https://shop.example.test:{listener.getsockname()[1]}"
        with pytest.raises(CallError) as caught:
            call(
                channel(endpoint),
                "ping",
                {},
                by="Ana",
                allow_nets=LOOPBACK,
                resolve=at_home,
                deadline_s=0.3,
            )
    assert caught.value.error_code is ErrorCode.connect_timeout
