"""Sign in, sign out, set up the first owner, and accept invitations."""

from __future__ import annotations

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.domain.accounts import one_time_links, passkeys, sessions, users
from app.domain.accounts import sign_in as sign_in_steps
from app.domain.errors import Invalid
from app.domain.mail import outbox
from app.models.accounts import User
from app.models.base import utcnow
from app.views import pending_form
from app.views.authorization import (
    client_info,
    current_actor,
    current_session,
    require_permission,
)
from app.views.browser_sessions import start_browser_session
from app.views.passkey_challenges import passkey_obstacle
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
    return sign_in_page("", {})


@bp.post("/sign-in")
def sign_in_submit() -> ResponseReturnValue:
    email = request.form.get("email", "").strip()
    try:
        opened = sign_in_steps.sign_in(
            email=email,
            password=request.form.get("password", ""),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return sign_in_page(email, refusal.messages), 422
    back = safe_next(request.form.get("next"))
    return start_browser_session(opened, back, pending_form.carried())


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


def _set_up_page(typed: dict[str, str], errors: dict[str, str]) -> str:
    return render_template("auth/set_up.html", typed=typed, errors=errors)


def sign_in_page(email: str, errors: dict[str, str]) -> str:
    """Render the sign-in page again with what was refused."""
    return render_template(
        "auth/sign_in.html",
        email=email,
        errors=errors,
        next=safe_next(request.values.get("next")),
        is_set_up=User.any_exists(),
        kept=pending_form.carried(),
        can_reset=outbox.is_on(),
        passkeys=passkeys.anybody_has_one(),
        obstacle=passkey_obstacle(),
        setup_command=one_time_links.setup_command(current_app.config["AURA"]),
    )


def _invitation_page(user: User, errors: dict[str, str]) -> str:
    return render_template("auth/invitation.html", user=user, errors=errors)
