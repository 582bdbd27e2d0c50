"""Tell a person by e-mail about a new device and about changes to how they sign in.

Where e-mail is off, nothing is sent. The audit log has each of these events as well.
"""

from __future__ import annotations

from datetime import datetime

from app import formats
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.mail import outbox
from app.models.accounts import User
from app.models.email import SECURITY

NEW_DEVICE = "new_device"
ADDED = "added"
REMOVED = "removed"
CODES_CREATED = "codes_created"
CODE_USED = "code_used"
RESET = "reset"
SUBJECTS = {
    NEW_DEVICE: "New sign-in to your Aura account",
    ADDED: "A second factor was added to your Aura account",
    REMOVED: "A second factor was removed from your Aura account",
    CODES_CREATED: "New recovery codes for your Aura account",
    CODE_USED: "A recovery code of your Aura account was used",
    RESET: "Your second factor in Aura was reset",
}


def queue_notice(user: User, what: str, *, now: datetime, **facts: str | int) -> None:
    """Queue a message about the account of `user`. It joins the caller's transaction."""
    content = {"what": what, "at": now.isoformat(), **facts}
    outbox.queue_email(user, SECURITY, SUBJECTS[what], content, now=now)


def queue_new_device(user: User, browser: ClientInfo, *, now: datetime) -> None:
    """Queue the message about a sign-in from a browser that this person has not used before."""
    family = formats.browser_name(browser.agent)
    queue_notice(user, NEW_DEVICE, now=now, browser=family, address=browser.ip)
