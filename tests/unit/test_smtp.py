"""Delivery to a real SMTP server, and each kind of failure with the server's reply."""

from __future__ import annotations

import smtplib
import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest

from app import smtp
from app.smtp import PLAIN, STARTTLS, TLS, SendingFailed, Server
from tests.support.hostile.certificates import Authority
from tests.support.smtp_server import breaking_off, raw_server, running_smtp

MESSAGE = b"Subject: Hello\r\n\r\nFirst line\r\n.hidden by a dot\r\n.\r\nLast line\r\n"
SENDER, ANA = "aura@agency.example", "ana@agency.example"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Return an authority that this process trusts, as configured with SSL_CERT_FILE."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca_file))
    return made


def deliver(port: int, security: str = PLAIN, timeout_s: float = 5, **more: str) -> str:
    host = more.pop("host", "127.0.0.1")
    server = Server(host, port, security, **more)
    return smtp.send(server, SENDER, ANA, MESSAGE, timeout_s=timeout_s)


def failure(port: int, security: str = PLAIN, **more: str) -> SendingFailed:
    with pytest.raises(SendingFailed) as failed:
        deliver(port, security, **more)
    assert failed.value.problem in smtp.PROBLEMS
    return failed.value


def test_a_message_arrives_byte_for_byte_and_the_answer_is_returned() -> None:
    with running_smtp() as server:
        assert deliver(server.port) == "250 2.0.0 Ok: queued as 1"
    (got,) = server.received
    assert (got.sender, got.recipients, got.raw) == (SENDER, [ANA], MESSAGE)


@pytest.mark.parametrize("security", [STARTTLS, TLS])
def test_the_connection_is_encrypted_and_its_certificate_verified(
    authority: Authority, security: str
) -> None:
    context = authority.server("127.0.0.1")
    with running_smtp(**{security: context}) as server:
        deliver(server.port, security, username="aura", password="let me in")
    assert server.mailbox.logins == [("aura", "let me in")]
    assert len(server.received) == 1


@pytest.mark.parametrize("security", [STARTTLS, TLS])
@pytest.mark.parametrize(
    ("name", "more", "problem", "words"),
    [
        ("127.0.0.1", {"vouched": False}, "tls_untrusted", "self-signed certificate"),
        (
            "127.0.0.1",
            {"starts": -timedelta(days=3), "ends": -timedelta(days=1)},
            "tls_expired",
            "certificate has expired",
        ),
        ("mail.example", {}, "tls_wrong_name", "127.0.0.1"),
    ],
)
def test_nothing_is_sent_to_a_server_with_a_bad_certificate(
    authority: Authority,
    security: str,
    name: str,
    more: dict[str, object],
    problem: str,
    words: str,
) -> None:
    with running_smtp(**{security: authority.server(name, **more)}) as server:
        failed = failure(server.port, security, username="aura", password="let me in")
    assert (failed.problem, server.received, server.mailbox.logins) == (problem, [], [])
    assert words in failed.words


def test_a_server_without_starttls_gets_nothing() -> None:
    with running_smtp() as server:
        failed = failure(server.port, STARTTLS, username="aura", password="let me in")
    assert (failed.problem, server.mailbox.logins) == ("no_starttls", [])


def test_an_unencrypted_port_is_reported() -> None:
    with running_smtp() as server:
        assert failure(server.port, TLS).problem == "tls_failed"


def test_a_refused_login_carries_the_servers_own_words() -> None:
    with running_smtp() as server:
        failed = failure(server.port, username="aura", password="wrong")
    assert (failed.problem, failed.words) == ("login", "535 5.7.8 Wrong password")
    assert not failed.is_final


def test_a_server_without_login_is_reported() -> None:
    with running_smtp(login=False) as server:
        assert failure(server.port, username="aura", password="x").problem == "no_login"


@pytest.mark.parametrize("step", ["sender", "recipient", "content"])
@pytest.mark.parametrize("code", [450, 550])
def test_only_a_permanent_refusal_of_the_message_is_final(step: str, code: int) -> None:
    with running_smtp() as server:
        server.mailbox.answers[step] = f"{code} 5.7.1 Not here, says the relay"
        failed = failure(server.port)
    assert (failed.problem, failed.words) == (step, f"{code} 5.7.1 Not here, says the relay")
    assert failed.is_final == (code == 550 and step != "sender")
    assert not failed.may_have_arrived


def test_a_closed_port_and_an_unknown_name_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failure(port).problem == "refused"
    failed = failure(25, host="no-such-relay.invalid")
    assert failed.problem == "dns"


@pytest.mark.parametrize("after", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_message_means_not_sent(after: str) -> None:
    arrived: list[bytes] = []
    with raw_server(breaking_off(after, arrived=arrived)) as port:
        failed = failure(port)
    assert (failed.problem, failed.may_have_arrived, arrived) == ("closed", False, [])


def test_a_connection_lost_after_the_message_is_unknown() -> None:
    arrived: list[bytes] = []
    with raw_server(breaking_off("message", arrived=arrived)) as port:
        failed = failure(port)
    assert (failed.problem, failed.may_have_arrived) == ("closed", True)
    assert arrived == [MESSAGE.replace(b"\r\n.", b"\r\n..")]


def test_a_silent_server_ends_at_the_time_limit() -> None:
    began = time.monotonic()
    with raw_server(lambda connection: time.sleep(1.5)) as port:
        failed = failure(port, timeout_s=0.3)
    assert (failed.problem, failed.may_have_arrived) == ("timeout", False)
    assert time.monotonic() - began < 5


def test_a_refusing_greeting_is_retried() -> None:
    with raw_server(
        lambda connection: connection.sendall(b"554 5.7.1 No service for you\r\n")
    ) as port:
        failed = failure(port)
    assert (failed.problem, failed.words) == ("greeting", "554 5.7.1 No service for you")


def test_without_tls_a_public_address_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_smtp() as server:
        monkeypatch.setattr(smtp, "is_private", lambda address: False)
        failed = failure(server.port, username="aura", password="let me in")
    assert (failed.problem, server.mailbox.logins, server.received) == ("not_private", [], [])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.7.7", True),
        ("fd00::25", True),
        ("::ffff:10.0.0.1", True),
        ("fe80::1%eth0", True),
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2606:4700::1", False),
    ],
)
def test_only_internal_addresses_need_no_tls(address: str, expected: bool) -> None:
    assert smtp.is_private(address) is expected


def test_a_server_reply_is_one_printable_line() -> None:
    with running_smtp() as server:
        server.mailbox.answers["recipient"] = "550-first\r\n550 second \x1b[31m" + "x" * 900
        failed = failure(server.port)
    assert failed.words.startswith("550 first second [31mx")
    assert len(failed.words) == 500
    assert failed.words.isprintable()


def test_the_password_is_in_no_representation() -> None:
    assert "let me in" not in repr(Server("h", 25, PLAIN, "aura", "let me in"))


def test_errors_after_acceptance_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: smtplib.SMTP) -> None:
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(smtplib.SMTP, "quit", fail)
    with running_smtp() as server:
        assert deliver(server.port).startswith("250")
