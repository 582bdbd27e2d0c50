"""Every table of the first release, with what keeps the logs append-only.

A frozen copy: it goes on making the tables of that day when the models have moved on. A test
compares the result of all migrations with the models.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import uuid4

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    Database,
    DateField,
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


class Requested(Frozen):
    requested_by = CharField(max_length=120)
    requested_at = UtcField()
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, index=True)


class Leased(Frozen):
    attempts = IntegerField()
    leased_until = UtcField(null=True)


class Setting(Frozen):
    key = TextField(primary_key=True)
    value = TextField()


class Agency(Frozen):
    id = IntegerField(primary_key=True)
    name = CharField(max_length=120)
    time_zone = CharField(max_length=64)
    accent = CharField(max_length=7)
    accent_dark = CharField(max_length=7)
    logo_digest = CharField(max_length=64)
    logo_width = IntegerField()
    logo_height = IntegerField()


class AgencyLogo(Frozen):
    id = IntegerField(primary_key=True)
    png = BlobField()
    uploaded_at = UtcField()


class AuditEntry(Frozen):
    seq = BigIntegerField(primary_key=True)
    prev = CharField(max_length=64)
    body = TextField()
    hash = CharField(max_length=64, unique=True)
    at = UtcField()
    event = CharField(max_length=64)
    actor = CharField(max_length=80)
    site_id = IntegerField(null=True)
    client_id = IntegerField(null=True)
    kind = CharField(max_length=16)
    component = CharField(max_length=300)
    outcome = CharField(max_length=16)

    class Meta:
        table_name = "audit"


class PrivateDetail(Frozen):
    seq = BigIntegerField(primary_key=True)
    salt = CharField(max_length=32)
    body = TextField()

    class Meta:
        table_name = "audit_detail"


class Day(Frozen):
    day = CharField(max_length=10, primary_key=True)
    first_seq = BigIntegerField()
    last_seq = BigIntegerField()

    class Meta:
        table_name = "audit_day"


class Verification(Requested):
    started_at = UtcField(null=True)
    heartbeat_at = UtcField(null=True)
    entries = BigIntegerField()
    total = BigIntegerField()
    checkpoints = IntegerField()
    head = CharField(max_length=64)
    broken_at = BigIntegerField(null=True)
    reason = CharField(max_length=300)
    seen_by = CharField(max_length=120)
    seen_at = UtcField(null=True)


class User(Frozen):
    name = CharField(max_length=120)
    email = CharField(max_length=254, unique=True)
    password_hash = CharField(max_length=255)
    role = CharField(max_length=16)
    client_id = IntegerField(null=True)
    session_epoch = IntegerField()
    created_at = UtcField()
    disabled_at = UtcField(null=True)
    theme = CharField(max_length=8)
    time_zone = CharField(max_length=64)

    class Meta:
        table_name = "users"


class UserSession(Frozen):
    token_hash = CharField(max_length=64, unique=True)
    user = ForeignKeyField(User, on_delete="CASCADE")
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
    approvals = CharField(max_length=16)
    contact_name = CharField(max_length=120)
    contact_email = CharField(max_length=254)
    contact_phone = CharField(max_length=40)
    notes = TextField()
    notes_by = CharField(max_length=120)
    notes_at = UtcField(null=True)


class Site(Frozen):
    client = ForeignKeyField(Client, null=True, on_delete="RESTRICT")
    name = CharField(max_length=120)
    url = CharField(max_length=2000)
    state = CharField(max_length=32, index=True)
    state_before_pairing = CharField(max_length=32)
    added_at = UtcField()
    added_by = ForeignKeyField(User, on_delete="RESTRICT")
    forgotten_at = UtcField(null=True)
    notes = TextField()
    notes_by = CharField(max_length=120)
    notes_at = UtcField(null=True)
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
    disconnect_hash = CharField(max_length=64)
    sign_s = CharField(max_length=64)
    sign_d = CharField(max_length=64)
    last_contact_at = UtcField(null=True)
    last_success_at = UtcField(null=True)
    error_code = CharField(max_length=32)
    error_evidence = JsonField()
    error_at = UtcField(null=True)
    consecutive_failures = IntegerField()
    update_count = IntegerField()
    clock_offset_s = IntegerField(null=True)
    log_n = BigIntegerField()
    log_hash = CharField(max_length=64)
    quarantine = CharField(max_length=16)
    quarantine_at = UtcField(null=True)
    quarantine_evidence = JsonField()
    server_login_sealed = TextField(null=True)
    revoked_at = UtcField(null=True)
    revoke_reason = CharField(max_length=300)
    revoke_evidence = JsonField()
    revoke_next_at = UtcField(null=True, index=True)
    recheck_at = UtcField(null=True, index=True)


class Pairing(Leased):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    pid = CharField(max_length=22, unique=True)
    auth_sealed = TextField(null=True)
    note_sealed = TextField()
    exchange_sealed = TextField(null=True)
    state = CharField(max_length=16, index=True)
    issued_by = ForeignKeyField(User, on_delete="RESTRICT")
    issued_at = UtcField()
    expires_at = UtcField()
    closed_at = UtcField(null=True)
    last_attempt_at = UtcField(null=True)
    next_attempt_at = UtcField()
    error_code = CharField(max_length=32)
    error_evidence = JsonField()


class NoticeNonce(Frozen):
    nonce = CharField(max_length=22, primary_key=True)
    expires_at = UtcField(index=True)


class Sync(Requested):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    started_at = UtcField(null=True)
    error_code = CharField(max_length=32)
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
    update_version = CharField(max_length=300, null=True)
    update_has_package = BooleanField(null=True)
    update_requires_wp = CharField(max_length=300)
    update_requires_php = CharField(max_length=300)

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)


class AvailableUpdate(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    from_version = CharField(max_length=300)
    to_version = CharField(max_length=300)
    release_type = CharField(max_length=16)
    permission = CharField(max_length=16)
    is_fit = BooleanField()
    reasons = JsonField()

    class Meta:
        indexes = (
            (("site", "kind", "ident", "to_version"), True),
            (("kind", "ident"), False),
        )


class UpdateBacklog(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    day = DateField()
    updates = IntegerField()

    class Meta:
        indexes = ((("day", "site"), True),)


class Rotation(Frozen):
    requested_by = CharField(max_length=120)
    requested_at = UtcField()
    ended_at = UtcField(null=True)
    attempts = IntegerField()
    leased_until = UtcField(null=True)
    site = ForeignKeyField(Site, on_delete="CASCADE")
    state = CharField(max_length=16, index=True)
    op_id = CharField(max_length=36, unique=True)
    plan = TextField()
    signature = CharField(max_length=100)
    exchange_sealed = TextField(null=True)
    next_sealed = TextField(null=True)
    home = CharField(max_length=2000)
    endpoints = JsonField()
    next_attempt_at = UtcField()
    error_code = CharField(max_length=32)
    evidence = JsonField()


class DiagnosticRun(Requested):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    started_at = UtcField(null=True)
    is_paired = BooleanField()
    verdict = CharField(max_length=16)
    blocker = CharField(max_length=64)
    requests = IntegerField()
    checks = JsonField()


class AutoUpdateRule(Frozen):
    name = CharField(max_length=120)
    permissions = JsonField()
    release_types = JsonField()
    client = ForeignKeyField(Client, null=True, on_delete="RESTRICT")
    site_ids = JsonField()
    tags = JsonField()
    weekdays = JsonField()
    from_hour = IntegerField()
    to_hour = IntegerField()
    created_by = ForeignKeyField(User, on_delete="RESTRICT")
    maker = CharField(max_length=120)
    created_at = UtcField()
    reason = CharField(max_length=500)
    expires_at = UtcField()
    confirmed_by = ForeignKeyField(User, null=True, on_delete="RESTRICT")
    confirmer = CharField(max_length=120)
    confirmed_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    ended_by = CharField(max_length=120)


class UpdateHold(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    reason = CharField(max_length=500)
    until = UtcField(null=True)
    created_by = CharField(max_length=120)
    created_at = UtcField()

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)


class Change(Leased):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    batch = CharField(max_length=36, index=True)
    op_id = CharField(max_length=36, unique=True)
    kid = CharField(max_length=64)
    kind = CharField(max_length=16)
    permission = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    from_version = CharField(max_length=64)
    to_version = CharField(max_length=64)
    release_type = CharField(max_length=16)
    state = CharField(max_length=24, index=True)
    proposed_by = ForeignKeyField(User, null=True, on_delete="RESTRICT")
    proposer = CharField(max_length=120)
    proposed_at = UtcField()
    requested_at = UtcField(null=True)
    reason = CharField(max_length=500)
    not_before = UtcField()
    not_after = UtcField()
    checked_at = UtcField(null=True)
    facts = JsonField()
    document = TextField()
    digest = CharField(max_length=64)
    approved_by = ForeignKeyField(User, null=True, on_delete="RESTRICT")
    rule = ForeignKeyField(AutoUpdateRule, null=True, on_delete="RESTRICT")
    decided_by = CharField(max_length=160)
    decided_at = UtcField(null=True)
    decision = CharField(max_length=500)
    how = CharField(max_length=16)
    plan = TextField()
    signature = CharField(max_length=100)
    next_attempt_at = UtcField(null=True, index=True)
    started_at = UtcField(null=True)
    sent_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    outcome_reason = CharField(max_length=40)
    error_code = CharField(max_length=32)
    evidence = JsonField()
    probe_before = JsonField()
    probe_after = JsonField()
    is_incident = BooleanField()
    closed_by = CharField(max_length=120)
    closing_note = CharField(max_length=500)


class SiteTag(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    text = CharField(max_length=30)
    folded = CharField(max_length=90, index=True)

    class Meta:
        indexes = ((("site", "folded"), True),)


class MerkleFrontier(Frozen):
    id = IntegerField(primary_key=True)
    size = BigIntegerField()
    hash = CharField(max_length=64)
    roots = TextField()


class SiteCheckpoint(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    log = CharField(max_length=36)
    day = CharField(max_length=10)
    n = BigIntegerField()
    hash = CharField(max_length=64)
    at = BigIntegerField()
    received_at = UtcField()
    body = TextField()
    signature = CharField(max_length=86)

    class Meta:
        primary_key = CompositeKey("site", "log", "day")


class AuditAnchor(Frozen):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    day = CharField(max_length=10)
    n = BigIntegerField()
    hash = CharField(max_length=64)
    reported_at = UtcField()

    class Meta:
        primary_key = CompositeKey("site", "day")


class SiteLog(Frozen):
    site = ForeignKeyField(Site, primary_key=True, on_delete="CASCADE")
    log = CharField(max_length=36)
    branch = IntegerField()
    n = BigIntegerField()
    hash = CharField(max_length=64)
    reconciled_n = BigIntegerField()
    read_at = UtcField(null=True)
    total_bytes = BigIntegerField()
    day = CharField(max_length=10)
    day_bytes = BigIntegerField()


class SiteLogEntry(Frozen):
    site = ForeignKeyField(Site, on_delete="RESTRICT")
    branch = IntegerField()
    seq = BigIntegerField()
    log = CharField(max_length=36)
    prev = CharField(max_length=64)
    body = TextField()
    hash = CharField(max_length=64)
    received_at = UtcField()

    class Meta:
        primary_key = CompositeKey("site", "branch", "seq")


class SentCall(Frozen):
    nonce = CharField(max_length=22, primary_key=True)
    site_id = IntegerField(index=True)
    op = CharField(max_length=32)
    at = UtcField(index=True)


class Alert(Frozen):
    site = ForeignKeyField(Site, on_delete="RESTRICT")
    kind = CharField(max_length=24)
    key = CharField(max_length=100)
    evidence = JsonField()
    raised_at = UtcField(index=True)
    closed_at = UtcField(null=True)
    closed_by = CharField(max_length=120)
    closing_note = CharField(max_length=500)

    class Meta:
        indexes = ((("site", "kind", "key"), True),)


class AuditLogExport(Requested):
    requested_by_id = IntegerField()
    form = CharField(max_length=8)
    scope = CharField(max_length=300)
    client_id = IntegerField(null=True)
    scope_site_id = IntegerField(null=True)
    since = UtcField(null=True)
    until = UtcField(null=True)
    includes_private = BooleanField()
    heartbeat_at = UtcField(null=True)
    entries = BigIntegerField()
    total = BigIntegerField()
    size = BigIntegerField()
    digest = CharField(max_length=64)


class RefusalCount(Frozen):
    event = CharField(max_length=40)
    source = CharField(max_length=120)
    began_at = UtcField(index=True)
    written = IntegerField()
    suppressed = IntegerField()
    actor = CharField(max_length=40)
    ip = CharField(max_length=45)

    class Meta:
        primary_key = CompositeKey("event", "source")


SHARED_COLUMNS = (Requested, Leased)
TABLES = [
    table
    for parent in (Frozen, *SHARED_COLUMNS)
    for table in parent.__subclasses__()
    if table not in SHARED_COLUMNS
]

ONE_OPEN = (
    "CREATE UNIQUE INDEX site_live_url ON site (url) WHERE forgotten_at IS NULL",
    "CREATE UNIQUE INDEX pairing_one_waiting ON pairing (site_id) WHERE state = 'waiting'",
    "CREATE UNIQUE INDEX sync_one_open ON sync (site_id)"
    " WHERE state IN ('queued', 'asking', 'reading')",
    "CREATE UNIQUE INDEX rotation_one_open ON rotation (site_id)"
    " WHERE state IN ('asking', 'agreed')",
    "CREATE UNIQUE INDEX diagnostic_run_one_open ON diagnostic_run (site_id)"
    " WHERE state IN ('queued', 'diagnosing')",
    "CREATE UNIQUE INDEX change_one_running ON change (site_id) WHERE state = 'running'",
    "CREATE UNIQUE INDEX change_one_open ON change (site_id, kind, ident)"
    " WHERE state IN ('checking', 'proposed', 'approved', 'running', 'waiting_for_site',"
    " 'unknown')",
    "CREATE UNIQUE INDEX verification_one_queued ON verification (state) WHERE state = 'queued'",
)

# On SQLite the index columns of an entry are computed from its text, so they cannot differ from it.
KINDS = "'plugin', 'theme', 'translation', 'core', 'siteagent'"
OUTCOMES = (
    "'succeeded', 'failed', 'rolled_back', 'refused', 'unknown', 'rejected', 'expired', 'cancelled'"
)
AUDIT_SQLITE_COLUMNS = (
    "seq INTEGER NOT NULL PRIMARY KEY",
    "prev VARCHAR(64) NOT NULL",
    "body TEXT NOT NULL",
    "hash VARCHAR(64) NOT NULL",
    "at DATETIME AS (replace(json_extract(body, '$.at'), 'T', ' '))",
    "event VARCHAR(64) AS (json_extract(body, '$.event'))",
    "actor VARCHAR(80) AS (json_extract(body, '$.actor.kind')"
    " || ifnull(':' || json_extract(body, '$.actor.id'), ''))",
    "site_id INTEGER AS (json_extract(body, '$.site'))",
    "client_id INTEGER AS (json_extract(body, '$.client'))",
    f"kind VARCHAR(16) AS (iif(json_extract(body, '$.facts.kind') IN ({KINDS}),"
    " json_extract(body, '$.facts.kind'), ''))",
    "component VARCHAR(300) AS (iif(json_type(body, '$.facts.ident') = 'text',"
    " substr(json_extract(body, '$.facts.ident'), 1, 300), ''))",
    f"outcome VARCHAR(16) AS (iif(json_extract(body, '$.facts.outcome') IN ({OUTCOMES}),"
    " json_extract(body, '$.facts.outcome'), ''))",
)
SEARCHED = ("event", "actor", "site_id", "client_id", "kind", "component", "outcome")

# SQLite: `INSERT OR REPLACE` deletes without firing delete triggers, so the third one refuses every
# insert that is not the next link. Only `seq` is unique, so no other row can be replaced.
SQLITE_GUARDS = (
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END",
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END",
    "CREATE TRIGGER audit_next_only BEFORE INSERT ON audit"
    " WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)"
    " OR NEW.prev IS NOT COALESCE("
    "(SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '{genesis}')"
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

# Details are written with their entry and never changed; deleting is what erases them.
DETAIL_GUARDS = {
    "sqlite": (
        "CREATE TRIGGER audit_detail_no_update BEFORE UPDATE ON audit_detail"
        " BEGIN SELECT RAISE(ABORT, 'private details are never changed'); END",
        "CREATE TRIGGER audit_detail_newest_only BEFORE INSERT ON audit_detail"
        " WHEN NEW.seq IS NOT (SELECT MAX(seq) FROM audit)"
        " OR EXISTS (SELECT 1 FROM audit_detail WHERE seq = NEW.seq)"
        " BEGIN SELECT RAISE(ABORT, 'private details are written with their entry'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_detail_refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'private details are never changed'; END $$",
        "CREATE FUNCTION audit_detail_newest_only() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN"
        " IF NEW.seq IS DISTINCT FROM (SELECT MAX(seq) FROM audit)"
        " THEN RAISE EXCEPTION 'private details are written with their entry'; END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER audit_detail_no_update BEFORE UPDATE ON audit_detail"
        " FOR EACH ROW EXECUTE FUNCTION audit_detail_refuse()",
        "CREATE TRIGGER audit_detail_no_truncate BEFORE TRUNCATE ON audit_detail"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_detail_refuse()",
        "CREATE TRIGGER audit_detail_newest_only BEFORE INSERT ON audit_detail"
        " FOR EACH ROW EXECUTE FUNCTION audit_detail_newest_only()",
        "ALTER TABLE audit_detail ENABLE ALWAYS TRIGGER audit_detail_no_update",
        "ALTER TABLE audit_detail ENABLE ALWAYS TRIGGER audit_detail_no_truncate",
        "ALTER TABLE audit_detail ENABLE ALWAYS TRIGGER audit_detail_newest_only",
    ),
}

# Words as app/models/search_terms.py cuts them; nothing is cut again here.
WORDS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE audit_words USING fts5(words,"
        " tokenize = \"unicode61 remove_diacritics 0 tokenchars '._-'\", prefix = '2 3 4')",
    ),
    "postgresql": (
        "CREATE TABLE audit_words (seq BIGINT PRIMARY KEY, words TEXT NOT NULL)",
        "CREATE INDEX audit_words_found ON audit_words"
        " USING gin (array_to_tsvector(string_to_array(words, ' ')))",
    ),
}

# As for the audit log: the third trigger refuses every insert that is not after the last entry.
SITE_LOG_SQLITE = (
    "CREATE TRIGGER site_log_entry_no_update BEFORE UPDATE ON site_log_entry"
    " BEGIN SELECT RAISE(ABORT, 'entries of a site are never changed'); END",
    "CREATE TRIGGER site_log_entry_no_delete BEFORE DELETE ON site_log_entry"
    " BEGIN SELECT RAISE(ABORT, 'entries of a site are never deleted'); END",
    "CREATE TRIGGER site_log_entry_behind_only BEFORE INSERT ON site_log_entry"
    " WHEN EXISTS (SELECT 1 FROM site_log_entry WHERE site_id = NEW.site_id"
    " AND branch = NEW.branch AND seq >= NEW.seq)"
    " BEGIN SELECT RAISE(ABORT, 'entries of a site are only added behind the last one'); END",
)
SITE_LOG_POSTGRES = (
    "CREATE FUNCTION site_log_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN RAISE EXCEPTION 'entries of a site are never changed or deleted'; END $$",
    "CREATE FUNCTION site_log_entry_behind_only() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN"
    " IF EXISTS (SELECT 1 FROM site_log_entry WHERE site_id = NEW.site_id"
    " AND branch = NEW.branch AND seq >= NEW.seq)"
    " THEN RAISE EXCEPTION 'entries of a site are only added behind the last one'; END IF;"
    " RETURN NEW; END $$",
    "CREATE TRIGGER site_log_entry_no_change BEFORE UPDATE OR DELETE ON site_log_entry"
    " FOR EACH ROW EXECUTE FUNCTION site_log_entry_refuse()",
    "CREATE TRIGGER site_log_entry_no_truncate BEFORE TRUNCATE ON site_log_entry"
    " FOR EACH STATEMENT EXECUTE FUNCTION site_log_entry_refuse()",
    "CREATE TRIGGER site_log_entry_behind_only BEFORE INSERT ON site_log_entry"
    " FOR EACH ROW EXECUTE FUNCTION site_log_entry_behind_only()",
    "ALTER TABLE site_log_entry ENABLE ALWAYS TRIGGER site_log_entry_no_change",
    "ALTER TABLE site_log_entry ENABLE ALWAYS TRIGGER site_log_entry_no_truncate",
    "ALTER TABLE site_log_entry ENABLE ALWAYS TRIGGER site_log_entry_behind_only",
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    log_uuid = str(uuid4())
    genesis = sha256(b"siteagent/audit-genesis/1\n" + log_uuid.encode("ascii")).hexdigest()
    is_postgres = isinstance(db, PostgresqlDatabase)
    with db.bind_ctx(TABLES):
        if is_postgres:
            db.create_tables(TABLES)
        else:
            db.execute_sql(f"CREATE TABLE audit ({', '.join(AUDIT_SQLITE_COLUMNS)})")
            db.create_tables([table for table in TABLES if table is not AuditEntry])
        Setting.create(key="log_uuid", value=log_uuid)
    for column in SEARCHED:
        db.execute_sql(f"CREATE INDEX audit_{column}_seq ON audit ({column}, seq)")
    for statement in ONE_OPEN:
        db.execute_sql(statement)
    which = "postgresql" if is_postgres else "sqlite"
    for statement in (*WORDS[which], *DETAIL_GUARDS[which]):
        db.execute_sql(statement)
    for statement in POSTGRES_GUARDS if is_postgres else SQLITE_GUARDS:
        db.execute_sql(statement.replace("{genesis}", genesis))
    for statement in SITE_LOG_POSTGRES if is_postgres else SITE_LOG_SQLITE:
        db.execute_sql(statement)
