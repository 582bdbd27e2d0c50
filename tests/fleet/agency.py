"""Create the users of the agency and its clients by invitations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.config import Config
from app.domain.accounts import one_time_links, users
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.roles import Access
from app.domain.actor import Actor
from app.models.accounts import User
from app.models.clients import Client
from tests.support.second_factors import add_app, make_passkey

PASSWORD = "correct horse battery staple"

_OFFICE = "192.0.2.10"
_BROWSERS = ("Firefox/150 (Macintosh)", "Chrome/148 (Windows)", "Safari/26 (iPhone)")


@dataclass(frozen=True)
class Login:
    """An account of the fleet. Every password is PASSWORD."""

    name: str
    email: str
    role: str
    about: str

    @property
    def user(self) -> User:
        return users.find_by_email(self.email)


def set_up_owner(config: Config, now: datetime) -> Login:
    """Become the first owner with the link that Aura prints."""
    login = Login("Nora Fern", "nora@fernwood.example", "owner", "owner")
    link = one_time_links.setup_link(config)
    assert link is not None
    users.set_up_owner(
        token=link.rpartition("/")[2],
        name=login.name,
        email=login.email,
        password=PASSWORD,
        again=PASSWORD,
        browser=ClientInfo(_OFFICE, _BROWSERS[0]),
        config=config,
        now=now,
    )
    return login


def invite(
    name: str,
    email: str,
    role: str,
    *,
    by: Actor,
    config: Config,
    now: datetime,
    client: Client | None = None,
    limited_to: Sequence[Client] = (),
) -> Login:
    """Invite a person, who accepts at once; one who sees only some clients with `limited_to`."""
    access = Access(role, client, [one.id for one in limited_to] or None)
    _, link = users.invite_user(
        name=name, email=email, access=access, by=by, config=config, now=now
    )
    ip = _OFFICE if client is None else f"198.51.100.{client.id % 250 + 1}"
    users.accept_invitation(
        token=link.rpartition("/")[2],
        password=PASSWORD,
        again=PASSWORD,
        browser=ClientInfo(ip, _BROWSERS[1 if client is None else 2]),
        config=config,
        now=now,
    )
    about = f"client user of {client.name}" if client else role
    if limited_to:
        about += f" for {' and '.join(one.name for one in limited_to)}"
    return Login(name, email, role, about)


def invite_with_factors(*, by: Actor, config: Config, now: datetime) -> None:
    """Invite a person who has an authenticator app and a passkey, so the password is no login."""
    who = invite("Jonas Weber", "jonas@fernwood.example", "viewer", by=by, config=config, now=now)
    add_app(who.user, config, now)
    make_passkey(who.user, now, "Phone")


def as_actor(login: Login) -> Actor:
    return Actor.of(login.user, _OFFICE)
