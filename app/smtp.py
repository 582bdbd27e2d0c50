"""Hand one message to an SMTP server: the only place that opens connections for e-mail.

A person enters the server, so app/http/egress.py does not apply: a relay in a private network is
legitimate. Without TLS, only a loopback or private address gets anything.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH).
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

# Values of Server.security.
STARTTLS = "starttls"
TLS = "tls"
PLAIN = "none"
SECURITIES = (STARTTLS, TLS, PLAIN)

# For the connection, and for each answer of the server.
TIMEOUT_S = 15
_MAX_WORDS = 500
_OK = 250
_ALSO_OK = (250, 251)
_GO_AHEAD = 354
_PERMANENT = 500
# Codes of OpenSSL for a certificate that is refused (x509_vfy.h).
_EXPIRED = 10
_OTHER_NAME = 62
_OTHER_ADDRESS = 64

# Every reason for which a message is not sent, in the order of the conversation.
PROBLEMS = (
    "dns",
    "refused",
    "unreachable",
    "timeout",
    "closed",
    "not_private",
    "greeting",
    "no_starttls",
    "tls_untrusted",
    "tls_expired",
    "tls_wrong_name",
    "tls_failed",
    "no_login",
    "login",
    "sender",
    "recipient",
    "content",
)
# An answer with a permanent code to these is about the message, and not about the settings.
_ABOUT_THE_MESSAGE = ("recipient", "content")


@dataclass(frozen=True)
class Server:
    """Where and how to deliver. Without a user name, Aura does not log in.

    `own_name` is what Aura calls itself in EHLO.
    """

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)
    own_name: str = "localhost"


class SendingFailed(Exception):
    """The server did not accept the message, or its answer is unknown.

    `problem` is one of PROBLEMS and `words` is what the server said, or the error of the system.
    If `is_final`, the same attempt would fail again. If `may_have_arrived`, everything was sent and
    only the answer is missing.
    """

    def __init__(
        self, problem: str, words: str, *, is_final: bool = False, may_have_arrived: bool = False
    ) -> None:
        super().__init__(f"{problem}: {words}")
        self.problem = problem
        self.words = words
        self.is_final = is_final
        self.may_have_arrived = may_have_arrived


def send(
    server: Server, sender: str, recipient: str, message: bytes, *, timeout_s: float = TIMEOUT_S
) -> str:
    """Send a message to one recipient, and return the server's answer.

    The message is ASCII, and each line of it ends with CRLF.

    Raises: SendingFailed.
    """
    with _connected(server, timeout_s) as smtp:
        with _named("greeting"):
            _hello(smtp)
        if server.security == STARTTLS:
            with _named("tls_failed"):
                _start_tls(smtp)
        if server.username:
            with _named("login"):
                smtp.login(server.username, server.password)
        with _named("sender"):
            _expect(smtp.mail(sender), (_OK,), "sender")
        with _named("recipient"):
            _expect(smtp.rcpt(recipient), _ALSO_OK, "recipient")
        return _send_content(smtp, message)


@contextmanager
def _connected(server: Server, timeout_s: float) -> Iterator[smtplib.SMTP]:
    """Yield a connection, which is closed without waiting for a farewell."""
    with _named("greeting"):
        smtp = _connect(server, timeout_s)
    try:
        if server.security == PLAIN:
            _require_private(smtp)
        yield smtp
        # The message is accepted, so nothing that goes wrong now matters.
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
    finally:
        smtp.close()


def _connect(server: Server, timeout_s: float) -> smtplib.SMTP:
    if server.security == TLS:
        return smtplib.SMTP_SSL(
            server.host,
            server.port,
            local_hostname=server.own_name,
            timeout=timeout_s,
            context=ssl.create_default_context(),
        )
    return smtplib.SMTP(server.host, server.port, local_hostname=server.own_name, timeout=timeout_s)


def is_private(address: str) -> bool:
    """Whether an IP address is a loopback or private one."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback or ip.is_private


