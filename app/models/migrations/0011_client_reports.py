"""Reports that are sent to clients: when, to whom, and what was sent."""

from __future__ import annotations

from peewee import (
    AutoField,
    BlobField,
    BooleanField,
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Client(Frozen):
    id = AutoField()


class ReportSchedule(Frozen):
    client = ForeignKeyField(Client, primary_key=True, on_delete="CASCADE")
    cadence = CharField(max_length=8)
    day = IntegerField()
    time_zone = CharField(max_length=64)
    is_automatic = BooleanField()
    recipients = JsonField()
    sender_name = CharField(max_length=120)
    reply_to = CharField(max_length=254)
    language = CharField(max_length=8)
    handled_until = UtcField()


class SentReport(Frozen):
    id = AutoField()
    client = ForeignKeyField(Client, on_delete="CASCADE")
    first_day = CharField(max_length=10)
    last_day = CharField(max_length=10)
    time_zone = CharField(max_length=64)
    language = CharField(max_length=8)
    is_automatic = BooleanField()
    state = CharField(max_length=16, index=True)
    problem = CharField(max_length=32)
    note = CharField(max_length=1000)
    content_digest = CharField(max_length=64)
    pdf_digest = CharField(max_length=64)
    requested_at = UtcField()
    next_attempt_at = UtcField()
    prepared_at = UtcField(null=True)
    sent_by = CharField(max_length=120)
    sent_at = UtcField(null=True)
    attempts = IntegerField()
    leased_until = UtcField(null=True)

    class Meta:
        indexes = ((("client", "first_day", "last_day"), True),)


class ReportDocument(Frozen):
    report = ForeignKeyField(SentReport, primary_key=True, on_delete="CASCADE")
    content = JsonField()
    pdf = BlobField(null=True)


class ReportDelivery(Frozen):
    id = AutoField()
    report = ForeignKeyField(SentReport, on_delete="CASCADE")
    address = CharField(max_length=254)
    sender_name = CharField(max_length=120)
    reply_to = CharField(max_length=254)
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


def up(migrator: SchemaMigrator, db: Database) -> None:
    tables = [Client, ReportSchedule, SentReport, ReportDocument, ReportDelivery]
    with db.bind_ctx(tables):
        db.create_tables(tables[1:])
