"""Changes and their approvals, standing ones too, and what is to be left alone."""

from __future__ import annotations

from peewee import (
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


class Site(Frozen):
    """Only what a foreign key has to know of it; so are the next two."""


class Client(Frozen):
    pass


class Member(Frozen):
    pass


class Policy(Frozen):
    name = CharField(max_length=120)
    scopes = JsonField()
    steps = JsonField()
    client = ForeignKeyField(Client, null=True, on_delete="RESTRICT")
    site_ids = JsonField()
    weekdays = JsonField()
    from_hour = IntegerField()
    to_hour = IntegerField()
    made_by = ForeignKeyField(Member, on_delete="RESTRICT")
    maker = CharField(max_length=120)
    made_at = UtcField()
    reason = CharField(max_length=500)
    expires_at = UtcField()
    confirmed_by = ForeignKeyField(Member, null=True, on_delete="RESTRICT")
    confirmer = CharField(max_length=120)
    confirmed_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    ended_by = CharField(max_length=120)


class Held(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    reason = CharField(max_length=500)
    until = UtcField(null=True)
    made_by = CharField(max_length=120)
    made_at = UtcField()

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)


class Change(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    batch = CharField(max_length=36, index=True)
    op_id = CharField(max_length=36, unique=True)
    kid = CharField(max_length=64)
    kind = CharField(max_length=16)
    scope = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    from_version = CharField(max_length=64)
    to_version = CharField(max_length=64)
    step_size = CharField(max_length=16)
    state = CharField(max_length=24, index=True)
    proposed_by = ForeignKeyField(Member, null=True, on_delete="RESTRICT")
    proposer = CharField(max_length=120)
    proposed_at = UtcField()
    reason = CharField(max_length=500)
    not_before = UtcField()
    not_after = UtcField()
    checked_at = UtcField(null=True)
    facts = JsonField()
    document = TextField()
    digest = CharField(max_length=64)
    approved_by = ForeignKeyField(Member, null=True, on_delete="RESTRICT")
    policy = ForeignKeyField(Policy, null=True, on_delete="RESTRICT")
    decided_by = CharField(max_length=160)
    decided_at = UtcField(null=True)
    decision = CharField(max_length=500)
    how = CharField(max_length=16)
    plan = TextField()
    signature = CharField(max_length=100)
    attempts = IntegerField()
    next_try_at = UtcField(null=True, index=True)
    busy_until = UtcField(null=True)
    started_at = UtcField(null=True)
    sent_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    outcome_reason = CharField(max_length=40)
    fault = CharField(max_length=32)
    evidence = JsonField()
    probe_before = JsonField()
    probe_after = JsonField()
    is_incident = BooleanField()
    closed_by = CharField(max_length=120)
    closing_note = CharField(max_length=500)


PARTIAL_INDEXES = (
    "CREATE UNIQUE INDEX change_one_running ON change (site_id) WHERE state = 'running'",
    "CREATE UNIQUE INDEX change_one_open ON change (site_id, kind, ident)"
    " WHERE state IN ('checking', 'proposed', 'approved', 'running', 'waiting_for_site',"
    " 'unknown')",
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    approvals = CharField(max_length=16, default="self")
    migrator.migrate(
        migrator.add_column("client", "approvals", approvals),
        migrator.add_column("member", "client_id", IntegerField(null=True)),
    )
    with db.bind_ctx([Site, Client, Member, Policy, Held, Change]):
        db.create_tables([Policy, Held, Change])
    for statement in PARTIAL_INDEXES:
        db.execute_sql(statement)
