"""Package downloads: only from WordPress.org, only over HTTPS, and within the size limit."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.http import package_download
from app.http.errors import CallError, ErrorCode
from app.http.package_download import HOST, Download, download, is_package_path
from tests.support.hostile.calls import LOOPBACK
from tests.support.hostile.certificates import Authority
from tests.support.hostile.server import (
    Behaviour,
    HostileServer,
    Line,
    ReceivedRequest,
    http,
    sends,
)

PATH = "/plugin/desk.2.0.zip"
PACKAGE = b"PK" + bytes(range(256)) * 500

Get = Callable[..., Download]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def get(authority: Authority, tmp_path: Path) -> Iterator[Get]:
    """Download from a local server that has the name of WordPress.org."""
    servers: list[HostileServer] = []

    def ask(behaviour: Behaviour, *, name: str = HOST, **more: Any) -> Download:
        server = HostileServer(behaviour, authority.server(name) if name else None)
        servers.append(server.__enter__())

        def resolve(host: str, *_: object) -> list[Any]:
            assert host == HOST
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

        options = {"allow_nets": LOOPBACK, "ca_file": str(authority.ca_file), "deadline_s": 5.0}
        return download(PATH, tmp_path / "file", **{**options, "resolve": resolve, **more})

    yield ask
    for server in servers:
        server.__exit__()


def refusal(get: Get, behaviour: Behaviour, **more: Any) -> ErrorCode:
    with pytest.raises(CallError) as caught:
        get(behaviour, **more)
    return caught.value.error_code


def redirects(*locations: str) -> Behaviour:
    left = list(locations)

    def answer(_received: ReceivedRequest, line: Line) -> None:
        raw = http(302, {"Location": left.pop(0)}) if left else http(200, {}, PACKAGE)
        line.send(raw)

    return answer


def test_a_package_arrives_whole_with_its_hash(get: Get, tmp_path: Path) -> None:
    found = get(sends(http(200, {}, PACKAGE)))
    assert (found.sha256, found.size) == (sha256(PACKAGE).hexdigest(), len(PACKAGE))
    assert (tmp_path / "file").read_bytes() == PACKAGE


def test_a_redirect_within_the_host_is_followed(get: Get) -> None:
    assert get(redirects("/plugin/desk.zip", f"https://{HOST}{PATH}")).size == len(PACKAGE)


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/desk.2.0.zip",
        f"http://{HOST}{PATH}",
        f"https://{HOST}:8443{PATH}",
        f"https://{HOST}@elsewhere.example/",
        "//elsewhere.example/desk.zip",
        "https://[",
        "",
    ],
)
def test_a_redirect_to_another_host_or_without_encryption_is_refused(
    get: Get, location: str
) -> None:
    assert refusal(get, redirects(location)) == ErrorCode.redirected


def test_a_redirect_without_end_is_refused(get: Get) -> None:
    assert refusal(get, redirects(*[PATH] * 9)) == ErrorCode.redirected


def test_a_server_without_tls_or_with_another_name_is_refused(get: Get) -> None:
    whole = sends(http(200, {}, PACKAGE))
    assert refusal(get, whole, name="") == ErrorCode.tls_not_spoken
    assert refusal(get, whole, name="elsewhere.example") == ErrorCode.tls_wrong_name


def test_a_private_address_is_refused(get: Get) -> None:
    whole = sends(http(200, {}, PACKAGE))
    assert refusal(get, whole, allow_nets=()) == ErrorCode.address_refused


def test_an_endless_package_is_cut_off(
    get: Get, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(package_download, "MAX_BYTES", 1000)
    endless = sends(http(200, {}, PACKAGE, length=10**12))
    assert refusal(get, endless) == ErrorCode.reply_too_large
    assert (tmp_path / "file").stat().st_size <= 100_000


def test_an_incomplete_package_is_refused(get: Get) -> None:
    half = sends(http(200, {}, PACKAGE[:5000], length=len(PACKAGE)))
    assert refusal(get, half) == ErrorCode.broken_off


def test_a_slow_server_is_given_up(get: Get) -> None:
    def drips(_received: ReceivedRequest, line: Line) -> None:
        line.send(http(200, {}, b"P", length=1000))
        for _ in range(100):
            line.wait(0.1)
            line.send(b"K")

    assert refusal(get, drips, deadline_s=0.5) == ErrorCode.too_slow


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, ErrorCode.not_found), (503, ErrorCode.server_error), (403, ErrorCode.blocked)],
)
def test_a_missing_package_has_its_own_error(get: Get, status: int, code: ErrorCode) -> None:
    assert refusal(get, sends(http(status, {}, b"none"))) == code


def test_a_compressed_response_is_refused(get: Get) -> None:
    packed = sends(http(200, {"Content-Encoding": "gzip"}, PACKAGE))
    assert refusal(get, packed) == ErrorCode.encoded_reply


@pytest.mark.parametrize(
    "path",
    [
        "/plugin/../secret.zip",
        "/plugin/a/b.zip",
        "/theme/desk.2.0.zip",
        "/plugin/desk.2.0.zip?x=1",
        "/plugin/desk.zip\n",
        "//elsewhere.example/plugin/desk.zip",
        "@elsewhere.example/plugin/desk.zip",
        "/plugin/.zip",
        "",
    ],
)
def test_a_site_can_only_name_a_package_of_the_right_kind(path: str) -> None:
    assert is_package_path(PATH, "plugin")
    assert not is_package_path(path, "plugin")


@pytest.mark.parametrize(
    ("kind", "path", "is_one"),
    [
        ("core", "/release/wordpress-7.1.4-no-content.zip", True),
        ("core", "/release/de_DE/wordpress-7.1.4.zip", True),
        ("core", "/release/de_DE_formal/wordpress-7.2-RC1.zip", True),
        ("core", "/release/../wordpress-7.1.4.zip", False),
        ("core", "/release/a/b/wordpress-7.1.4.zip", False),
        ("core", "/release/other-7.1.4.zip", False),
        ("core", "/plugin/wordpress-7.1.4.zip", False),
        ("translation", "/translation/core/7.1.3/de_DE.zip", True),
        ("translation", "/translation/plugin/akismet/5.3.1/de_DE.zip", True),
        ("translation", "/translation/theme/twentytwenty/2.5/pt_PT_ao90.zip", True),
        ("translation", "/translation/plugin/../5.3.1/de_DE.zip", False),
        ("translation", "/translation/user/akismet/5.3.1/de_DE.zip", False),
        ("translation", "/translation/core/7.1.3/de_DE.zip?x=1", False),
        ("translation", "/translation/core/7.1.3/x/de_DE.zip", False),
        ("database", "/release/wordpress-7.1.4.zip", False),
    ],
)
def test_packages_of_wordpress_and_translations_are_in_their_folders(
    kind: str, path: str, is_one: bool
) -> None:
    assert is_package_path(path, kind) is is_one
