"""Webhooks: the endpoints, what each was sent, and every message on its way to them."""

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


class WebhookEndpoint(Frozen):
    id = AutoField()
    name = CharField(max_length=80)
    format = CharField(max_length=16)
    url_sealed = TextField()
    shown_url = CharField(max_length=300)
    secret_sealed = TextField(null=True)
    former_secret_sealed = TextField(null=True)
    former_until = UtcField(null=True)
    wants = CharField(max_length=16)
    client_ids = JsonField()
    added_at = UtcField()
    changed_at = UtcField()
    off_because = CharField(max_length=16)
    off_at = UtcField(null=True)
    message_at = UtcField(null=True)
    accepted_at = UtcField(null=True)


class EndpointItem(Frozen):
    id = AutoField()
    key = CharField(max_length=80)
    severity = CharField(max_length=8)
    site_id = IntegerField(null=True)
    title = CharField(max_length=300)
    seen_at = UtcField()
    told_at = UtcField(null=True)
    times_told = IntegerField()
    gone_at = UtcField(null=True)
    endpoint = ForeignKeyField(WebhookEndpoint, on_delete="CASCADE")

    class Meta:
        indexes = ((("endpoint", "key"), True),)


class WebhookMessage(Frozen):
    id = AutoField()
    attempts = IntegerField()
    leased_until = UtcField(null=True)
    state = CharField(max_length=16, index=True)
    requested_at = UtcField()
    expires_at = UtcField()
    next_attempt_at = UtcField()
    ended_at = UtcField(null=True)
    may_have_arrived = BooleanField()
    problem = CharField(max_length=32)
    endpoint = ForeignKeyField(WebhookEndpoint, on_delete="CASCADE")
    message_id = CharField(max_length=300, unique=True)
    words = CharField(max_length=500)
    type = CharField(max_length=40)
    subject = CharField(max_length=300)
    content = JsonField()
    last_attempt = IntegerField()


class WebhookAttempt(Frozen):
    id = AutoField()
    message = ForeignKeyField(WebhookMessage, on_delete="CASCADE")
    number = IntegerField()
    at = UtcField()
    ms = IntegerField()
    status = IntegerField(null=True)
    problem = CharField(max_length=32)
    words = CharField(max_length=200)
    may_have_arrived = BooleanField()


def up(migrator: SchemaMigrator, db: Database) -> None:
    tables = [WebhookEndpoint, EndpointItem, WebhookMessage, WebhookAttempt]
    with db.bind_ctx(tables):
        db.create_tables(tables)
