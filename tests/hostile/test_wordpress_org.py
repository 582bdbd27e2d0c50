"""Requests to the WordPress.org API: only over HTTPS, and only answers about the slug count."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.http import wordpress_org
from app.http.errors import CallError, ErrorCode
from app.http.wordpress_org import HOST, Closed, Listing, ask
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
from tests.support.wordpress_directory import closed_document, plugin_document, theme_document

Ask = Callable[..., Listing | Closed | None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def servers() -> list[HostileServer]:
    return []


@pytest.fixture
def get(authority: Authority, servers: list[HostileServer]) -> Iterator[Ask]:
    """Send a request to a local server that has the name of WordPress.org."""

    def do(
        behaviour: Behaviour, kind: str = "plugin", slug: str = "akismet", **more: Any
    ) -> Listing | Closed | None:
        name = more.pop("name", HOST)
        server = HostileServer(behaviour, authority.server(name) if name else None)
        servers.append(server.__enter__())

        def resolve(host: str, *_: object) -> list[Any]:
            assert host == HOST
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

        options = {"allow_nets": LOOPBACK, "ca_file": str(authority.ca_file), "deadline_s": 5.0}
        return ask(kind, slug, **{**options, "resolve": resolve, **more})

    yield do
    for server in servers:
        server.__exit__()


def says(document: object, status: int = 200) -> Behaviour:
    return sends(http(status, {}, json.dumps(document).encode()))


def refusal(get: Ask, behaviour: Behaviour, **more: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        get(behaviour, **more)
    return caught.value


def test_a_listed_plugin_is_read_without_markup(get: Ask) -> None:
    assert get(says(plugin_document())) == Listing(
        name="Akismet Anti-spam: Spam Protection – Security",
        version="5.3.1",
        last_updated=datetime(2026, 3, 1, 21, 30, tzinfo=UTC),
        author="Automattic & friends",
        owner="automattic",
        contributors=("automattic", "matt"),
        requires="5.8",
        tested="6.9",
        requires_php="",
    )


def test_a_listed_theme_is_read_with_its_owner(get: Ask) -> None:
    found = get(says(theme_document()), kind="theme", slug="twentythirty")
    assert isinstance(found, Listing)
    assert (found.author, found.owner) == ("the WordPress team", "wordpressdotorg")
    assert found.last_updated == datetime(2026, 4, 1, 10, 0, 5, tzinfo=UTC)
    assert (found.tested, found.contributors) == ("", ())


def test_only_the_slug_is_sent(get: Ask, servers: list[HostileServer]) -> None:
    get(says(plugin_document()))
    (received,) = servers[0].received
    sent = urlsplit(received.target)
    assert sent.path == "/plugins/info/1.2/"
    query = parse_qs(sent.query)
    assert query.pop("action") == ["plugin_information"]
    assert query.pop("request[slug]") == ["akismet"]
    assert {name[: len("request[fields]")] for name in query} == {"request[fields]"}
    allowed = {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert {name.lower() for name in received.headers} <= allowed


def test_a_closed_plugin_is_read_with_its_reason(get: Ask) -> None:
    expected = Closed(date(2026, 4, 7), "Security Issue")
    assert get(says(closed_document(), 404)) == expected
    undated = closed_document(closed_date="yesterday", reason_text=None)
    assert get(says(undated, 404)) == Closed(None, "security-issue")


def test_an_unknown_slug_is_none(get: Ask) -> None:
    assert get(says({"error": "Plugin not found."}, 404)) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Not found</html>", b"[]", b"null", b'{"message": "no route"}', b'{"error": []}'],
)
def test_a_404_of_another_shape_is_an_error(get: Ask, body: bytes) -> None:
    assert refusal(get, sends(http(404, {}, body))).error_code == ErrorCode.malformed_reply


@pytest.mark.parametrize(
    "changes",
    [
        {"slug": "akismet-pro"},
        {"slug": ["akismet"]},
        {"version": ""},
        {"version": ["5.3.1"]},
        {"version": 5},
        {"name": {"a": 1}},
        {"author": ["x"]},
        {"author": "x" * 200_000},
        {"author_profile": 7},
        {"author_profile": "https://profiles.wordpress.org/" + "x" * 600},
        {"author_profile": "https://[profiles.wordpress.org/x"},
        {"contributors": "matt"},
        {"contributors": {f"user{number}": {} for number in range(101)}},
        {"contributors": [1]},
        {"requires": 6},
        {"last_updated": 1_700_000_000},
    ],
)
def test_an_answer_of_another_shape_is_refused(get: Ask, changes: dict[str, object]) -> None:
    why = refusal(get, says(plugin_document(**changes)))
    assert why.error_code == ErrorCode.malformed_reply
    assert why.evidence["detail"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe", b"[" * 100_000, b'{"slug": ' + b"9" * 5000 + b"}", b"<!doctype html>"],
)
def test_a_body_that_is_not_json_is_refused(get: Ask, body: bytes) -> None:
    assert refusal(get, sends(http(200, {}, body))).error_code == ErrorCode.malformed_reply


def test_hidden_characters_are_removed_and_long_texts_truncated(get: Ask) -> None:
    hostile = plugin_document(
        name="A\u202ekismet\n\x00" + "x" * 500,
        author="<script>alert(1)</script>Auto\u200bmattic",
        version="5.3.1\r\nX: y" + "z" * 100,
        contributors={"Matt\u202e": {}, "matt": {}},
    )
    found = get(says(hostile))
    assert isinstance(found, Listing)
    assert found.author == "alert(1)Auto mattic"
    assert len(found.name) == 200
    assert len(found.version) == 64
    for text in (found.name, found.author, found.version, *found.contributors):
        assert text.isprintable()
    assert found.contributors == ("matt",)


@pytest.mark.parametrize("location", ["https://elsewhere.example/", f"https://{HOST}/x", ""])
def test_no_redirect_is_followed(get: Ask, servers: list[HostileServer], location: str) -> None:
    moved = sends(http(302, {"Location": location}))
    assert refusal(get, moved).error_code == ErrorCode.redirected
    assert len(servers[0].received) == 1


def test_a_server_without_tls_or_with_another_name_is_refused(get: Ask) -> None:
    unencrypted = refusal(get, says(plugin_document()), name="")
    assert unencrypted.error_code == ErrorCode.tls_not_spoken
    other = refusal(get, says(plugin_document()), name="elsewhere.example")
    assert other.error_code == ErrorCode.tls_wrong_name


def test_a_private_address_is_refused(get: Ask) -> None:
    why = refusal(get, says(plugin_document()), allow_nets=())
    assert why.error_code == ErrorCode.address_refused


def test_an_endless_answer_is_cut_off(get: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpress_org, "MAX_BYTES", 1000)
    large = plugin_document(sections={"description": "x" * 5000})
    assert refusal(get, says(large)).error_code == ErrorCode.reply_too_large


def test_a_slow_answer_ends_at_the_deadline(get: Ask) -> None:
    def drips(_received: ReceivedRequest, line: Line) -> None:
        line.send(http(200, {}, b"{", length=1000))
        line.wait(5)

    assert refusal(get, drips, deadline_s=0.5).error_code == ErrorCode.too_slow


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (500, ErrorCode.server_error),
        (503, ErrorCode.server_error),
        (403, ErrorCode.blocked),
        (429, ErrorCode.blocked),
        (204, ErrorCode.blocked),
    ],
)
def test_another_status_is_an_error(get: Ask, status: int, expected: ErrorCode) -> None:
    assert refusal(get, says(plugin_document(), status)).error_code == expected


def test_a_compressed_answer_is_refused(get: Ask) -> None:
    zipped = sends(http(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"))
    assert refusal(get, zipped).error_code == ErrorCode.encoded_reply


@pytest.mark.parametrize(
    ("kind", "slug"),
    [
        ("core", "akismet"),
        ("plugin", ""),
        ("plugin", "../x"),
        ("plugin", "a b"),
        ("plugin", "a&action=x"),
        ("plugin", "a" * 201),
    ],
)
def test_an_invalid_slug_is_never_sent(
    get: Ask, servers: list[HostileServer], kind: str, slug: str
) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        get(says(plugin_document()), kind=kind, slug=slug)
    assert not servers[0].received
