"""Every table of the first release, and the guards of the audit trail.

A frozen copy: it goes on making the tables of that day when the models have
moved on. A test holds the sum of all migrations to the models.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import uuid4

from peewee import (
    BigIntegerField,
    BooleanField,
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    PostgresqlDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Setting(Frozen):
    key = TextField(primary_key=True)
    value = TextField()


class Audit(Frozen):
    seq = BigIntegerField(primary_key=True)
    prev = CharField(max_length=64)
    body = TextField()
    hash = CharField(max_length=64, unique=True)
    at = UtcField(index=True)
    event = CharField(max_length=64, index=True)
    actor = CharField(max_length=80)
    site_id = IntegerField(null=True, index=True)


class Member(Frozen):
    name = CharField(max_length=120)
    email = CharField(max_length=254, unique=True)
    password_hash = CharField(max_length=255)
    role = CharField(max_length=16)
    session_epoch = IntegerField()
    created_at = UtcField()
    disabled_at = UtcField(null=True)


class MemberSession(Frozen):
    token_hash = CharField(max_length=64, unique=True)
    member = ForeignKeyField(Member, on_delete="CASCADE")
    created_at = UtcField()
    last_seen_at = UtcField()
    confirmed_at = UtcField()
    ended_at = UtcField(null=True)
    ip = CharField(max_length=45)
    agent = CharField(max_length=200)


class LoginFailure(Frozen):
    subject_hash = CharField(max_length=64, index=True)
    ip = CharField(max_length=45, index=True)
    at = UtcField(index=True)


class Client(Frozen):
    name = CharField(max_length=120, unique=True)


class Site(Frozen):
    client = ForeignKeyField(Client, null=True, on_delete="RESTRICT")
    name = CharField(max_length=120)
    url = CharField(max_length=2000)
    state = CharField(max_length=32, index=True)
    state_before_pairing = CharField(max_length=32)
    added_at = UtcField()
    added_by = ForeignKeyField(Member, on_delete="RESTRICT")
    forgotten_at = UtcField(null=True)
    uuid = CharField(max_length=64)
    home = CharField(max_length=2000)
    endpoint = CharField(max_length=2100)
    endpoints = JsonField()
    plugin_version = CharField(max_length=32)
    kid = CharField(max_length=64, null=True, unique=True)
    generation = IntegerField()
    fingerprint = CharField(max_length=14)
    paired_at = UtcField(null=True)
    keys_sealed = JsonField()
    ack_hash = CharField(max_length=64)
    goodbye_hash = CharField(max_length=64)
    sign_s = CharField(max_length=64)
    last_contact_at = UtcField(null=True)
    last_good_at = UtcField(null=True)
    fault = CharField(max_length=32)
    fault_evidence = JsonField()
    fault_at = UtcField(null=True)
    failures_in_row = IntegerField()
    offers = IntegerField()
    revoked_at = UtcField(null=True)
    revoke_reason = CharField(max_length=300)
    revoke_evidence = JsonField()
    revoke_next_at = UtcField(null=True, index=True)


class Pairing(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    pid = CharField(max_length=22, unique=True)
    auth_sealed = TextField(null=True)
    note_sealed = TextField()
    exchange_sealed = TextField(null=True)
    state = CharField(max_length=16, index=True)
    issued_by = ForeignKeyField(Member, on_delete="RESTRICT")
    issued_at = UtcField()
    expires_at = UtcField()
    closed_at = UtcField(null=True)
    attempts = IntegerField()
    last_tried_at = UtcField(null=True)
    next_try_at = UtcField()
    busy_until = UtcField(null=True)
    fault = CharField(max_length=32)
    fault_evidence = JsonField()


class NoticeNonce(Frozen):
    nonce = CharField(max_length=22, primary_key=True)
    expires_at = UtcField(index=True)


class Sync(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    asked_by = CharField(max_length=120)
    asked_at = UtcField()
    started_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, index=True)
    fault = CharField(max_length=32)
    evidence = JsonField()
    unchanged = BooleanField()


class Report(Frozen):
    site = ForeignKeyField(Site, unique=True, on_delete="CASCADE")
    digest = CharField(max_length=64)
    taken_at = UtcField()
    received_at = UtcField()
    wordpress = CharField(max_length=64)
    php = CharField(max_length=64)
    body = TextField()


class Component(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    version = CharField(max_length=300)
    active = BooleanField()
    network_active = BooleanField()
    auto_update = BooleanField()
    author = CharField(max_length=300)
    parent = CharField(max_length=300, null=True)
    requires_wp = CharField(max_length=300)
    requires_php = CharField(max_length=300)
    update_uri = CharField(max_length=300)
    offered_version = CharField(max_length=300, null=True)
    offered_package = BooleanField(null=True)
    offered_requires_wp = CharField(max_length=300)
    offered_requires_php = CharField(max_length=300)

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)


TABLES = [
    Setting,
    Audit,
    Member,
    MemberSession,
    LoginFailure,
    Client,
    Site,
    Pairing,
    NoticeNonce,
    Sync,
    Report,
    Component,
]

PARTIAL_INDEXES = (
    "CREATE UNIQUE INDEX site_live_url ON site (url) WHERE forgotten_at IS NULL",
    "CREATE UNIQUE INDEX pairing_one_waiting ON pairing (site_id) WHERE state = 'waiting'",
    "CREATE UNIQUE INDEX sync_one_open ON sync (site_id)"
    " WHERE state IN ('queued', 'asking', 'reading')",
)

# SQLite: `INSERT OR REPLACE` deletes without firing delete triggers, so the third
# one refuses every insert that is not the next link.
SQLITE_GUARDS = (
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END",
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END",
    "CREATE TRIGGER audit_next_only BEFORE INSERT ON audit"
    " WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)"
    " OR NEW.prev IS NOT COALESCE("
    "(SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '{genesis}')"
    " OR EXISTS (SELECT 1 FROM audit WHERE hash = NEW.hash)"
    " BEGIN SELECT RAISE(ABORT, 'audit chain break'); END",
)

POSTGRES_GUARDS = (
    "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN RAISE EXCEPTION 'audit entries are never changed or deleted'; END $$",
    "CREATE FUNCTION audit_next_only() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN"
    " IF NEW.seq IS DISTINCT FROM (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)"
    " OR NEW.prev IS DISTINCT FROM COALESCE("
    "(SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '{genesis}')"
    " THEN RAISE EXCEPTION 'audit chain break'; END IF;"
    " RETURN NEW; END $$",
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit"
    " FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_next_only BEFORE INSERT ON audit"
    " FOR EACH ROW EXECUTE FUNCTION audit_next_only()",
    "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_no_change",
    "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_no_truncate",
    "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_next_only",
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    log_uuid = str(uuid4())
    genesis = sha256(b"siteagent/audit-genesis/1\n" + log_uuid.encode("ascii")).hexdigest()
    guards = POSTGRES_GUARDS if isinstance(db, PostgresqlDatabase) else SQLITE_GUARDS
    with db.bind_ctx(TABLES):
        db.create_tables(TABLES)
        Setting.create(key="log_uuid", value=log_uuid)
    for statement in PARTIAL_INDEXES:
        db.execute_sql(statement)
    for statement in guards:
        db.execute_sql(statement.replace("{genesis}", genesis))
