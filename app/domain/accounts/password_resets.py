"""A person who forgot the password gets a one-time link by e-mail, if e-mail is on.

The answer to a visitor is always the same, and nothing changes until the link is used: sessions go
on and the password works.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app import queue
from app.config import Config
from app.domain import audit
from app.domain.accounts import login_throttle, one_time_links, sessions, users
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.sign_in import UnfinishedSignIn
from app.domain.actor import Actor
from app.domain.audit.events import PasswordResetRequested
from app.domain.mail import outbox
from app.models.accounts import User
from app.models.base import transaction
from app.models.email import RESET, OutgoingEmail

# Another link within this time would only fill the mailbox.
NOT_TWICE_WITHIN = timedelta(minutes=5)
_NO_ROW = 0


def request_reset(*, email: str, browser: ClientInfo, config: Config, now: datetime) -> None:
    """Send a link if this is the address of an account that can sign in.

    Requests are limited like guesses of a password. Whether anything was sent is only in the audit
    log.
    """
    account = sessions.normalize_email(email)
    subject = login_throttle.register_attempt(
        f"reset of {account}", browser, config=config, now=now
    )
    if subject is None or not outbox.is_on():
        return
    with transaction() as tx:
        user = User.find_by_email(account)
        is_sent = user is not None and _send_link(user, now)
        event = PasswordResetRequested(
            user_id=user.id if user else None,
            subject_hash=login_throttle.subject_hash(account, config),
            is_sent=is_sent,
        )
        audit.record(event, Actor.anonymous(browser.ip), now=now)
        if not is_sent:
            # So an unknown address takes as long as a known one.
            tx.after_commit(queue.enqueue, "send_email", _NO_ROW)


def reset_password(
    *, token: str, password: str, again: str, browser: ClientInfo, config: Config, now: datetime
) -> AuthenticatedSession | UnfinishedSignIn:
    """Let the person of this link choose a new password, and go on as after sign-in with it.

    Raises: LinkNoLongerValid, or Invalid.
    """
    user = one_time_links.resetting_user(token, config)
    return users.choose_password(user, password, again, browser=browser, config=config, now=now)


def _send_link(user: User, now: datetime) -> bool:
    since = now - NOT_TWICE_WITHIN
    if user.is_disabled or OutgoingEmail.requested_since(user.id, RESET, since):
        return False
    content = {"epoch": user.session_epoch}
    return outbox.queue_email(user, RESET, "Choose a new password", content, now=now) is not None
