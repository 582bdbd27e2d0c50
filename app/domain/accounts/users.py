"""User accounts: the first owner, invitations, roles, passwords and disabling."""

from __future__ import annotations

import secrets
from datetime import datetime

from app.config import Config
from app.domain import audit, permissions
from app.domain.accounts import (
    account_input,
    identity,
    login_throttle,
    one_time_links,
    passwords,
    roles,
    second_factors,
    sessions,
    sign_in,
    verified_person,
)
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.roles import Access
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.sign_in import UnfinishedSignIn
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import (
    InvitationIssued,
    OwnerCreated,
    PasswordChanged,
    PasswordSet,
    UserCreated,
    UserDisabled,
    UserEnabled,
)
from app.domain.errors import Conflict, Invalid, LinkNoLongerValid, NotFound, StaleState
from app.domain.mail import outbox
from app.models.accounts import NO_PASSWORD, OWNER, User
from app.models.agency import Agency
from app.models.base import DuplicateRow, transaction
from app.models.email import INVITATION
from app.models.installation import Setting

_OWNER_CLAIM = "owner_claim"


# ---- the first owner ----


def set_up_owner(
    *,
    token: str,
    name: str,
    email: str,
    password: str,
    again: str,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> AuthenticatedSession:
    """Create the first owner, the only account without an invitation, and start a session.

    Raises: LinkNoLongerValid, or Invalid with a message for each field.
    """
    one_time_links.verify_setup_link(token, config)
    name, email = account_input.clean_name(name), sessions.normalize_email(email)
    Invalid.raise_for(
        account_input.identity_problems(name, email)
        | account_input.password_problems(password, again, name, email)
    )
    password_hash = passwords.hash_password(password)
    claim = secrets.token_hex(16)
    with transaction():
        # If two use the link at once, the primary key lets only one succeed.
        if User.any_exists() or Setting.write_once(_OWNER_CLAIM, claim) != claim:
            raise LinkNoLongerValid("This setup link has expired or was used.")
        owner = User.create(
            name=name, email=email, role=OWNER, password_hash=password_hash, created_at=now
        )
        event = OwnerCreated(user_id=owner.id, name=name)
        audit.record(event, Actor.of(owner, browser.ip), now=now)
        return sessions.start_session(owner, browser, now=now)


# ---- users ----


def invite_user(
    *,
    name: str,
    email: str,
    access: Access,
    by: Actor,
    config: Config,
    now: datetime,
) -> tuple[User, str]:
    r"""Add a team member or client user, and return the link for choosing a password.

    The link is shown only once.

    Raises Forbidden, or Invalid with a message for each field.
    """
    permissions.require(by, "people")
    name, email = account_input.clean_name(name), sessions.normalize_email(email)
    Invalid.raise_for(
        account_input.identity_problems(name, email) | roles.access_problems(access, by)
    )
    try:
        with permissions.user_transaction(by, "people") as (_, by):
            roles.require_can_give(access, by)
            user = User.create(
                name=name,
                email=email,
                role=access.role,
                password_hash=NO_PASSWORD,
                created_at=now,
                client_id=access.client_id,
                limited_to=access.clients,
                time_zone=Agency.read().time_zone,
            )
            event = UserCreated(user_id=user.id, name=name, role=access.role)
            audit.record(event, by, now=now)
            if user.limited_to is not None:
                roles.record_access(user, by, now)
            _send_invitation(user, by, now)
    except DuplicateRow as why:
        raise Invalid("email", "An account with this address already exists.") from why
    return user, one_time_links.invitation_link(user, config)


def renew_invitation(user: User, *, by: Actor, config: Config, now: datetime) -> str:
    r"""Return a new link for a user who lost theirs, or forgot their password.

    Earlier links and the user's sessions end. The current password works until the link is used.

    Raises Forbidden, or Conflict for a disabled user.
    """
    with roles.managing(user, by) as by:
        link = _renew(user, by, config, now)
        _send_invitation(user, by, now)
    return link


def _send_invitation(user: User, by: Actor, now: datetime) -> None:
    """Queue the link for the person's mailbox, if e-mail is on; it is made when it is sent."""
    subject = f"{by.name} invited you to Aura" if user.is_invited else "Choose a new password"
    content = {"epoch": user.session_epoch, "by": by.name}
    outbox.queue_email(user, INVITATION, subject, content, now=now)


def recovery_link(email: str, *, config: Config, now: datetime) -> str:
    """Return a new link on behalf of the operator of this server.

    It is for the case that no owner knows a password.

    Raises: NotFound, or Conflict for a disabled user.
    """
    return _renew(find_by_email(email), SYSTEM, config, now)


def find_by_email(email: str) -> User:
    """Return the user with this e-mail address.

    Raises: NotFound.
    """
    user = User.find_by_email(sessions.normalize_email(email))
    if user is None:
        raise NotFound("No account has this address.")
    return user


def _renew(user: User, by: Actor, config: Config, now: datetime) -> str:
    with transaction():
        by = permissions.recheck(by, "people")
        user.refresh()
        if user.is_disabled:
            raise Conflict("This account is disabled. Enable it first.")
        sessions.end_all_sessions(user, by=by, now=now)
        user.end_sessions()
        event = InvitationIssued(user_id=user.id, name=user.name)
        audit.record(event, by, now=now)
    return one_time_links.invitation_link(user, config)


def accept_invitation(
    *, token: str, password: str, again: str, browser: ClientInfo, config: Config, now: datetime
) -> AuthenticatedSession | UnfinishedSignIn:
    """Let the invited person choose their password, and go on as after sign-in with it.

    Raises LinkNoLongerValid, or Invalid.
    """
    user = one_time_links.invited_user(token, config)
    return choose_password(user, password, again, browser=browser, config=config, now=now)


def choose_password(
    user: User, password: str, again: str, *, browser: ClientInfo, config: Config, now: datetime
) -> AuthenticatedSession | UnfinishedSignIn:
    """Set the password of a user with a one-time link, and end all sessions.

    A second factor is still needed: who reads the person's mailbox does not get in with the link.

    Raises: LinkNoLongerValid, or Invalid.
    """
    Invalid.raise_for(account_input.password_problems(password, again, user.name, user.email))
    password_hash = passwords.hash_password(password)
    with transaction():
        if not user.set_password(password_hash, epoch=user.session_epoch):
            raise LinkNoLongerValid("This link was already used.")
        event = PasswordSet(user_id=user.id)
        audit.record(event, Actor.of(user, browser.ip), now=now)
        sessions.end_all_sessions(user, by=Actor.of(user, browser.ip), now=now)
        return sign_in.after_password(user, browser, proven_at=now, config=config, now=now)


def disable_user(user: User, *, by: Actor, now: datetime) -> None:
    """Disable the account and end its sessions at once.

    Raises: Forbidden, or Conflict for the last owner and for a disabled account.
    """
    with roles.managing(user, by) as by:
        sessions.end_all_sessions(user, by=by, now=now)
        if not user.disable(now):
            raise Conflict(
                "This account is already disabled."
                if user.is_disabled
                else "Aura needs at least one owner. Invite another owner first."
            )
        event = UserDisabled(user_id=user.id, name=user.name)
        audit.record(event, by, now=now)


def enable_user(user: User, *, by: Actor, now: datetime) -> None:
    """Enable the account with its old password.

    Raises: Forbidden or StaleState.
    """
    with roles.managing(user, by) as by:
        if not user.enable():
            raise StaleState("This account is already enabled.")
        event = UserEnabled(user_id=user.id, name=user.name)
        audit.record(event, by, now=now)


def get_user(user_id: int) -> User:
    """Return the user with this id, or raise NotFound."""
    user = User.get_or_none(User.id == user_id)
    if user is None:
        raise NotFound("This account does not exist.")
    return user


# ---- the user's own password ----


def change_password(
    auth: AuthenticatedSession,
    *,
    present: str,
    new: str,
    again: str,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> AuthenticatedSession:
    """Change the password, end all sessions of this user and start one for this browser.

    Guessing the current password is limited as at sign-in. A person with a second factor has to
    have proven it within the last minutes.

    Raises: IdentityRequired, Invalid, or StaleState if the account changed meanwhile.
    """
    user = auth.user
    by = Actor.of(user, browser.ip)
    permissions.require(by, "account")
    if second_factors.has_factor(user.id):
        verified_person.verified_person(auth, by=by, now=now)
    # A separate bucket: a thief with a stolen session must not use up the attempts at
    # sign-in.
    account = f"change of {user.email}"
    subject = login_throttle.register_attempt(account, browser, config=config, now=now)
    if subject is None or not passwords.verify_password(user.password_hash, present):
        identity.refuse_password(auth, "present", by, now, is_early=subject is None)
    problems = account_input.password_problems(new, again, user.name, user.email, field="new")
    if present == new:
        problems["new"] = "This is your current password. Choose a new one."
    Invalid.raise_for(problems)
    password_hash = passwords.hash_password(new)
    with permissions.user_transaction(by, "account") as (_, by):
        login_throttle.reset_attempts(subject)
        if not user.set_password(password_hash, epoch=user.session_epoch):
            raise StaleState("Your account has changed. Sign in again.")
        sessions.end_all_sessions(user, by=by, now=now)
        audit.record(PasswordChanged(user_id=user.id), by, now=now)
        return sessions.start_session(user, browser, now=now)