def _require_private(smtp: smtplib.SMTP) -> None:
    """Raise SendingFailed if the connection leads to a public address.

    The address of the connection itself is checked, because DNS may answer differently next time.
    """
    if smtp.sock is None:
        raise SendingFailed("closed", "The server closed the connection.")
    address = str(smtp.sock.getpeername()[0])
    if not is_private(address):
        raise SendingFailed("not_private", f"{address} is a public address")


def _hello(smtp: smtplib.SMTP) -> None:
    """Introduce Aura with EHLO, or with HELO to an old server. Raises SMTPHeloError."""
    smtp.ehlo_or_helo_if_needed()


def _start_tls(smtp: smtplib.SMTP) -> None:
    if not smtp.has_extn("starttls"):
        raise SendingFailed("no_starttls", "The server does not offer STARTTLS.")
    smtp.starttls(context=ssl.create_default_context())
    _hello(smtp)


def _send_content(smtp: smtplib.SMTP, message: bytes) -> str:
    """Send DATA and the message. After the last byte, a missing answer may mean yes."""
    with _named("content"):
        _expect(smtp.docmd("DATA"), (_GO_AHEAD,), "content")
    # A dot at the beginning of a line would end the message (RFC 5321, section 4.5.2).
    stuffed = re.sub(rb"(?m)^\.", b"..", message)
    try:
        smtp.send(stuffed + b".\r\n")
        answer = smtp.getreply()
    except (smtplib.SMTPException, OSError) as why:
        problem, words = _reading(why, "content")
        raise SendingFailed(problem, words, may_have_arrived=True) from why
    _expect(answer, (_OK,), "content")
    return _words(*answer)


def _expect(answer: tuple[int, bytes], codes: tuple[int, ...], problem: str) -> None:
    """Raise SendingFailed unless the server answered with one of the codes."""
    code, text = answer
    if code not in codes:
        is_final = code >= _PERMANENT and problem in _ABOUT_THE_MESSAGE
        raise SendingFailed(problem, _words(code, text), is_final=is_final)


@contextmanager
def _named(step: str) -> Iterator[None]:
    """Raise each error of a step of the conversation as SendingFailed."""
    try:
        yield
    except SendingFailed:
        raise
    except (smtplib.SMTPException, OSError) as why:
        raise SendingFailed(*_reading(why, step)) from why


def _reading(why: Exception, step: str) -> tuple[str, str]:
    """Return which of PROBLEMS an error is, and its words."""
    if isinstance(why, smtplib.SMTPResponseException):
        return step, _words(why.smtp_code, why.smtp_error)
    if isinstance(why, smtplib.SMTPNotSupportedError):
        return "no_login", _clean(str(why))
    if isinstance(why, smtplib.SMTPServerDisconnected):
        # smtplib hides that the server only was too slow.
        is_slow = isinstance(why.__context__, TimeoutError)
        return "timeout" if is_slow else "closed", _clean(str(why))
    if isinstance(why, smtplib.SMTPException):
        return "no_login" if step == "login" else step, _clean(str(why))
    return _reading_system(why)


def _reading_system(why: Exception) -> tuple[str, str]:
    """Return which of PROBLEMS an error of the operating system or of OpenSSL is."""
    if isinstance(why, ssl.SSLCertVerificationError):
        other = "tls_wrong_name"
        kinds = {_EXPIRED: "tls_expired", _OTHER_NAME: other, _OTHER_ADDRESS: other}
        return kinds.get(why.verify_code, "tls_untrusted"), _clean(why.verify_message)
    if isinstance(why, ssl.SSLError):
        return "tls_failed", _clean(why.reason or str(why))
    if isinstance(why, socket.gaierror):
        return "dns", _clean(why.strerror or str(why))
    if isinstance(why, TimeoutError):
        return "timeout", _clean(str(why) or "timed out")
    words = _clean(getattr(why, "strerror", None) or str(why))
    return "refused" if isinstance(why, ConnectionRefusedError) else "unreachable", words


def _words(code: int, text: bytes | str) -> str:
    """Return the server's answer on one line, as `550 5.1.1 No such user`."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return _clean(f"{code} {said}")


def _clean(text: str) -> str:
    printable = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(printable.split())[:_MAX_WORDS]
