"""E-mail: the server, what each person wants to hear, and every message on its way."""

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
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class User(Frozen):
    id = AutoField()

    class Meta:
        table_name = "users"


class EmailServer(Frozen):
    id = IntegerField(primary_key=True)
    host = CharField(max_length=255)
    port = IntegerField()
    security = CharField(max_length=8)
    username = CharField(max_length=254)
    password_sealed = TextField(null=True)
    sender = CharField(max_length=254)
    sender_name = CharField(max_length=120)
    changed_at = UtcField()


class NotificationPreference(Frozen):
    user = ForeignKeyField(User, primary_key=True, on_delete="CASCADE")
    chosen_at = UtcField(null=True)
    critical_now = BooleanField()
    digest = CharField(max_length=8)
    digest_hour = IntegerField()
    digest_weekday = IntegerField()
    quiet_from = IntegerField(null=True)
    quiet_to = IntegerField(null=True)
    critical_waits = BooleanField()
    client_ids = JsonField()
    digest_at = UtcField()
    message_at = UtcField(null=True)


class NotifiedItem(Frozen):
    id = AutoField()
    user = ForeignKeyField(User, on_delete="CASCADE")
    key = CharField(max_length=80)
    severity = CharField(max_length=8)
    site_id = IntegerField(null=True)
    title = CharField(max_length=300)
    seen_at = UtcField()
    told_at = UtcField(null=True)
    times_told = IntegerField()
    gone_at = UtcField(null=True)

    class Meta:
        indexes = ((("user", "key"), True),)


class OutgoingEmail(Frozen):
    id = AutoField()
    user = ForeignKeyField(User, on_delete="CASCADE")
    kind = CharField(max_length=16)
    subject = CharField(max_length=200)
    content = JsonField()
    message_id = CharField(max_length=300, unique=True)
    state = CharField(max_length=16, index=True)
    requested_at = UtcField()
    expires_at = UtcField()
    next_attempt_at = UtcField()
    ended_at = UtcField(null=True)
    may_have_arrived = BooleanField()
    problem = CharField(max_length=32)
    words = CharField(max_length=500)
    attempts = IntegerField()
    leased_until = UtcField(null=True)

    class Meta:
        indexes = ((("user", "kind"), False),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    tables = [EmailServer, NotificationPreference, NotifiedItem, OutgoingEmail]
    with db.bind_ctx(tables):
        db.create_tables(tables)
