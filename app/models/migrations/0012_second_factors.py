"""Authenticator apps, passkeys, recovery codes, and sign-ins that wait for one of them."""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    CharField,
    Database,
    ForeignKeyField,
    Model,
    TextField,
)
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class User(Frozen):
    id = AutoField()

    class Meta:
        table_name = "users"


class SecondFactor(Frozen):
    user = ForeignKeyField(User, primary_key=True, on_delete="CASCADE")
    handle = CharField(max_length=64)
    secret_sealed = TextField(null=True)
    added_at = UtcField(null=True)
    last_step = BigIntegerField()
    pending_sealed = TextField(null=True)
    pending_at = UtcField(null=True)


class Passkey(Frozen):
    id = AutoField()
    user = ForeignKeyField(User, on_delete="CASCADE")
    credential_id = CharField(max_length=1364, unique=True)
    public_key = TextField()
    sign_count = BigIntegerField()
    name = CharField(max_length=60)
    added_at = UtcField()
    last_used_at = UtcField(null=True)


class RecoveryCode(Frozen):
    id = AutoField()
    user = ForeignKeyField(User, on_delete="CASCADE")
    code_hash = CharField(max_length=64, unique=True)
    created_at = UtcField()
    used_at = UtcField(null=True)


class PendingSignIn(Frozen):
    id = AutoField()
    token_hash = CharField(max_length=64, unique=True)
    user = ForeignKeyField(User, on_delete="CASCADE")
    epoch = BigIntegerField()
    proven_at = UtcField()
    created_at = UtcField()


class PasskeyChallenge(Frozen):
    id = AutoField()
    token_hash = CharField(max_length=64, unique=True)
    challenge = CharField(max_length=100)
    purpose = CharField(max_length=16)
    user_id = BigIntegerField(null=True)
    network = CharField(max_length=45, index=True)
    created_at = UtcField(index=True)


def up(migrator: SchemaMigrator, db: Database) -> None:
    tables = [SecondFactor, Passkey, RecoveryCode, PendingSignIn, PasskeyChallenge]
    with db.bind_ctx([User, *tables]):
        db.create_tables(tables)
    migrate(
        migrator.add_column("user_session", "verified_at", UtcField(null=True)),
        migrator.add_column("agency", "second_factor_roles", JsonField(null=True)),
    )
