"""Single sign-on: the OpenID provider that an owner entered, and who is known there as whom."""

from __future__ import annotations

from peewee import AutoField, BooleanField, CharField, ForeignKeyField, TextField

from app.models.accounts import User, UserRow
from app.models.base import JsonField, UtcField
from app.models.only_row import ReplacedRow


class OpenIdProvider(ReplacedRow):
    """The provider; no row means that people sign in with their password only.

    The endpoints are those that its configuration named when it was saved. `domains` are the ends
    of addresses that may sign in, empty for all. With `checks_factor`, it asks for a second factor
    itself, so Aura does not.
    """

    issuer = CharField(max_length=255)
    client_id = CharField(max_length=255)
    secret_sealed = TextField()
    label = CharField(max_length=60)
    domains = JsonField(default=list)
    creates_viewers = BooleanField(default=False)
    checks_factor = BooleanField(default=False)
    authorization = CharField(max_length=500)
    token = CharField(max_length=500)
    keys = CharField(max_length=500)
    authentication = CharField(max_length=32)
    names_issuer = BooleanField(default=False)
    changed_at = UtcField()


class OpenIdIdentity(UserRow):
    """A user's identity at an issuer. The subject never changes, unlike the address."""

    id = AutoField()
    user = ForeignKeyField(User, backref="+", on_delete="CASCADE")
    user_id: int
    issuer = CharField(max_length=255)
    subject = CharField(max_length=255)
    linked_at = UtcField()

    class Meta:
        indexes = ((("issuer", "subject"), True), (("user", "issuer"), True))

    @classmethod
    def user_of(cls, issuer: str, subject: str) -> User | None:
        """Return the user who is known by this subject."""
        query = cls.select(cls, User).join(User)
        found = query.where(cls.issuer == issuer, cls.subject == subject).first()
        return None if found is None else found.user

    @classmethod
    def of_user(cls, user_id: int, issuer: str) -> OpenIdIdentity | None:
        return cls.get_or_none(cls.user == user_id, cls.issuer == issuer)
