"""A real SMTP server on this machine (aiosmtpd), and raw ones that disconnect at a chosen step."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as SmtpProtocol
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class Received:
    """A received message."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes

    @property
    def text(self) -> str:
        return str(self.message.get_body(("plain",)).get_content())

    @property
    def html(self) -> str:
        return str(self.message.get_body(("html",)).get_content())


@dataclass
class Mailbox:
    """A handler that keeps messages, and sends the replies that a test sets."""

    received: list[Received] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "sender" in self.answers:
            return self.answers["sender"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "recipient" in self.answers:
            return self.answers["recipient"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if "content" in self.answers:
            return self.answers["content"]
        message: Any = message_from_bytes(envelope.content, policy=policy.default)
        kept = Received(envelope.mail_from, envelope.rcpt_tos, message, envelope.content)
        self.received.append(kept)
        return f"250 2.0.0 Ok: queued as {len(self.received)}"

    def log_in(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        login = (data.login.decode(), data.password.decode())
        self.logins.append(login)
        if login == ("aura", "let me in"):
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message="535 5.7.8 Wrong password")


@dataclass
class RunningServer:
    """A server that listens on loopback."""

    port: int
    mailbox: Mailbox

    @property
    def received(self) -> list[Received]:
        return self.mailbox.received


@contextmanager
def running_smtp(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, login: bool = True
) -> Iterator[RunningServer]:
    """Run a server; with `login`, it offers AUTH for aura / let me in."""
    mailbox = Mailbox()
    more: dict[str, Any] = {"authenticator": mailbox.log_in, "auth_require_tls": False}
    controller = _Controller(
        mailbox, "127.0.0.1", 0, ssl_context=tls, tls_context=starttls, **(more if login else {})
    )
    controller.start()
    try:
        yield RunningServer(controller.bound_port, mailbox)
    finally:
        controller.stop()


class _Controller(Controller):
    """A controller on any free port."""

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = self.bound_port = int(probe.getsockname()[1])
        super().start()

    def factory(self) -> SmtpProtocol:
        return SmtpProtocol(self.handler, ident="test relay", **self.SMTP_kwargs)


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections one after the other and hand each to `talk`; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, talk), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(listener: socket.socket, talk: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            talk(connection)


def breaking_off(after: str, *, arrived: list[bytes]) -> Callable[[socket.socket], None]:
    """Return a talk that hangs up after a command, or after the "message".

    What was sent as the message is added to `arrived`.
    """

    def talk(connection: socket.socket) -> None:
        stream = connection.makefile("rwb")
        _say(stream, "220 test relay")
        for line in iter(stream.readline, b""):
            command = line[:4].decode().strip().upper()
            if command == "DATA" and after != "DATA":
                _say(stream, "354 Go ahead")
                arrived.append(_read_message(stream))
                if after == "message":
                    return
            if command == after:
                return
            _say(stream, "250 OK")

    return talk


def _read_message(stream: Any) -> bytes:
    lines = iter(stream.readline, b".\r\n")
    return b"".join(lines)


def _say(stream: Any, line: str) -> None:
    stream.write(line.encode() + b"\r\n")
    stream.flush()
