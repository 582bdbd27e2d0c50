"""Configure an e-mail server, and read what Aura would send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.config import Config
from app.domain.actor import Actor
from app.domain.mail import server
from app.domain.mail.server import TypedServer
from app.domain.notifications import delivery, watch
from app.models.email import OutgoingEmail
from app.models.sites import Site
from tests.support.fakes import Clock

TYPED = {
    "host": "127.0.0.1",
    "port": "2525",
    "security": "none",
    "username": "aura",
    "password": "let me in",
    "sender": "aura@agency.example",
    "sender_name": "Aura at the agency",
}
UNREACHABLE = {"state": "active", "consecutive_failures": 5, "error_code": "connect_timeout"}
HEALTHY = {"state": "active", "consecutive_failures": 0, "error_code": ""}


def turn_email_on(by: Actor, config: Config, now: datetime, **changes: Any) -> None:
    """Enter a server, as an owner does."""
    typed = TypedServer(**{**TYPED, **{name: str(value) for name, value in changes.items()}})
    server.change_server(typed, by=by, config=config, now=now)


def break_site(site: Site, at: datetime) -> None:
    """Make a site unreachable since this time."""
    Site.update(error_at=at, last_success_at=at - timedelta(hours=1), **UNREACHABLE).where(
        Site.id == site.id
    ).execute()


def repair_site(site: Site, at: datetime) -> None:
    Site.update(error_at=None, last_success_at=at, **HEALTHY).where(Site.id == site.id).execute()


def look_for(config: Config, clock: Clock, minutes: int) -> list[OutgoingEmail]:
    """Check for e-mails each minute, after ten minutes every ten; return what was queued."""
    newest = OutgoingEmail.select().order_by(OutgoingEmail.id.desc()).first()
    after = newest.id if newest else 0
    until = clock() + timedelta(minutes=minutes)
    looks = 0
    while clock() < until:
        clock.advance(minutes=1 if looks < 10 else 10)
        watch.notify_due(clock())
        looks += 1
    return list(OutgoingEmail.select().where(OutgoingEmail.id > after).order_by(OutgoingEmail.id))


def titles(email: OutgoingEmail) -> list[tuple[str, str]]:
    """Return the label and title of each entry of a notification."""
    sections = email.content["sections"]
    return [(one["label"], one["title"]) for section in sections for one in section["entries"]]


def deliver_all(config: Config, clock: Callable[[], datetime], **more: Any) -> list[str]:
    """Attempt each due delivery once."""
    return [
        delivery.send_email(email.id, config=config, now=clock, **more)
        for email in OutgoingEmail.due(clock())
    ]
