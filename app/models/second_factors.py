"""What a person proves in addition to the password: authenticator app, passkeys, recovery codes.

Every use of a factor is one conditional UPDATE or DELETE whose row count says who was first, so two
processes never accept the same code, recovery code or challenge.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    CharField,
    ForeignKeyField,
    TextField,
    fn,
)

from app.models.accounts import User, UserRow
from app.models.base import BaseModel, UtcField


class SecondFactor(UserRow):
    """The authenticator app of one person, and the name by which passkeys know them.

    `has_passkey` is set by `with_passkeys`.

    `handle` is random and says nothing about the person (WebAuthn, section 14.6.1). `secret_sealed`
    is the secret of the app in use, `pending_sealed` that of one that no code has confirmed yet.
    `last_step` is the time step of the newest code that was accepted (RFC 6238, section 5.2).
    """

    has_passkey: bool = False

    user = ForeignKeyField(User, primary_key=True, on_delete="CASCADE")
    user_id: int
    handle = CharField(max_length=64)
    secret_sealed = TextField(null=True)
    added_at = UtcField(null=True)
    last_step = BigIntegerField(default=0)
    pending_sealed = TextField(null=True)
    pending_at = UtcField(null=True)

    @classmethod
    def of(cls, user: User) -> SecondFactor | None:
        return cls.fetch_one(user=user.id)

    @classmethod
    def ensure(cls, user: User, handle: str) -> SecondFactor:
        """Return the row of this person; create it with `handle` if there is none."""
        cls.insert(user=user.id, handle=handle).on_conflict_ignore().execute()
        return cls.get_by_id(user.id)

    @property
    def has_app(self) -> bool:
        return self.secret_sealed is not None

    def begin_app(self, sealed: str, now: datetime) -> None:
        """Keep the secret of a new app until a code confirms it; an app in use goes on."""
        self.update_if(pending_sealed=sealed, pending_at=now)

    def confirm_app(self, sealed: str, step: int, now: datetime) -> bool:
        """Use the new app from now on; return False if `sealed` is not the pending secret."""
        return self.update_if(
            SecondFactor.pending_sealed == sealed,
            secret_sealed=sealed,
            added_at=now,
            last_step=step,
            pending_sealed=None,
            pending_at=None,
        )

    def accept_step(self, step: int) -> bool:
        """Record the step of a code; return False if it, or a newer one, was accepted before."""
        return self.update_if(
            SecondFactor.last_step < step,
            SecondFactor.secret_sealed == self.secret_sealed,
            last_step=step,
        )

    def remove_app(self) -> bool:
        """Forget the app; return False if there is none."""
        return self.update_if(
            SecondFactor.secret_sealed.is_null(False),
            secret_sealed=None,
            added_at=None,
            pending_sealed=None,
            pending_at=None,
        )

    @classmethod
    def with_passkeys(cls) -> list[SecondFactor]:
        """Return all rows, each with `has_passkey`; who has a passkey has a row as well."""
        owned = Passkey.select().where(Passkey.user == cls.user)
        return list(cls.select(cls, fn.EXISTS(owned).alias("has_passkey")))

    @property
    def sealed_secrets(self) -> list[str]:
        """Return the secrets as they are stored."""
        return [one for one in (self.secret_sealed, self.pending_sealed) if one]


class Passkey(UserRow):
    """A passkey of one person: the public key, and how often it says it was used."""

    id = AutoField()
    user = ForeignKeyField(User, backref="passkeys", on_delete="CASCADE")
    user_id: int
    # Base64url, at most 1023 bytes (WebAuthn, section 4).
    credential_id = CharField(max_length=1364, unique=True)
    public_key = TextField()
    sign_count = BigIntegerField()
    name = CharField(max_length=60)
    added_at = UtcField()
    last_used_at = UtcField(null=True)

    @classmethod
    def of(cls, user_id: int) -> list[Passkey]:
        """Return the passkeys of a person, the oldest first."""
        return list(cls.select().where(cls.user == user_id).order_by(cls.id))

    @classmethod
    def known(cls, credential_id: str) -> Passkey | None:
        """Return the passkey with its user."""
        query = cls.select(cls, User).join(User).where(cls.credential_id == credential_id)
        return query.first()

    @classmethod
    def any_exists(cls) -> bool:
        """Whether anyone has a passkey."""
        return cls.select().exists()

    def use(self, sign_count: int, now: datetime) -> bool:
        """Record a use; return False if the counter did not grow.

        Many authenticators do not count and always send 0 (WebAuthn, section 6.1.1).
        """
        return self.update_if(
            (Passkey.sign_count < sign_count) | ((Passkey.sign_count == 0) & (sign_count == 0)),
            sign_count=sign_count,
            last_used_at=now,
        )

    def remove(self) -> bool:
        """Delete the passkey; return False if it is gone already."""
        return Passkey.delete().where(Passkey.id == self.id).execute() == 1


class RecoveryCode(UserRow):
    """A code that works once, in place of a lost factor. Only its hash is stored."""

    id = AutoField()
    user = ForeignKeyField(User, on_delete="CASCADE")
    code_hash = CharField(max_length=64, unique=True)
    created_at = UtcField()
    used_at = UtcField(null=True)

    @classmethod
    def replace_all(cls, user_id: int, hashes: Iterable[str], now: datetime) -> None:
        """Store new codes; the former ones no longer work. Call it inside `transaction()`."""
        cls.forget(user_id)
        rows = [{"user": user_id, "code_hash": one, "created_at": now} for one in hashes]
        cls.insert_all(rows)

    @classmethod
    def use(cls, user_id: int, code_hash: str, now: datetime) -> bool:
        """Use a code up; return False if there is no such code, or it was used."""
        unused = (cls.user == user_id) & (cls.code_hash == code_hash) & cls.used_at.is_null()
        return cls.update(used_at=now).where(unused).execute() == 1

    @classmethod
    def unused(cls, user_id: int) -> int:
        """Return how many codes of this person still work."""
        query = cls.select(fn.COUNT(cls.id)).where(cls.user == user_id, cls.used_at.is_null())
        return int(query.scalar())


class PendingSignIn(UserRow):
    """A person whose password was right and who has still to prove, or add, a second factor.

    It opens no page. `epoch` is that of the user: a new password or link ends it. `proven_at` is
    when the password was typed, or when the person signed in at the provider.
    """

    id = AutoField()
    token_hash = CharField(max_length=64, unique=True)
    user = ForeignKeyField(User, on_delete="CASCADE")
    user_id: int
    epoch = BigIntegerField()
    proven_at = UtcField()
    created_at = UtcField()

    @classmethod
    def with_hash(cls, token_hash: str, created_after: datetime) -> PendingSignIn | None:
        """Return the pending sign-in with its user, if it is not too old."""
        query = cls.select(cls, User).join(User)
        return query.where(cls.token_hash == token_hash, cls.created_at > created_after).first()

    def finish(self) -> bool:
        """Use it up; return False if another request did."""
        return PendingSignIn.delete().where(PendingSignIn.id == self.id).execute() == 1

    @classmethod
    def forget_older(cls, before: datetime) -> None:
        cls.delete().where(cls.created_at <= before).execute()


class PasskeyChallenge(BaseModel):
    """A challenge that a browser was given, for one purpose and one answer.

    `user_id` is the person it is for, or None at a sign-in without a password.
    """

    id = AutoField()
    token_hash = CharField(max_length=64, unique=True)
    challenge = CharField(max_length=100)
    purpose = CharField(max_length=16)
    user_id = BigIntegerField(null=True)
    network = CharField(max_length=45, index=True)
    created_at = UtcField(index=True)

    @classmethod
    def redeem(
        cls, token_hash: str, purpose: str, created_after: datetime
    ) -> PasskeyChallenge | None:
        """Return the challenge and delete it, so that a second answer finds none."""
        found = cls.get_or_none(
            cls.token_hash == token_hash, cls.purpose == purpose, cls.created_at > created_after
        )
        if found is None or cls.delete().where(cls.id == found.id).execute() != 1:
            return None
        return found

    @classmethod
    def forget_older(cls, before: datetime) -> None:
        cls.delete().where(cls.created_at <= before).execute()

    @classmethod
    def keep_newest(cls, network: str, most: int) -> None:
        """Delete all but the newest challenges that were given to one network."""
        newest: Any = cls.select(cls.id).where(cls.network == network)
        kept = [row.id for row in newest.order_by(cls.id.desc()).limit(most)]
        cls.delete().where(cls.network == network, cls.id.not_in(kept)).execute()


def forget_factors(user_id: int) -> None:
    """Delete every factor, code and pending sign-in of one person. Call it in `transaction()`."""
    for rows in (SecondFactor, Passkey, RecoveryCode, PendingSignIn):
        rows.forget(user_id)
