"""E-mail: the server, what each person wants to hear, and every message on its way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import (
    AutoField,
    BooleanField,
    CharField,
    ForeignKeyField,
    IntegerField,
    TextField,
)

from app.models.accounts import User, UserRow
from app.models.base import JsonField, UtcField
from app.models.composed import composed_once
from app.models.only_row import ReplacedRow
from app.models.outgoing import CANCELLED, SENT, OutgoingMessage
from app.models.told_items import ToldItem

# Values of OutgoingEmail.problem that are about one message alone; empty without a problem.
_ABOUT_ONE_MESSAGE = ("", "recipient", "content", "format", "expired")

# OutgoingEmail.kind
TEST = "test"
INVITATION = "invitation"
RESET = "reset"
# About the person's own account: a new device, a change of factors.
SECURITY = "security"
CRITICAL = "critical"
DIGEST = "digest"

# NotificationPreference.digest
DAILY = "daily"
WEEKLY = "weekly"
OFF = "off"
DIGESTS = (DAILY, WEEKLY, OFF)


class EmailServer(ReplacedRow):
    """The SMTP server that an owner entered; no row means that Aura sends no e-mail."""

    host = CharField(max_length=255)
    port = IntegerField()
    security = CharField(max_length=8)
    username = CharField(max_length=254, default="")
    password_sealed = TextField(null=True)
    sender = CharField(max_length=254)
    sender_name = CharField(max_length=120, default="")
    changed_at = UtcField()

    @classmethod
    def is_set(cls) -> bool:
        return cls.select().where(cls.is_the_row()).exists()


class NotificationPreference(UserRow):
    """What one person hears by e-mail, and how far that is.

    Without `chosen_at`, the defaults of the person's role apply. Hours are in the person's time
    zone; no quiet hours are two nulls. `client_ids` is empty for all clients. `digest_at` is the
    moment up to which digests are done, and `message_at` is when the last notification was queued.
    """

    user = ForeignKeyField(User, primary_key=True, backref="+", on_delete="CASCADE")
    user_id: int
    chosen_at = UtcField(null=True)
    critical_now = BooleanField(default=False)
    digest = CharField(max_length=8, default=OFF)
    digest_hour = IntegerField(default=8)
    digest_weekday = IntegerField(default=0)
    quiet_from = IntegerField(null=True)
    quiet_to = IntegerField(null=True)
    critical_waits = BooleanField(default=False)
    client_ids = JsonField(default=list)
    digest_at = UtcField()
    message_at = UtcField(null=True)

    @classmethod
    def of(cls, user_id: int) -> NotificationPreference | None:
        return cls.get_or_none(cls.user == user_id)

    @classmethod
    def with_active_users(cls) -> list[NotificationPreference]:
        """Return the rows of all people who can sign in, each with its user."""
        return list(cls._with_active_users())

    @classmethod
    @composed_once
    def _with_active_users(cls) -> Any:
        query = cls.select(cls, User).join(User).where(User.disabled_at.is_null())
        return query.order_by(cls.user)

    @classmethod
    def replace_client(cls, client_id: int, into: int) -> None:
        """Let people who chose a client hear of another one instead."""
        for row in cls.select():
            if client_id in row.client_ids:
                row.update_if(client_ids=sorted({*row.client_ids, into} - {client_id}))

    @classmethod
    def add_missing(cls, now: datetime) -> int:
        """Add a row for each user without one; return how many. Nothing is due for them yet."""
        known = cls.select(cls.user)
        missing = User.select(User.id).where(User.disabled_at.is_null(), User.id.not_in(known))
        rows = [{"user": user.id, "digest_at": now} for user in missing]
        cls.insert_missing(rows)
        return len(rows)

    @classmethod
    def choose(cls, user_id: int, now: datetime, **columns: Any) -> None:
        """Store what a person chose; call it inside `transaction()`."""
        cls.insert(user=user_id, digest_at=now).on_conflict_ignore().execute()
        chosen = cls.update(chosen_at=now, digest_at=now, **columns)
        chosen.where(cls.user == user_id).execute()

    def claim(self, seen: datetime | None, **columns: Any) -> bool:
        """Set columns unless another process has queued a message since `seen`."""
        cls = NotificationPreference
        is_as_seen = cls.message_at.is_null() if seen is None else cls.message_at == seen
        return self.update_if(is_as_seen, **columns)


class NotifiedItem(ToldItem):
    """An item that needs attention, as one person has heard of it or is about to."""

    listener = "user"

    user = ForeignKeyField(User, backref="+", on_delete="CASCADE")

    class Meta:
        indexes = ((("user", "key"), True),)


class OutgoingEmail(OutgoingMessage, UserRow):
    """One message to one person.

    It is rendered when it is sent: `content` holds what it says, without any secret.
    """

    id = AutoField()
    user = ForeignKeyField(User, backref="+", on_delete="CASCADE")
    user_id: int
    kind = CharField(max_length=16)
    subject = CharField(max_length=200)
    content = JsonField(default=dict)

    class Meta:
        indexes = ((("user", "kind"), False),)

    @classmethod
    def newest(cls, limit: int) -> list[OutgoingEmail]:
        """Return the newest messages first, each with its user."""
        return list(cls.select(cls, User).join(User).order_by(cls.id.desc()).limit(limit))

    @classmethod
    def known(cls, email_id: int) -> OutgoingEmail | None:
        """Return the message with this id and its user."""
        return cls.select(cls, User).join(User).where(cls.id == email_id).first()

    @classmethod
    def last_accepted(cls, since: datetime) -> OutgoingEmail | None:
        """Return the last message that the server accepted since then."""
        query = cls.select().where(cls.state == SENT, cls.ended_at >= since)
        return query.order_by(cls.ended_at.desc()).first()

    @classmethod
    def last_failed(cls, since: datetime) -> OutgoingEmail | None:
        """Return the newest message since then whose last attempt failed, if not for its own sake.

        A recipient that does not exist says nothing about the server.
        """
        query = cls.select().where(
            cls.requested_at >= since,
            cls.problem.not_in(_ABOUT_ONE_MESSAGE),
            cls.state.not_in((SENT, CANCELLED)),
        )
        return query.order_by(cls.id.desc()).first()

    @classmethod
    def requested_since(cls, user_id: int, kind: str, since: datetime) -> bool:
        """Whether a message of this kind was requested for this person after `since`."""
        query = cls.select().where(cls.user == user_id, cls.kind == kind, cls.requested_at > since)
        return query.exists()
