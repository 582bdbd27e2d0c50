"""People of the agency may be limited to some clients, and may sign in at an OpenID provider."""

from __future__ import annotations

from peewee import (
    AutoField,
    BooleanField,
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
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


class OpenIdProvider(Frozen):
    id = IntegerField(primary_key=True)
    issuer = CharField(max_length=255)
    client_id = CharField(max_length=255)
    secret_sealed = TextField()
    label = CharField(max_length=60)
    domains = JsonField()
    creates_viewers = BooleanField()
    authorization = CharField(max_length=500)
    token = CharField(max_length=500)
    keys = CharField(max_length=500)
    authentication = CharField(max_length=32)
    names_issuer = BooleanField()
    changed_at = UtcField()


class OpenIdIdentity(Frozen):
    id = AutoField()
    user = ForeignKeyField(User, on_delete="CASCADE")
    issuer = CharField(max_length=255)
    subject = CharField(max_length=255)
    linked_at = UtcField()

    class Meta:
        indexes = ((("issuer", "subject"), True), (("user", "issuer"), True))


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrate(migrator.add_column("users", "limited_to", JsonField(null=True)))
    with db.bind_ctx([User, OpenIdProvider, OpenIdIdentity]):
        db.create_tables([OpenIdProvider, OpenIdIdentity])
