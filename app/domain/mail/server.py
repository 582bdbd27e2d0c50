"""The SMTP server that Aura sends through: what an owner enters, and how it is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from app import smtp
from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import EmailServerChanged, EmailServerRemoved
from app.domain.errors import Conflict, Invalid
from app.domain.text import name_problem
from app.keys import KeyRing
from app.models.email import EmailServer, NotifiedItem

MAX_HOST_CHARS = 253
MAX_NAME_CHARS = 120
MAX_ADDRESS_CHARS = 254
MAX_PASSWORD_CHARS = 500

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_CONTEXT = "email:password"


class EmailIsOff(Exception):
    """No owner has entered a server, so nothing is sent."""


@dataclass(frozen=True)
class TypedServer:
    """The texts of the form. Without a password, the stored one is kept."""

    host: str = ""
    port: str = ""
    security: str = smtp.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    sender_name: str = ""


def change_server(typed: TypedServer, *, by: Actor, config: Config, now: datetime) -> None:
    """Store the server. Raises Forbidden, or Invalid with a message for each invalid field."""
    permissions.require(by, "email")
    with permissions.user_transaction(by, "email") as (_, present):
        stored = EmailServer.read()
        Invalid.raise_for(_problems(typed, stored))
        EmailServer.replace_with(
            host=_host(typed),
            port=int(typed.port),
            security=typed.security,
            username=typed.username,
            password_sealed=_sealed_password(typed, stored, config),
            sender=typed.sender,
            sender_name=typed.sender_name,
            changed_at=now,
        )
        event = EmailServerChanged(
            host=_host(typed),
            port=int(typed.port),
            security=typed.security,
            username=typed.username,
            has_new_password=bool(typed.password) or not typed.username,
            sender=typed.sender,
            sender_name=typed.sender_name,
        )
        audit.record(event, present, now=now)


def remove_server(*, by: Actor, now: datetime) -> None:
    """Turn e-mail off and delete the password. Raises Forbidden, or Conflict if it is off."""
    with permissions.user_transaction(by, "email") as (_, present):
        stored = EmailServer.read()
        if stored is None or not EmailServer.remove():
            raise Conflict("E-mail is already turned off.")
        # When it is turned on again, people are sent what is open then.
        NotifiedItem.forget_everyone()
        audit.record(EmailServerRemoved(host=stored.host), present, now=now)


def open_server(config: Config) -> tuple[EmailServer, smtp.Server]:
    """Return the stored server, and how to connect to it.

    Raises: EmailIsOff, or SealBroken if the sealing key of its password is missing.
    """
    stored = EmailServer.read()
    if stored is None:
        raise EmailIsOff
    password = ""
    if stored.password_sealed:
        ring = KeyRing(config.sealing_keys)
        password = ring.open(stored.password_sealed, _CONTEXT).decode("ascii")
    return stored, smtp.Server(
        host=stored.host,
        port=stored.port,
        security=stored.security,
        username=stored.username,
        password=password,
        own_name=_own_name(config),
    )


def is_readable_on_the_way(stored: EmailServer) -> bool:
    """Whether messages leave this machine without encryption."""
    if stored.security != smtp.PLAIN or stored.host == "localhost":
        return False
    try:
        return not ip_address(stored.host).is_loopback
    except ValueError:
        return True


def _own_name(config: Config) -> str:
    """Return what Aura calls itself in EHLO: a name, or an address in brackets (RFC 5321)."""
    host = urlsplit(config.origin).hostname or "localhost"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


def _host(typed: TypedServer) -> str:
    return typed.host.strip("[]").rstrip(".").lower()


def _problems(typed: TypedServer, stored: EmailServer | None) -> dict[str, str]:
    found = {
        "host": _host_problem(_host(typed), typed.security),
        "port": "" if _is_port(typed.port) else "Enter a number from 1 to 65535.",
        "security": "" if typed.security in smtp.SECURITIES else "Choose how to encrypt.",
        "username": _username_problem(typed.username),
        "password": _password_problem(typed, stored),
        "sender": _sender_problem(typed.sender),
        "sender_name": name_problem(typed.sender_name, MAX_NAME_CHARS),
    }
    return {name: problem for name, problem in found.items() if problem}


def _host_problem(host: str, security: str) -> str:
    try:
        address = str(ip_address(host))
    except ValueError:
        is_name = len(host) <= MAX_HOST_CHARS and _HOST.fullmatch(host)
        return "" if is_name else "Enter a host name, for example smtp.example.com."
    if security == smtp.PLAIN and not smtp.is_private(address):
        return "This is a public address. Choose STARTTLS or TLS, or a server in your own network."
    return ""


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _username_problem(text: str) -> str:
    if len(text) > MAX_ADDRESS_CHARS:
        return f"At most {MAX_ADDRESS_CHARS} characters."
    return "" if _is_plain(text) else _ASCII_ONLY


def _password_problem(typed: TypedServer, stored: EmailServer | None) -> str:
    if len(typed.password) > MAX_PASSWORD_CHARS:
        return f"At most {MAX_PASSWORD_CHARS} characters."
    if not _is_plain(typed.password):
        return _ASCII_ONLY
    if not typed.username:
        return "Enter the user name as well, or leave both empty." if typed.password else ""
    if typed.password:
        return ""
    if stored is None or not stored.password_sealed:
        return "Enter the password of this user."
    # Otherwise an open browser could send the stored password to any server.
    is_same = (_host(typed), typed.port, typed.security, typed.username) == (
        stored.host,
        str(stored.port),
        stored.security,
        stored.username,
    )
    return "" if is_same else "Enter the password again, because the server or the user changed."


_ASCII_ONLY = (
    "Use letters, digits and punctuation of ASCII only. Python's SMTP client sends no others."
)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _sender_problem(text: str) -> str:
    if len(text) > MAX_ADDRESS_CHARS or not _ADDRESS.fullmatch(text):
        return "Enter an e-mail address, for example aura@agency.example."
    return ""


def _sealed_password(typed: TypedServer, stored: EmailServer | None, config: Config) -> str | None:
    if not typed.username:
        return None
    if not typed.password:
        return stored.password_sealed if stored else None
    return KeyRing(config.sealing_keys).seal(typed.password.encode("ascii"), _CONTEXT)
