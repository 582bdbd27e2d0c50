"""Sign in, sign out, set up the first owner, and accept invitations."""

from __future__ import annotations

from flask import (
    Blueprint,
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
from flask_login import current_user, login_user

from app.domain.accounts import login_throttle, one_time_links, sessions, users
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.errors import Invalid
from app.domain.mail import outbox
from app.models.accounts import User
from app.models.base import utcnow
from app.views import pending_form
from app.views.authorization import (
    DEVICE_COOKIE,
    CurrentUser,
    client_info,
    current_actor,
    current_session,
    require_permission,
)
from app.views.pending_form import safe_next

bp = Blueprint("auth", __name__)


@bp.get("/setup/<token>")
def set_up(token: str) -> ResponseReturnValue:
    one_time_links.verify_setup_link(token, current_app.config["AURA"])
    return _set_up_page({}, {})


@bp.post("/setup/<token>")
def set_up_owner(token: str) -> ResponseReturnValue:
    typed = {name: request.form.get(name, "").strip() for name in ("name", "email")}
    try:
        opened = users.set_up_owner(
            token=token,
            **typed,
            password=request.form.get("password", ""),
            again=request.form.get("again", ""),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _set_up_page(typed, refusal.messages), 422
    return start_browser_session(opened, url_for("overview.index"))


@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")))
    return _sign_in_page("", {})


@bp.post("/sign-in")
def sign_in_submit() -> ResponseReturnValue:
    email = request.form.get("email", "").strip()
    try:
        opened = sessions.sign_in(
            email=email,
            password=request.form.get("password", ""),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _sign_in_page(email, refusal.messages), 422
    kept, back = pending_form.carried(), safe_next(request.form.get("next"))
    if kept is None:
        return start_browser_session(opened, back)
    _open_session(opened)
    page = render_template("auth/resume.html", kept=kept, back=back)
    return _remember_browser(opened, make_response(page))


@bp.post("/sign-out")
@require_permission("account")
def sign_out() -> ResponseReturnValue:
    sessions.sign_out(current_session(), by=current_actor())
    session.clear()
    flash("You have signed out.")
    return redirect(url_for("auth.sign_in"), 303)


@bp.get("/invitation/<token>")
def invitation(token: str) -> ResponseReturnValue:
    return _invitation_page(one_time_links.invited_user(token, current_app.config["AURA"]), {})


@bp.post("/invitation/<token>")
def accept(token: str) -> ResponseReturnValue:
    config = current_app.config["AURA"]
    try:
        opened = users.accept_invitation(
            token=token,
            password=request.form.get("password", ""),
            again=request.form.get("again", ""),
            browser=client_info(),
            config=config,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _invitation_page(one_time_links.invited_user(token, config), refusal.messages), 422
    return start_browser_session(opened, url_for("overview.index"))


def start_browser_session(opened: AuthenticatedSession, path: str) -> ResponseReturnValue:
    """Start the session and redirect to a page."""
    _open_session(opened)
    return _remember_browser(opened, make_response(redirect(path, 303)))


def _open_session(opened: AuthenticatedSession) -> None:
    """Put the ticket of the new session into a fresh cookie, and drop the old cookie's content."""
    session.clear()
    login_user(CurrentUser(opened))


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


def _set_up_page(typed: dict[str, str], errors: dict[str, str]) -> str:
    return render_template("auth/set_up.html", typed=typed, errors=errors)


def _sign_in_page(email: str, errors: dict[str, str]) -> str:
    return render_template(
        "auth/sign_in.html",
        email=email,
        errors=errors,
        next=safe_next(request.values.get("next")),
        is_set_up=User.anybody(),
        kept=pending_form.carried(),
        can_reset=outbox.is_on(),
        setup_command=one_time_links.setup_command(current_app.config["AURA"]),
    )


def _invitation_page(user: User, errors: dict[str, str]) -> str:
    return render_template("auth/invitation.html", user=user, errors=errors)
