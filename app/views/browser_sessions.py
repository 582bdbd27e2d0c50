"""Put a new session, or an unfinished sign-in, into the cookie of this browser."""

from __future__ import annotations

from flask import (
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import login_user

from app.domain.accounts import login_throttle, sign_in
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.sign_in import UnfinishedSignIn
from app.models.base import utcnow
from app.views.authorization import DEVICE_COOKIE, CurrentUser
from app.views.passkey_challenges import passkey_obstacle
from app.views.pending_form import KeptForm

# The name in the cookie of an unfinished sign-in.
_PENDING = "pending_sign_in"


def start_browser_session(
    opened: AuthenticatedSession | UnfinishedSignIn, path: str, kept: KeptForm | None = None
) -> ResponseReturnValue:
    """Start the session and redirect to a page, or ask for the second factor first.

    `kept` is a form that was sent after a session had ended, and is offered again.
    """
    if isinstance(opened, UnfinishedSignIn):
        return _ask_for_second_factor(opened, path, kept)
    session.clear()
    login_user(CurrentUser(opened))
    if kept is None:
        return _remember_browser(opened, make_response(redirect(path, 303)))
    page = render_template("auth/resume.html", kept=kept, back=path)
    return _remember_browser(opened, make_response(page))


def _ask_for_second_factor(
    pending: UnfinishedSignIn, path: str, kept: KeptForm | None
) -> ResponseReturnValue:
    """Drop the old cookie's content, and keep the ticket of the unfinished sign-in in a new one."""
    session.clear()
    session[_PENDING] = pending.ticket
    if pending.must_add:
        return redirect(url_for("sign_in_steps.add", next=path), 303)
    if kept is None:
        return redirect(url_for("sign_in_steps.ask", next=path), 303)
    return second_factor_page(pending, path, kept, {})


def second_factor_page(
    pending: UnfinishedSignIn, path: str, kept: KeptForm | None, errors: dict[str, str]
) -> str:
    """Render the page that asks for a code or a passkey."""
    return render_template(
        "auth/second_factor.html",
        factors=pending.factors,
        obstacle=passkey_obstacle(),
        next=path,
        kept=kept,
        errors=errors,
    )


def pending_sign_in() -> UnfinishedSignIn | None:
    """Return the unfinished sign-in of this browser, if it is still valid."""
    ticket = session.get(_PENDING)
    return sign_in.resume(ticket, now=utcnow()) if isinstance(ticket, str) else None


def ask_to_begin_again() -> ResponseReturnValue:
    """Redirect to the sign-in page, because the sign-in that was begun is no longer valid."""
    session.pop(_PENDING, None)
    flash("This sign-in took longer than ten minutes, or was ended. Sign in again.", "info")
    return redirect(url_for("auth.sign_in"), 303)


def _remember_browser(opened: AuthenticatedSession, answer: Response) -> Response:
    """Set the cookie that identifies this browser at a later sign-in."""
    config = current_app.config["AURA"]
    answer.set_cookie(
        DEVICE_COOKIE,
        login_throttle.device_token(opened.user, request.cookies.get(DEVICE_COOKIE, ""), config),
        max_age=login_throttle.DEVICE_TOKEN_MAX_AGE,
        secure=config.is_https,
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return answer
