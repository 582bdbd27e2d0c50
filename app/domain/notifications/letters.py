"""Write the message of a row of the outbox. Links are made here, so that none is ever stored."""

from __future__ import annotations

from typing import Any

from app.config import Config
from app.domain.accounts import one_time_links
from app.domain.mail.attempts import NoLongerWanted
from app.domain.notifications import security_letters
from app.domain.notifications.contents import NEEDS_YOU, RESOLVED, STILL_OPEN
from app.domain.text import one_line
from app.mail_format import Entry, Letter, Section
from app.models.accounts import User
from app.models.email import DIGEST, INVITATION, RESET, SECURITY, TEST, OutgoingEmail

_MAX_NAME_CHARS = 120
_PREFERENCES = "/account/notifications"
_REASON = "Aura sends this to people who look after these sites."
# How the sections of contents.py are counted.
_COUNTED = {NEEDS_YOU: "new", RESOLVED: "resolved", STILL_OPEN: "still open"}
_NOT_ASKED = (
    "If you did not expect this message, ignore it. Nothing changes until the link is used."
)


def write_letter(email: OutgoingEmail, host: str, config: Config) -> Letter:
    """Return what a message says. `host` is the e-mail server.

    Raises: NoLongerWanted.
    """
    user = email.user
    if user.is_disabled:
        raise NoLongerWanted
    if email.kind == TEST:
        return _test(email, host)
    if email.kind == SECURITY:
        return security_letters.write_security_letter(email, config)
    if email.kind in (INVITATION, RESET):
        if email.content.get("epoch") != user.session_epoch:
            raise NoLongerWanted
        return _reset(user, config) if email.kind == RESET else _invitation(email, config)
    return _notification(email, config)


def _test(email: OutgoingEmail, host: str) -> Letter:
    return Letter(
        heading="E-mail from Aura works",
        paragraphs=(
            f"The server {host} accepted this message from Aura.",
            "Aura can now send notifications, invitations and links for a new password.",
        ),
        reason=f"{_name(email.content, 'by')} requested this test under Settings → E-mail.",
    )


def _invitation(email: OutgoingEmail, config: Config) -> Letter:
    user, by = email.user, _name(email.content, "by")
    link = one_time_links.invitation_link(user, config)
    if user.is_invited:
        heading, button = f"{by} invited you to Aura", "Choose your password"
        what = f"You will sign in at {config.origin} as {user.email}."
    else:
        heading, button = "Choose a new password", "Choose a new password"
        what = f"{by} created a link with which you choose a new password for {user.email}."
    return Letter(
        heading=heading,
        paragraphs=(what,),
        button=(button, link),
        notes=("The link works once, within three days. Do not pass it on.", _NOT_ASKED),
    )


def _reset(user: User, config: Config) -> Letter:
    return Letter(
        heading="Choose a new password",
        paragraphs=(
            f"A new password was requested for {user.email} on the sign-in page.",
            "Your current password works until you choose another one. Then all sessions end.",
        ),
        button=("Choose a new password", one_time_links.reset_link(user, config)),
        notes=("The link works once, within an hour. Do not pass it on.", _NOT_ASKED),
    )


def _notification(email: OutgoingEmail, config: Config) -> Letter:
    sections = tuple(_section(one, config) for one in email.content["sections"])
    return Letter(
        heading=_heading(email, sections),
        sections=sections,
        button=("Open the overview", f"{config.origin}/"),
        reason=_REASON,
        reason_url=f"{config.origin}{_PREFERENCES}",
    )


def _heading(email: OutgoingEmail, sections: tuple[Section, ...]) -> str:
    """Return what the message is about, without repeating an entry."""
    if email.kind == DIGEST:
        return email.subject.partition(": ")[2]
    if len(sections) == 1:
        return sections[0].heading
    return ", ".join(
        f"{len(section.entries) + section.more} {_COUNTED[section.heading]}" for section in sections
    )


def _section(stored: dict[str, Any], config: Config) -> Section:
    entries = (
        Entry(
            label=one["label"],
            tone=one["tone"],
            title=one["title"],
            why=one["why"],
            url=f"{config.origin}{one['path']}",
        )
        for one in stored["entries"]
    )
    return Section(heading=stored["heading"], entries=tuple(entries), more=stored["more"])


def _name(content: dict[str, Any], key: str) -> str:
    return one_line(str(content.get(key, "")), _MAX_NAME_CHARS)
