"""The clients' sites, and the tokens that pair them.

Every change of state is a conditional UPDATE: it names the states it may start from, and reports
whether it succeeded.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from peewee import (
    JOIN,
    AutoField,
    BigIntegerField,
    Case,
    CharField,
    ForeignKeyField,
    IntegerField,
    TextField,
    fn,
)

from app.models.accounts import User
from app.models.base import BaseModel, JsonField, UtcField
from app.models.clients import SELF_APPROVAL, Client
from app.models.composed import composed_once
from app.models.queued_row import LeasedRow
from app.models.statements import Statement, given
from app.models.visibility import EVERYTHING, Visibility

# Site.state
NEW = "new"
PAIRING = "pairing"
ACTIVE = "active"
REVOKING = "revoking"
REVOKED = "revoked"
REVOKED_UNPROVEN = "revoked_unproven"
REVOKED_UNREACHED = "revoked_unreached"
DISCONNECTED = "disconnected"
DISCONNECTED_UNCONFIRMED = "disconnected_unconfirmed"

_OVER = (
    REVOKED,
    REVOKED_UNPROVEN,
    REVOKED_UNREACHED,
    DISCONNECTED,
    DISCONNECTED_UNCONFIRMED,
)
STATES = (NEW, PAIRING, ACTIVE, REVOKING, *_OVER)
# The connection has ended, or Aura is ending it.
ENDING_OR_OVER = (REVOKING, *_OVER)
# States without a usable connection: a token may be created.
MAY_PAIR = (NEW, *_OVER)
# The connection has certainly ended, or a token for another one is open.
ENDED = (REVOKED, REVOKED_UNPROVEN, DISCONNECTED, PAIRING)
# Aura has the keys, and a call may succeed.
MAY_CALL = (ACTIVE, DISCONNECTED_UNCONFIRMED)
MAY_FORGET = (NEW, REVOKED, REVOKED_UNPROVEN, REVOKED_UNREACHED, DISCONNECTED)

# Something other than the plugin answered: a firewall, a cache or a login page.
ERRORS_OF_BLOCKING = (
    "blocked",
    "web_page",
    "redirected",
    "encoded_reply",
    "unsigned_reply",
    "bad_reply_signature",
    "malformed_reply",
)
UNREACHABLE_AFTER = 3
# Signed answers of the site, which show that it can be reached.
ERRORS_OF_A_SITE_THAT_ANSWERS = ("nonce_store_unavailable",)

# Site.quarantine
MOVED = "moved"
FORKED = "forked"
EXCESSIVE = "excessive"


class Site(BaseModel):
    """One WordPress site, and the state of its connection.

    `keys_sealed` holds d2s, s2d and revoke under the sealing key, each bound to this row and
    generation. `state_before_pairing` is the state after a token closes unused. `log_n` and
    `log_hash` are the newest known head of the site's own log. `quarantine` is why a person has to
    decide whether this is still the same site. `server_login_sealed` is a name and a password for
    the web server in front of WordPress.
    """

    id = AutoField()
    client = ForeignKeyField(Client, null=True, backref="sites", on_delete="RESTRICT")
    client_id: int | None
    name = CharField(max_length=120)
    url = CharField(max_length=2000)
    state = CharField(max_length=32, default=NEW, index=True)
    state_before_pairing = CharField(max_length=32, default=NEW)
    added_at = UtcField()
    added_by = ForeignKeyField(User, backref="+", on_delete="RESTRICT")
    added_by_id: int
    forgotten_at = UtcField(null=True)
    # The agency's own notes; client users never see them.
    notes = TextField(default="")
    notes_by = CharField(max_length=120, default="")
    notes_at = UtcField(null=True)
    # Its own maintenance window, instead of its client's.
    maintenance_window = JsonField(null=True)
    # How its owner limits updates in wp-admin (inventory/update_limits.py).
    update_limits = JsonField(null=True)

    uuid = CharField(max_length=64, default="")
    home = CharField(max_length=2000, default="")
    endpoint = CharField(max_length=2100, default="")
    endpoints = JsonField(default=list)
    plugin_version = CharField(max_length=32, default="")
    kid = CharField(max_length=64, null=True, unique=True)
    generation = IntegerField(default=0)
    fingerprint = CharField(max_length=14, default="")
    paired_at = UtcField(null=True)
    keys_sealed = JsonField(default=dict)
    ack_hash = CharField(max_length=64, default="")
    disconnect_hash = CharField(max_length=64, default="")
    sign_s = CharField(max_length=64, default="")
    # The dashboard's public key that the site checks plans with; empty means its first one.
    sign_d = CharField(max_length=64, default="")

    last_contact_at = UtcField(null=True)
    last_success_at = UtcField(null=True)
    error_code = CharField(max_length=32, default="")
    error_evidence = JsonField(default=dict)
    error_at = UtcField(null=True)
    consecutive_failures = IntegerField(default=0)
    # Before this time, the schedule does not sync a site that fails.
    next_sync_at = UtcField(null=True)
    # Where the last answer came from. Many sites may share one server.
    server_address = CharField(max_length=45, default="")
    update_count = IntegerField(default=0)

    clock_offset_s = IntegerField(null=True)
    log_n = BigIntegerField(default=0)
    log_hash = CharField(max_length=64, default="")
    quarantine = CharField(max_length=16, default="")
    quarantine_at = UtcField(null=True)
    quarantine_evidence = JsonField(default=dict)
    server_login_sealed = TextField(null=True)

    revoked_at = UtcField(null=True)
    revoke_reason = CharField(max_length=300, default="")
    revoke_evidence = JsonField(default=dict)
    revoke_next_at = UtcField(null=True, index=True)
    # After a certain end: when to check that the connection was not restored.
    recheck_at = UtcField(null=True, index=True)

    @property
    def connection(self) -> str:
        """Return the state of the connection of an active site; otherwise the site's state."""
        if self.state != ACTIVE:
            return self.state
        if self.quarantine:
            return "quarantined"
        if self.consecutive_failures == 0:
            return "healthy" if self.last_success_at else "unknown"
        if self.error_code in ERRORS_OF_BLOCKING:
            return "blocked"
        answers = self.error_code in ERRORS_OF_A_SITE_THAT_ANSWERS
        few = self.consecutive_failures < UNREACHABLE_AFTER
        return "degraded" if few or answers else "unreachable"

    @property
    def key_id(self) -> str:
        """Return the key id of the connection.

        Raises: ValueError if there never was one.
        """
        if self.kid is None:
            raise ValueError(f"site {self.id} was never paired")
        return self.kid

    @property
    def is_paired(self) -> bool:
        return self.state in MAY_CALL

    @property
    def approvals(self) -> str:
        """Return how changes to this site are approved; the agency decides without a client."""
        return self.client.approvals if self.client else SELF_APPROVAL

    def move(self, *, to: str, when: tuple[str, ...], **changes: Any) -> bool:
        """Set state `to` if the row is in one of `when`; return False otherwise."""
        return self.update_in_state(when, state=to, **changes)

    def note(self, *, when: tuple[str, ...], **changes: Any) -> bool:
        """Set columns without changing the state, if the row is in one of `when`."""
        return self.update_in_state(when, **changes)

    def set_notes(self, text: str, *, by: str, now: datetime) -> bool:
        """Replace the notes; return False if the site was removed meanwhile."""
        return self.update_if(Site.forgotten_at.is_null(), notes=text, notes_by=by, notes_at=now)

    def set_window(self, window: dict[str, Any] | None) -> None:
        """Set the site's own maintenance window; with None, that of its client applies."""
        self.update_if(maintenance_window=window)

    def claim_revocation(self, when: tuple[str, ...], now: datetime, until: datetime) -> bool:
        """Take the right to send the notice now; return False if it is not due or taken.

        The lease is `revoke_next_at` itself, so it expires if a worker dies.
        """
        return self.update_if(
            Site.state.in_(when), Site.revoke_next_at <= now, revoke_next_at=until
        )

    def claim_recheck(self, now: datetime, until: datetime) -> bool:
        """Take the right to check again now; the lease is `recheck_at` itself, as above."""
        return self.update_if(Site.recheck_at <= now, recheck_at=until)

    def plan_recheck(
        self, at: datetime | None, evidence: dict[str, Any] | None = None, **changes: Any
    ) -> bool:
        """Set when to check again; False if the site has been paired meanwhile."""
        if evidence is not None:
            changes["revoke_evidence"] = evidence
        return self.update_if(
            Site.state.in_(ENDED), Site.recheck_at.is_null(False), recheck_at=at, **changes
        )

    def waiting_token(self) -> Pairing | None:
        return Pairing.get_or_none(Pairing.site == self, Pairing.state == WAITING)

    @classmethod
    def client_of(cls, site_id: int) -> int | None:
        """Return the client a site belongs to, if any; also for a removed site."""
        row = _CLIENT_OF.read_row(id=site_id)
        return None if row is None else row[0]

    @classmethod
    def known(cls, site_id: int) -> Site | None:
        """Return the site with this id, unless it was removed."""
        return next(iter(cls._known(id=site_id)), None)

    @classmethod
    @composed_once
    def _known(cls) -> Any:
        query = cls.select(cls, Client).join(Client, JOIN.LEFT_OUTER)
        return query.where(cls.id == given(cls.id), cls.forgotten_at.is_null())

    @classmethod
    def listing(cls, visible: Visibility) -> list[Site]:
        """Return the visible sites that were not removed by name, each with its client."""
        query = cls.select(cls, Client).join(Client, JOIN.LEFT_OUTER).where(cls.is_shown(visible))
        return list(query.order_by(fn.LOWER(cls.name), cls.id))

    @classmethod
    def names(cls, site_ids: Collection[int], visible: Visibility = EVERYTHING) -> dict[int, str]:
        """Return the names of those of these sites that are visible by id, also of removed ones."""
        if not site_ids:
            return {}
        query = cls.select(cls.id, cls.name)
        query = query.where(cls.id.in_(list(site_ids)), visible.in_sql(cls.client))
        return {site.id: site.name for site in query}

    @classmethod
    def known_names(cls, visible: Visibility) -> dict[int, str]:
        """Return the names of the visible sites that were not removed by id, in order."""
        query = cls.select(cls.id, cls.name).where(cls.is_shown(visible))
        rows: Any = query.order_by(fn.LOWER(cls.name), cls.id).tuples()
        return dict(rows)

    @classmethod
    def by_ids(cls, site_ids: Collection[int]) -> dict[int, Site]:
        """Return these sites by id, also removed ones."""
        return {site.id: site for site in cls.select().where(cls.id.in_(list(site_ids)))}

    @classmethod
    def count_by_connection(cls) -> dict[str, int]:
        """Return how many sites there are by `connection`."""
        found = cls.select(cls.connection_in_sql().alias("word")).where(cls.forgotten_at.is_null())
        one = found.alias("one")
        counted = cls.select(one.c.word, fn.COUNT(one.c.word)).from_(one).group_by(one.c.word)
        rows: Any = counted.tuples()
        return dict(rows)

    @classmethod
    def oldest_success(cls) -> datetime | None:
        """Return the oldest last answer of all sites that answer."""
        is_answering = cls.is_connected() & (cls.error_code == "")
        query = cls.select(cls.last_success_at).where(is_answering, ~cls.last_success_at.is_null())
        found = query.order_by(cls.last_success_at).first()
        return None if found is None else found.last_success_at

    @classmethod
    def is_connected(cls) -> Any:
        """Return the SQL condition that a site is connected and was not removed."""
        return (cls.state == ACTIVE) & cls.forgotten_at.is_null()

    @classmethod
    def is_shown(cls, visible: Visibility) -> Any:
        """Return the SQL condition that a site is visible and was not removed."""
        return cls.forgotten_at.is_null() & visible.in_sql(cls.client)

    @classmethod
    def connection_in_sql(cls) -> Any:
        """Return `connection` as an SQL expression; a test compares the two."""
        return Case(
            None,
            (
                (cls.state != ACTIVE, cls.state),
                (cls.quarantine != "", "quarantined"),
                ((cls.consecutive_failures == 0) & cls.last_success_at.is_null(False), "healthy"),
                (cls.consecutive_failures == 0, "unknown"),
                (cls.error_code.in_(ERRORS_OF_BLOCKING), "blocked"),
                (cls.consecutive_failures < UNREACHABLE_AFTER, "degraded"),
                (cls.error_code.in_(ERRORS_OF_A_SITE_THAT_ANSWERS), "degraded"),
            ),
            "unreachable",
        )


