"""Sign in at the OpenID provider: who an answer is about, and which account is theirs.

An account is linked by its verified address the first time, and by the provider's own number of
the person (the subject) from then on. So a person whose address changes keeps the account, and a
person who gets someone's former address does not get theirs.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.config import Config
from app.domain import audit
from app.domain.accounts import (
    account_input,
    codes,
    login_throttle,
    sessions,
    sign_in,
    single_sign_on,
)
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.sign_in import UnfinishedSignIn
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import (
    IdentityConfirmed,
    IdentityLinked,
    SignInFailed,
    UserCreated,
)
from app.domain.errors import Invalid, NotFound
from app.http import openid
from app.http.openid import Identity, ProviderError, Secrets
from app.models.accounts import NO_PASSWORD, VIEWER, User, UserSession
from app.models.agency import Agency
from app.models.base import transaction
from app.models.single_sign_on import OpenIdIdentity, OpenIdProvider

# How long a person may take at the provider.
MAX_WAIT = timedelta(minutes=10)
# How long ago a sign-in at the provider may be to confirm a sensitive action.
FRESH = timedelta(minutes=5)

_STALE = "This sign-in has expired, was already used, or began in another browser. Start again."
_NO_ACCOUNT = (
    "No account here belongs to this sign-in. Ask an owner to invite you with the address that "
    "you have at the provider."
)


@dataclass(frozen=True)
class Attempt:
    """A sign-in that began; it waits in the browser's cookie, which Aura signs.

    `session_id` is that of a signed-in user who only confirms who they are, otherwise None. `next`
    is the page that follows.
    """

    issuer: str
    state: str
    nonce: str
    verifier: str = field(repr=False)
    began_at: float
    next: str
    session_id: int | None = None

    @classmethod
    def read(cls, stored: Any) -> Attempt | None:
        """Return the attempt that `as_stored` made; None for anything else."""
        try:
            return cls(**stored)
        except TypeError:
            return None

    def as_stored(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def secrets(self) -> Secrets:
        is_confirmation = self.session_id is not None
        return Secrets(self.state, self.nonce, self.verifier, 0 if is_confirmation else None)


def begin(
    next_page: str, *, config: Config, now: datetime, session_id: int | None = None
) -> tuple[Attempt, str]:
    """Return a new attempt, and the address at the provider to go to.

    Raises: NotFound while single sign-on is off.
    """
    stored = _provider()
    attempt = Attempt(
        issuer=stored.issuer,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        began_at=now.timestamp(),
        next=next_page,
        session_id=session_id,
    )
    client = single_sign_on.client_of(stored, config)
    url = openid.authorization_url(single_sign_on.endpoints_of(stored), client, attempt.secrets)
    return attempt, url


def finish(
    attempt: Attempt | None,
    answer: Mapping[str, str],
    *,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> AuthenticatedSession | UnfinishedSignIn:
    """Start a session for the person whom the provider's answer is about.

    A second factor of Aura is asked for as after a password, unless the provider checks one.

    `answer` are the parameters with which the browser came back. Raises: Invalid, or NotFound while
    single sign-on is off.
    """
    stored = _provider()
    try:
        identity = _identify(stored, attempt, answer, config, now)
        with transaction():
            user = OpenIdIdentity.user_of(identity.issuer, identity.subject)
            if user is None:
                user = _link(stored, identity, browser, now)
            if user.is_disabled:
                raise _Refused("account disabled", _NO_ACCOUNT)
            # A browser may be signed in at the provider for days. That confirms nothing sensitive.
            at = identity.signed_in_at or datetime.fromtimestamp(0, UTC)
            go_on = sign_in.after_provider if stored.checks_factor else sign_in.after_password
            return go_on(user, browser, proven_at=min(now, at), config=config, now=now)
    except _Refused as why:
        raise _recorded(why, browser, config, now) from why


def confirm(
    attempt: Attempt | None,
    answer: Mapping[str, str],
    session: UserSession,
    *,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> None:
    """Confirm a signed-in user, who has just signed in at the provider again.

    Raises: Invalid, also if it was another person; or NotFound while single sign-on is off.
    """
    stored = _provider()
    try:
        identity = _identify(stored, attempt, answer, config, now)
        user = OpenIdIdentity.user_of(identity.issuer, identity.subject)
        is_same = user is not None and user.id == session.user_id
        if attempt is None or attempt.session_id != session.id or not is_same:
            raise _Refused("another person", "The provider signed in another person.")
        at = identity.signed_in_at
        if at is None or now - at > FRESH:
            raise _Refused("no fresh sign-in", f"{stored.label} did not ask who you are again.")
    except _Refused as why:
        raise _recorded(why, browser, config, now) from why
    with transaction():
        # For a person without a second factor that is as much as a password.
        confirm_session = session.confirm if codes.has_factor(session.user_id) else session.verify
        if confirm_session(min(now, at)):
            by = Actor.of(session.user, browser.ip)
            audit.record(IdentityConfirmed(session_id=session.id), by, now=now)


def _provider() -> OpenIdProvider:
    stored = OpenIdProvider.read()
    if stored is None:
        raise NotFound("Single sign-on is turned off. Sign in with your password.")
    return stored


class _Refused(Exception):
    """A sign-in was refused: why, for the log, and what the person reads."""

    def __init__(self, why: str, words: str, email: str = "") -> None:
        super().__init__(why)
        self.why, self.words, self.email = why, words, email


def _identify(
    stored: OpenIdProvider,
    attempt: Attempt | None,
    answer: Mapping[str, str],
    config: Config,
    now: datetime,
) -> Identity:
    """Return who an answer is about, if it belongs to this attempt and provider."""
    provider = single_sign_on.endpoints_of(stored)
    state = answer.get("state", "")
    if attempt is None or not hmac.compare_digest(state.encode(), attempt.state.encode()):
        raise _Refused("unknown state", _STALE)
    if not 0 <= now.timestamp() - attempt.began_at <= MAX_WAIT.total_seconds():
        raise _Refused("too late", _STALE)
    named = answer.get("iss", "")
    is_named = named == stored.issuer if named or stored.names_issuer else True
    if attempt.issuer != stored.issuer or not is_named:
        raise _Refused("another issuer", _STALE)
    if "code" not in answer:
        words = f"{stored.label} did not sign you in. Try again, or sign in with your password."
        raise _Refused("refused by the provider", words)
    client = single_sign_on.client_of(stored, config)
    try:
        return openid.fetch_identity(
            provider,
            client,
            attempt.secrets,
            answer["code"],
            allow_nets=config.allow_nets,
            now=now,
        )
    except ProviderError as why:
        words = f"{why.message} Try again, or sign in with your password."
        raise _Refused("no valid answer of the provider", words) from why


def _link(stored: OpenIdProvider, identity: Identity, browser: ClientInfo, now: datetime) -> User:
    """Return the account with the verified address, linked from now on."""
    email = sessions.normalize_email(identity.email)
    if not email or not identity.is_email_verified:
        words = f"{stored.label} has not verified your e-mail address. Verify it there first."
        raise _Refused("address not verified", words, email)
    if stored.domains and email.rpartition("@")[2] not in stored.domains:
        raise _Refused("address of another domain", _NO_ACCOUNT, email)
    user = User.find_by_email(email)
    if user is None and stored.creates_viewers:
        user = _create_viewer(email, identity.name, now)
    if user is None or user.is_disabled:
        raise _Refused("no such account", _NO_ACCOUNT, email)
    if OpenIdIdentity.of_user(user.id, identity.issuer) is not None:
        raise _Refused("another subject", _NO_ACCOUNT, email)
    OpenIdIdentity.create(
        user=user, issuer=identity.issuer, subject=identity.subject, linked_at=now
    )
    user.join_by_provider()
    event = IdentityLinked(user_id=user.id, name=user.name, issuer=identity.issuer)
    audit.record(event, Actor.of(user, browser.ip), now=now)
    return user


def _create_viewer(email: str, name: str, now: datetime) -> User:
    """Create an account that sees no client until a person of the agency chooses some."""
    shown = account_input.clean_name(name)[: account_input.MAX_NAME_CHARS]
    if account_input.identity_problems(shown, email):
        shown = email.partition("@")[0][: account_input.MAX_NAME_CHARS]
    if account_input.identity_problems(shown, email):
        raise _Refused("address not usable", _NO_ACCOUNT, email)
    user = User.create(
        name=shown,
        email=email,
        role=VIEWER,
        password_hash=NO_PASSWORD,
        created_at=now,
        limited_to=[],
        time_zone=Agency.read().time_zone,
    )
    audit.record(UserCreated(user_id=user.id, name=shown, role=VIEWER), SYSTEM, now=now)
    return user


def _recorded(why: _Refused, browser: ClientInfo, config: Config, now: datetime) -> Invalid:
    """Record a refusal, and return the error for the page."""
    subject = login_throttle.subject_hash(sessions.normalize_email(why.email), config)
    event = SignInFailed(subject_hash=subject, reason=f"single sign-on: {why.why}")
    by = Actor.anonymous(browser.ip)
    audit.record_refusal(event, by, now=now, per_hour=sessions.REFUSALS_PER_HOUR)
    return Invalid("", why.words)
