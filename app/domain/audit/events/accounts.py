"""Accounts, sessions and refused requests."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class OwnerCreated(Event):
    user_id: int
    name: Personal


class UserCreated(Event):
    user_id: int
    name: Personal
    role: str


class SignedIn(Event):
    """A session began. `factor` is "app", "passkey" or "recovery code"; empty for a password."""

    user_id: int
    session_id: int
    factor: str = ""


class SignInFailed(Event):
    """A sign-in failed. `subject_hash` is salted, so that the log is no list of typed addresses."""

    subject_hash: str
    reason: str
    outcome: str = "refused"


class SignedOut(Event):
    user_id: int
    session_id: int


class SessionEnded(Event):
    """A session of `name` ended; the actor may be an owner who disabled the account."""

    user_id: int
    session_id: int
    name: Personal


class InvitationIssued(Event):
    """A user got a new link to choose a password; earlier links and sessions ended."""

    user_id: int
    name: Personal


class PasswordSet(Event):
    user_id: int


class PreferencesChanged(Event):
    """A user chose the theme and the time zone in which Aura shows pages to them."""

    theme: str
    time_zone: str


class PasswordChanged(Event):
    user_id: int


class IdentityConfirmed(Event):
    """A signed-in user confirmed the password, the second factor as well, or used a passkey."""

    session_id: int
    factor: str = ""


class PasswordRefused(Event):
    """A wrong password in an open session, which may be stolen."""

    session_id: int
    reason: str
    outcome: str = "refused"


class UserDisabled(Event):
    user_id: int
    name: Personal


class UserEnabled(Event):
    user_id: int
    name: Personal


class RoleChanged(Event):
    """The role of a user changed; `client` is the client whose sites they see, if any."""

    user_id: int
    name: Personal
    role: str
    was: str
    client: str


class ClientAccessChanged(Event):
    """Which clients a person of the agency sees; `clients` are their names, empty for all."""

    user_id: int
    name: Personal
    clients: str


class SingleSignOnChanged(Event):
    """An owner entered the OpenID provider. `domains` are those that may sign in, empty for all.

    With `checks_factor`, Aura asks for no second factor after a sign-in there.
    """

    issuer: str
    registered_as: str
    label: str
    domains: str
    creates_viewers: bool
    checks_factor: bool
    has_new_secret: bool


class SingleSignOnRemoved(Event):
    """An owner turned single sign-on off."""

    issuer: str


class IdentityLinked(Event):
    """A user signed in at the provider for the first time, and is known by it from now on."""

    user_id: int
    name: Personal
    issuer: str


class AccessRefused(Event):
    """A signed-in user has no permission for a request."""

    verb: str
    outcome: str = "refused"


class FormRefused(Event):
    """A form did not come from a page of Aura."""

    endpoint: str
    outcome: str = "refused"
