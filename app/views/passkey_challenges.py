"""Give a browser a challenge for its passkeys, and take the answer's ticket from the cookie."""

from __future__ import annotations

from flask import Response, current_app, request, session

from app.domain.accounts import passkeys
from app.domain.accounts.passkeys import Challenge
from app.domain.errors import Conflict

_CHALLENGE = "passkey_challenge"


def passkey_obstacle() -> str:
    """Return why passkeys do not work at the address of this request, or an empty text."""
    return passkeys.obstacle(current_app.config["AURA"], request.host_url.rstrip("/"))


def require_passkeys_work_here() -> None:
    """Refuse to begin at an address where no passkey works. Raises Conflict."""
    problem = passkey_obstacle()
    if problem:
        raise Conflict(problem)


def give_challenge(challenge: Challenge) -> Response:
    """Return the options for the browser's passkeys, and keep the ticket in the cookie."""
    session[_CHALLENGE] = challenge.ticket
    return Response(challenge.options, mimetype="application/json")


def take_challenge() -> str:
    """Return the ticket of the challenge that this browser was given last, once."""
    return str(session.pop(_CHALLENGE, ""))
