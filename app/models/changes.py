"""Changes: one component on one site, from the proposal to the result.

Each transition is a conditional UPDATE; ALLOWED lists all transitions.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from peewee import (
    JOIN,
    AutoField,
    BooleanField,
    CharField,
    ForeignKeyField,
    TextField,
    fn,
)

from app.models.accounts import User
from app.models.auto_update_rules import AutoUpdateRule, UpdateHold
from app.models.base import JsonField, UtcField
from app.models.clients import Client
from app.models.composed import composed_once
from app.models.provenance import ProvenanceChange
from app.models.queued_row import LeasedRow
from app.models.sites import Site
from app.models.visibility import Visibility

# Change.state
CHECKING = "checking"
PROPOSED = "proposed"
APPROVED = "approved"
RUNNING = "running"
WAITING = "waiting_for_site"
UNKNOWN = "unknown"
SUCCEEDED = "succeeded"
FAILED = "failed"
ROLLED_BACK = "rolled_back"
REFUSED = "refused"
REJECTED = "rejected"
EXPIRED = "expired"
CANCELLED = "cancelled"

# The transitions of each state. None leads back to *approved*, and final states have none.
ALLOWED: dict[str, tuple[str, ...]] = {
    CHECKING: (PROPOSED, REFUSED, CANCELLED, EXPIRED),
    PROPOSED: (APPROVED, REJECTED, CANCELLED, EXPIRED),
    APPROVED: (RUNNING, CANCELLED, EXPIRED),
    RUNNING: (SUCCEEDED, FAILED, ROLLED_BACK, REFUSED, UNKNOWN, WAITING),
    WAITING: (RUNNING, CANCELLED, EXPIRED),
    UNKNOWN: (SUCCEEDED, FAILED, ROLLED_BACK, REFUSED, WAITING),
    SUCCEEDED: (),
    FAILED: (),
    ROLLED_BACK: (),
    REFUSED: (),
    REJECTED: (),
    EXPIRED: (),
    CANCELLED: (),
}
STATES = tuple(ALLOWED)
ENDED = tuple(state for state, onwards in ALLOWED.items() if not onwards)
OPEN = tuple(state for state, onwards in ALLOWED.items() if onwards)
# States before anything was sent that could change the site.
MAY_CANCEL = tuple(state for state, onwards in ALLOWED.items() if CANCELLED in onwards)
MAY_EXPIRE = tuple(state for state, onwards in ALLOWED.items() if EXPIRED in onwards)
MAY_RUN = (APPROVED, WAITING)
# The site may be broken: the change stays listed until a person marks it as checked.
BAD_ENDS = (FAILED, ROLLED_BACK)
# Change.outcome_reason of a failure that has not touched the site.
NEVER_ARRIVED = "never_arrived"
# Final answers of a site; `waiting` is not one.
OUTCOMES = (SUCCEEDED, FAILED, ROLLED_BACK, REFUSED)


def sources(to: str) -> tuple[str, ...]:
    """Return the states that may lead to `to`."""
    return tuple(state for state, onwards in ALLOWED.items() if to in onwards)


class Change(LeasedRow):
    """One update of one component on one site.

    `document` is what a person approves, to the byte; `digest` is what they see of it. It is empty
    until the site answered the dry run. `plan` is the document with the approval in it, as b64u,
    exactly as it was signed and is sent. `batch` groups what was proposed together.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="changes", on_delete="CASCADE")
    site_id: int
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
    state = CharField(max_length=24, default=CHECKING)

    proposed_by = ForeignKeyField(User, null=True, backref="+", on_delete="RESTRICT")
    proposed_by_id: int | None
    proposer = CharField(max_length=120)
    proposed_at = UtcField()
    # Empty while the proposer still reviews it: no other person is asked to approve it.
    requested_at = UtcField(null=True)
    reason = CharField(max_length=500, default="")
    not_before = UtcField()
    not_after = UtcField()

    checked_at = UtcField(null=True)
    facts = JsonField(default=dict)
    document = TextField(default="")
    digest = CharField(max_length=64, default="")

    approved_by = ForeignKeyField(User, null=True, backref="+", on_delete="RESTRICT")
    approved_by_id: int | None
    rule = ForeignKeyField(AutoUpdateRule, null=True, backref="changes", on_delete="RESTRICT")
    rule_id: int | None
    decided_by = CharField(max_length=160, default="")
    decided_at = UtcField(null=True)
    decision = CharField(max_length=500, default="")
    how = CharField(max_length=16, default="")
    plan = TextField(default="")
    signature = CharField(max_length=100, default="")
    # The reason of an owner who approved it in spite of a freeze and its maintenance window.
    override = CharField(max_length=500, default="")

    next_attempt_at = UtcField(null=True, index=True)
    started_at = UtcField(null=True)
    sent_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    outcome_reason = CharField(max_length=40, default="")
    error_code = CharField(max_length=32, default="")
    evidence = JsonField(default=dict)
    probe_before = JsonField(default=dict)
    probe_after = JsonField(default=dict)

    # The hold on its component, expired or not; only `known` reads it.
    hold: UpdateHold | None = None
    # Open changes of the sources of all plugins, as `nested` returns them; only `known` reads them.
    source_changes: str | None = None

    is_incident = BooleanField(default=False, index=True)
    closed_by = CharField(max_length=120, default="")
    closing_note = CharField(max_length=500, default="")

    class Meta:
        indexes = (
            *((("state", "closed_by"), False), (("state", "ended_at"), False)),
            # For what all sites have seen of one version.
            (("kind", "ident", "to_version"), False),
        )

    @property
    def is_open(self) -> bool:
        """Whether it has no result yet, and no person has checked the site without one."""
        return self.state in OPEN and not self.closed_by

    @classmethod
    def has_no_end(cls) -> Any:
        """Return `is_open` as an SQL expression."""
        return cls.state.in_(OPEN) & (cls.closed_by == "")

    @property
    def is_live(self) -> bool:
        """Whether something is under way that a page should follow."""
        return self.state in (CHECKING, RUNNING) or (
            self.state in (APPROVED, UNKNOWN) and self.next_attempt_at is not None
        )

    @property
    def left_site_untouched(self) -> bool:
        """Whether it ended for a temporary reason, without a rejection or a change to the site."""
        if self.state == CANCELLED:
            return bool(self.outcome_reason)  # empty if a person cancelled it
        return self.state in (EXPIRED, REFUSED) or self.outcome_reason == NEVER_ARRIVED

    def move(self, to: str, *when: Any, **changes: Any) -> bool:
        """Go to state `to` from any state that may lead there, if `when` holds as well.

        False if the row is in another state by now.
        """
        return self.update_if(Change.state.in_(sources(to)), *when, state=to, **changes)

    def approve(self, *, seen: str, may_be_proposer: bool, by: int | None, **changes: Any) -> bool:
        """Approve exactly what was seen.

        Return False if it has changed, or if this person proposed it and may not approve it.
        """
        when = [Change.digest == seen, Change.digest != ""]
        if not may_be_proposer:
            when.append(Change.proposed_by.is_null() | (Change.proposed_by != by))
        return self.move(APPROVED, *when, approved_by=by, **changes)

    def claim(self, now: datetime, until: datetime) -> bool:
        """Begin to run; return False if it is not due, not approved, or the site is not free.

        The site is not free while another change runs, may still be running, or needs checking. Of
        two at once, the index below allows one: the other raises DuplicateRow.
        """
        other = Change.alias()
        elsewhere = other.select().where(
            other.site == self.site_id,
            other.id != self.id,
            (other.state == RUNNING)
            | ((other.state == UNKNOWN) & other.next_attempt_at.is_null(False))
            | other.is_incident,
        )
        return self.move(
            RUNNING,
            Change.not_before <= now,
            Change.not_after >= now,
            Change.next_attempt_at <= now,
            ~fn.EXISTS(elsewhere),
            started_at=now,
            sent_at=None,
            leased_until=until,
            attempts=Change.attempts + 1,
        )

    def note(self, state: str, *when: Any, **changes: Any) -> bool:
        """Set columns without changing state, if the row still is in `state` and `when` holds."""
        return self.update_if(Change.state == state, *when, **changes)

    def note_request(self, now: datetime, reason: str) -> bool:
        """Record that approval is requested; return False if it was before, or is decided."""
        return self.update_if(
            Change.state.in_((CHECKING, PROPOSED)),
            Change.requested_at.is_null(),
            requested_at=now,
            reason=reason,
        )

    @property
    def needs_checking(self) -> bool:
        """Whether it ended badly or with an unknown result, and no person has checked the site."""
        return (self.is_incident or self.state in BAD_ENDS) and not self.closed_by

    @classmethod
    def is_to_check(cls) -> Any:
        """Return `needs_checking` as an SQL expression."""
        return (cls.is_incident | cls.state.in_(BAD_ENDS)) & (cls.closed_by == "")

    @classmethod
    def is_unfinished(cls) -> Any:
        """Return the SQL condition that it is open, pauses its site or needs checking.

        Pages read only these few of all changes. Each of the three parts has an index of its own.
        """
        needs_checking = cls.state.in_(BAD_ENDS) & (cls.closed_by == "")
        # Not the bare column: SQLite finds a value by an index, and no truth.
        return cls.has_no_end() | cls.is_incident.in_((True,)) | needs_checking

    def mark_checked(self, **changes: Any) -> bool:
        """Record that a person checked the site; return False if that was not needed any more."""
        return self.update_if(Change.is_to_check(), is_incident=False, **changes)

    # ---- lists ----

    @classmethod
    def known(cls, change_id: int) -> Change | None:
        """Return the change with this id, unless its site was removed.

        Its site, the site's client, the rule, the hold and open changes of sources come with it.
        """
        is_held = (
            (UpdateHold.site == cls.site)
            & (UpdateHold.kind == cls.kind)
            & (UpdateHold.ident == cls.ident)
        )
        query = (
            cls.select(cls, Site, Client, AutoUpdateRule, UpdateHold)
            .join(Site)
            .join(Client, JOIN.LEFT_OUTER)
            .join_from(cls, AutoUpdateRule, JOIN.LEFT_OUTER)
            .join_from(cls, UpdateHold, JOIN.LEFT_OUTER, on=is_held, attr="hold")
            .select_extend(ProvenanceChange.nested_open().alias("source_changes"))
        )
        return query.where(cls.id == change_id, Site.forgotten_at.is_null()).first()

    @classmethod
    def awaiting_people(cls, visible: Visibility, site: Site | None = None) -> list[Change]:
        """Return what needs checking or approval on visible sites, newest first.

        With `site`, also everything that is open there. The rows have only what lists show.
        """
        return list(cls._awaiting_people(visible, None if site is None else site.id))

    @classmethod
    @composed_once
    def _awaiting_people(cls, visible: Visibility, site_id: int | None) -> Any:
        is_wanted = cls.is_to_check() | (cls.state == PROPOSED)
        if site_id is not None:
            is_wanted |= cls.is_open_or_incident_on(site_id)
        query = cls.select(*cls._listed()).join(Site).join(Client, JOIN.LEFT_OUTER)
        query = query.where(Site.is_shown(visible), cls.is_unfinished(), is_wanted)
        return query.order_by(cls.id.desc())

    @classmethod
    def _listed(cls) -> list[Any]:
        """Return the columns that lists of changes show, with those of the site and its client."""
        own = (
            *(cls.id, cls.site, cls.batch, cls.kind, cls.ident, cls.name, cls.from_version),
            *(cls.to_version, cls.release_type, cls.state, cls.proposed_by, cls.proposer),
            *(cls.proposed_at, cls.requested_at, cls.how, cls.not_before, cls.next_attempt_at),
            *(cls.started_at, cls.ended_at, cls.outcome_reason, cls.is_incident, cls.closed_by),
        )
        return [*own, Site.id, Site.name, Site.client, Client.id, Client.approvals]

    @classmethod
    def in_batch(cls, batch: str, visible: Visibility) -> list[Change]:
        """Return the visible changes that were proposed together."""
        query = cls.select(cls, Site, Client).join(Site).join(Client, JOIN.LEFT_OUTER)
        query = query.where(cls.batch == batch, Site.is_shown(visible))
        query = query.where(visible.has_update_in_sql(cls))
        return list(query.order_by(fn.LOWER(cls.name), cls.ident, fn.LOWER(Site.name), cls.id))

    @classmethod
    def history(cls, site: Site, kind: str, ident: str, visible: Visibility) -> list[Change]:
        """Return the visible changes of one component of a site, newest first."""
        query = cls.select().where(cls.site == site, cls.kind == kind, cls.ident == ident)
        return list(query.where(visible.has_update_in_sql(cls)).order_by(cls.id.desc()))

    @classmethod
    def of_site(cls, site: Site, limit: int, visible: Visibility) -> list[Change]:
        """Return the newest visible changes of a site first."""
        query = cls.select().where(cls.site == site, visible.has_update_in_sql(cls))
        return list(query.order_by(cls.id.desc()).limit(limit))

    @classmethod
    def is_open_or_incident_on(cls, site_id: Any) -> Any:
        """Return the SQL condition that it is open on this site, or pauses the site."""
        return (cls.site == site_id) & cls.is_unfinished() & (cls.has_no_end() | cls.is_incident)

    @classmethod
    def ran_on(cls, site_id: int, since: datetime) -> bool:
        """Whether a change runs on the site, or has ended there after `since`."""
        is_live = (cls.state == RUNNING) | (cls.ended_at >= since)
        return cls.select().where(cls.site == site_id, cls.sent_at.is_null(False), is_live).exists()

    @classmethod
    def newest_success(cls, site: Site, since: datetime) -> Change | None:
        """Return the last update that succeeded after `since`, unless a person checked it."""
        is_fine = ~cls.is_incident & (cls.closed_by == "")
        query = cls.select().where(cls.site == site, cls.state == SUCCEEDED, is_fine)
        query = query.where(cls.ended_at >= since)
        return query.order_by(cls.ended_at.desc(), cls.id.desc()).first()

    @classmethod
    def attempts_at(cls, site_id: int, kind: str, ident: str, to_version: str) -> list[Change]:
        """Return all changes to this version of a component, oldest first."""
        query = cls.select().where(cls.site == site_id, cls.kind == kind, cls.ident == ident)
        return list(query.where(cls.to_version == to_version).order_by(cls.id))

    # ---- due work ----

    @classmethod
    def due(cls, now: datetime, *states: str) -> list[Change]:
        """Return changes whose next attempt is due; an expired lease does not count."""
        return cls.overdue(states, now, cls.not_before <= now)

    @classmethod
    def count_sent_and_waiting(cls, visible: Visibility) -> tuple[int, int]:
        """Return how many changes were sent and have no result, and how many wait to be sent."""
        is_asked_for = (cls.state == UNKNOWN) & cls.next_attempt_at.is_null(False)
        theirs = cls.select().join(Site).where(visible.in_sql(Site.client))
        sent = theirs.where((cls.state == RUNNING) | is_asked_for)
        return sent.count(), theirs.where(cls.state.in_(MAY_RUN)).count()

    @classmethod
    def next_for(cls, site: Site, now: datetime) -> Change | None:
        """Return the approved change of a site that is due first."""
        is_due = (cls.not_before <= now) & (cls.next_attempt_at <= now)
        query = cls.select().where(cls.site == site, cls.state == APPROVED, is_due)
        return query.order_by(cls.id).first()

    @classmethod
    def stuck(cls, now: datetime, grace: timedelta) -> list[Change]:
        """Return running changes whose lease has expired: the worker died or lost the database."""
        return list(cls.select().where(cls.state == RUNNING, cls.leased_until < now - grace))

    @classmethod
    def past_deadline(cls, now: datetime) -> list[Change]:
        """Return the changes that did not begin in their time."""
        return list(cls.select().where(cls.state.in_(MAY_EXPIRE), cls.not_after < now))


# The database keeps changes serial per site, and one component out of two plans at once.
_COMPONENT = (Change.site, Change.kind, Change.ident)
_IS_RUNNING, _IS_OPEN = Change.state == RUNNING, Change.has_no_end()
Change.add_index(
    Change.index(Change.site, unique=True, where=_IS_RUNNING, name="change_one_running")
)
Change.add_index(Change.index(*_COMPONENT, unique=True, where=_IS_OPEN, name="change_one_open"))
