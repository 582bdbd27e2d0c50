"""E-mail: the server, and what people asked Aura to send. Never a password or a link."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class EmailServerChanged(Event):
    """An owner entered the SMTP server. `has_new_password` also if a password was removed."""

    host: str
    port: int
    security: str
    username: Personal
    has_new_password: bool
    sender: Personal
    sender_name: str


class EmailServerRemoved(Event):
    """An owner turned e-mail off."""

    host: str


class EmailTestRequested(Event):
    """An owner asked for a test message to their own address."""

    email_id: int


class EmailResent(Event):
    """An owner queued a message again that was not accepted."""

    email_id: int
    kind: str


class NotificationsChanged(Event):
    """A person chose what Aura tells them by e-mail. `clients` is how many; 0 means all."""

    critical_now: bool
    digest: str
    quiet: str
    clients: int


class PasswordResetRequested(Event):
    """A visitor asked for a link to choose a new password.

    `subject_hash` is salted, so that the log is no list of typed addresses. `user_id` is the
    person of that address, if there is one.
    """

    user_id: int | None
    subject_hash: str
    is_sent: bool