# At most one site per address, not counting removed ones.
Site.add_index(
    Site.index(Site.url, unique=True, where=Site.forgotten_at.is_null(), name="site_live_url")
)


# Pairing.state
WAITING = "waiting"
USED = "used"
EXPIRED = "expired"
CANCELLED = "cancelled"
FAILED = "failed"


# Read for each audit entry.
_CLIENT_OF = Statement(Site.select(Site.client).where(Site.id == given(Site.id)))


class Pairing(LeasedRow):
    """A pairing token and its state.

    `auth_sealed` and `exchange_sealed` are destroyed when the token closes. `note_sealed` stays, so
    that a late paste gets a precise, signed answer.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="pairings", on_delete="CASCADE")
    site_id: int
    pid = CharField(max_length=22, unique=True)
    auth_sealed = TextField(null=True)
    note_sealed = TextField()
    exchange_sealed = TextField(null=True)
    state = CharField(max_length=16, default=WAITING, index=True)
    issued_by = ForeignKeyField(User, backref="+", on_delete="RESTRICT")
    issued_at = UtcField()
    expires_at = UtcField()
    closed_at = UtcField(null=True)
    last_attempt_at = UtcField(null=True)
    next_attempt_at = UtcField()
    error_code = CharField(max_length=32, default="")
    error_evidence = JsonField(default=dict)

    def note(self, **changes: Any) -> bool:
        """Set columns while the token is waiting; return False if it is not."""
        return self.update_if(Pairing.state == WAITING, **changes)

    def close(
        self, to: str, now: datetime, *, unless_exchanged: bool = False, **changes: Any
    ) -> bool:
        """Leave *waiting* and destroy the keys of the token.

        Return False if it has left already or, with `unless_exchanged`, if the site has the keys
        and only its confirmation is missing.
        """
        may_close = [Pairing.exchange_sealed.is_null()] if unless_exchanged else []
        return self.update_if(
            Pairing.state == WAITING,
            *may_close,
            state=to,
            closed_at=now,
            auth_sealed=None,
            exchange_sealed=None,
            leased_until=None,
            **changes,
        )


Pairing.add_index(
    Pairing.index(
        Pairing.site, unique=True, where=Pairing.state == WAITING, name="pairing_one_waiting"
    )
)
