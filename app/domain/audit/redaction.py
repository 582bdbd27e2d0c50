"""Erase personal data from the audit log. The hash chain stays intact and records it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.audit.append import record
from app.domain.audit.events import PersonalDataErased
from app.domain.errors import Conflict, Invalid
from app.models import audit_search
from app.models.accounts import User
from app.models.audit import AuditEntry, PrivateDetail
from app.models.base import transaction
from app.models.email import NotificationPreference, NotifiedItem, OutgoingEmail
from app.models.personal_texts import erase_texts_of
from app.models.search_terms import words_of
from app.models.second_factors import forget_factors
from app.models.single_sign_on import OpenIdIdentity

MAX_REASON_CHARS = 300
_BATCH = 500


def erase_user(user: User, *, reason: str, by: Actor, confirmed_at: datetime, now: datetime) -> int:
    """Erase the private details in the entries about a disabled user, and their account's details.

    Return the number of entries. The exact plans they proposed or approved, exports and backups
    stay.

    Raises: Forbidden, ReauthenticationRequired, Invalid, or Conflict for an active user.
    """
    permissions.require(by, "erase")
    permissions.require_recent_authentication(confirmed_at, now)
    return _erase(user, reason, by, now)


def erase_user_from_cli(user: User, *, reason: str, by: Actor, now: datetime) -> int:
    """Erase a user on behalf of the operator of this machine, who has full access to its data."""
    return _erase(user, reason, by, now)


def _erase(user: User, reason: str, by: Actor, now: datetime) -> int:
    reason = " ".join(reason.split())
    if not reason or not reason.isprintable():
        raise Invalid("reason", "Enter a reason, for example that the person requested it.")
    if len(reason) > MAX_REASON_CHARS:
        raise Invalid("reason", f"At most {MAX_REASON_CHARS} characters.")
    with transaction():
        by = permissions.recheck(by, "erase")
        user.refresh()
        name = user.name
        if not user.erase():
            raise Conflict(
                "Disable the account first, because new sign-ins would add personal data."
            )
        for rows in (NotificationPreference, NotifiedItem, OutgoingEmail, OpenIdIdentity):
            rows.forget(user.id)
        forget_factors(user.id)
        erase_texts_of(user.id, name)
        erased = 0
        for seqs in _entries_about(user.id):
            kept = PrivateDetail.of(seqs)
            PrivateDetail.delete().where(PrivateDetail.seq.in_(list(kept))).execute()
            for entry in AuditEntry.select().where(AuditEntry.seq.in_(list(kept))):
                audit_search.add_words(entry.seq, words_of(json.loads(entry.body), None))
            erased += len(kept)
        record(PersonalDataErased(user_id=user.id, entries=erased, reason=reason), by, now=now)
    return erased


def _entries_about(user_id: int) -> Iterator[list[int]]:
    """Yield the numbers of the entries in which this user acts or is named, in batches."""
    # In canonical JSON a number is followed by a comma or by the end of its object.
    spoken_of = AuditEntry.body.contains(f'"user_id":{user_id},') | AuditEntry.body.contains(
        f'"user_id":{user_id}}}'
    )
    about = (AuditEntry.actor == f"user:{user_id}") | spoken_of
    after = 0
    while True:
        query = AuditEntry.select(AuditEntry.seq).where(AuditEntry.seq > after, about)
        seqs = [entry.seq for entry in query.order_by(AuditEntry.seq).limit(_BATCH)]
        if not seqs:
            return
        yield seqs
        after = seqs[-1]
