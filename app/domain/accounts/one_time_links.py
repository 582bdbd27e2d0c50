"""Links that work once: the first owner's, and those to choose a password.

itsdangerous signs them with a salt for each purpose. Each is bound to a database value that changes
when the link is used, so used, outdated and foreign links are invalid.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

from itsdangerous import BadData, URLSafeTimedSerializer

from app.config import Config
from app.domain.errors import LinkNoLongerValid
from app.models.accounts import User
from app.models.installation import Setting

SETUP_MAX_AGE = timedelta(hours=1)
INVITATION_MAX_AGE = timedelta(days=3)
RESET_MAX_AGE = timedelta(hours=1)

_SETUP_NONCE = "setup_nonce"


def setup_link(config: Config) -> str | None:
    """Return the link that creates the first owner, valid for one hour; None if an account exists.

    Each start prints a new link. Earlier links keep working within their hour.
    """
    if User.any_exists():
        return None
    nonce = Setting.write_once(_SETUP_NONCE, secrets.token_urlsafe(32))
    return f"{config.origin}/setup/{_signer(config, 'set-up').dumps(nonce)}"


def setup_command(config: Config) -> str:
    """Return the command that prints a new setup link, for Aura's folder."""
    current = Path.cwd()
    folder = ""
    if config.var_dir != current / "var":
        inside = config.var_dir.is_relative_to(current)
        # The sign-in page must not reveal the path of the data to visitors.
        named = config.var_dir.relative_to(current) if inside else "YOUR_AURA_VAR"
        folder = f"AURA_VAR={named} "
    return f"{folder}.venv/bin/flask --app wsgi setup-link"


def verify_setup_link(token: str, config: Config) -> None:
    """Check that `token` may create the first owner now.

    Raises: LinkNoLongerValid.
    """
    nonce = _payload(token, "set-up", SETUP_MAX_AGE, config)
    if User.any_exists() or nonce is None or nonce != Setting.read(_SETUP_NONCE):
        raise LinkNoLongerValid("This setup link has expired or was used.")


def invitation_link(user: User, config: Config) -> str:
    """Return the link with which `user` chooses a password, valid for the user's epoch."""
    token = _signer(config, "invitation").dumps([user.id, user.session_epoch])
    return f"{config.origin}/invitation/{token}"


def invited_user(token: str, config: Config) -> User:
    """Return the user whom this invitation is for.

    Raises LinkNoLongerValid, also for a disabled user, because disabling begins a new epoch.
    """
    return _user_of(_payload(token, "invitation", INVITATION_MAX_AGE, config))


def reset_link(user: User, config: Config) -> str:
    """Return the link with which `user` chooses a new password within an hour.

    It is for the person's own mailbox. Until it is used, nothing changes.
    """
    token = _signer(config, "reset").dumps([user.id, user.session_epoch])
    return f"{config.origin}/password/{token}"


def resetting_user(token: str, config: Config) -> User:
    """Return the user whom this reset link is for. Raises LinkNoLongerValid, as above."""
    return _user_of(_payload(token, "reset", RESET_MAX_AGE, config))


def _user_of(payload: object) -> User:
    """Return the user of a link that is still of the user's epoch. Raises LinkNoLongerValid."""
    user_id, epoch = payload if isinstance(payload, list) else (None, None)
    user = User.get_or_none(User.id == user_id)
    if user is None or user.session_epoch != epoch:
        raise LinkNoLongerValid("This link has expired, was used or was replaced by a newer one.")
    return user


def _signer(config: Config, purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(config.secret_key, salt=f"aura.{purpose}")


def _payload(token: str, purpose: str, good_for: timedelta, config: Config) -> object:
    """Return what was signed for this purpose, or None if it is too old or not ours."""
    try:
        return _signer(config, purpose).loads(token, max_age=int(good_for.total_seconds()))
    except BadData:
        return None
