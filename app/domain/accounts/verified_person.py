"""The person who may change how they sign in, because they proved who they are minutes ago.

A stolen session is not enough for that, and neither is a stolen session with a stolen password if
the person has a second factor. Functions that change factors take a `VerifiedPerson`, which only
this module and an unfinished sign-in (`sign_in.py`) create.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain import permissions
from app.domain.accounts import sessions
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.actor import Actor
from app.domain.errors import IdentityRequired
from app.models.accounts import User
from app.models.second_factors import PendingSignIn

VERIFIED_MAX_AGE = timedelta(minutes=10)


@dataclass(frozen=True)
class VerifiedPerson:
    """A person who proved a few minutes ago who they are, and may change their own factors.

    `session_id` is the session that goes on when the others end; None before there is one.
    """

    user: User
    by: Actor
    session_id: int | None


def is_verified(auth: AuthenticatedSession, now: datetime) -> bool:
    """Whether the person proved recently who they are, with the second factor if there is one."""
    at = auth.session.verified_at
    return at is not None and now - at < VERIFIED_MAX_AGE


def verified_person(auth: AuthenticatedSession, *, by: Actor, now: datetime) -> VerifiedPerson:
    """Return the person of this session.

    Raises: IdentityRequired if they have to prove first who they are.
    """
    if not is_verified(auth, now):
        raise IdentityRequired("Confirm that it is you before you change how you sign in.")
    return VerifiedPerson(auth.user, by, auth.session.id)


@contextmanager
def changing_factors(person: VerifiedPerson, now: datetime) -> Iterator[Actor]:
    """Open the transaction of a change of factors, and end what was open without it.

    Raises: Forbidden if the account was disabled meanwhile.
    """
    with permissions.user_transaction(person.by, "account") as (_, by):
        yield by
        PendingSignIn.forget(person.user.id)
        sessions.end_all_sessions(person.user, by=by, now=now, but=person.session_id)
