"""Ask for a link to choose a new password, and use it. Only where e-mail is set up."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.accounts import one_time_links, password_resets
from app.domain.errors import Invalid, NotFound
from app.domain.mail import outbox
from app.models.accounts import User
from app.models.base import utcnow
from app.views.authorization import client_info
from app.views.browser_sessions import start_browser_session

bp = Blueprint("password_resets", __name__)

# The same words for every address.
_ANSWER = (
    "If an account has this address, a link is on its way to it. It works once, within an hour. "
    "Check the spam folder as well."
)


@bp.get("/password")
def ask() -> ResponseReturnValue:
    if not outbox.is_on():
        raise NotFound("This Aura sends no e-mail. Ask an owner for a link.")
    return render_template("auth/forgot_password.html")


@bp.post("/password")
def send_link() -> ResponseReturnValue:
    password_resets.request_reset(
        email=request.form.get("email", "")[:254],
        browser=client_info(),
        config=current_app.config["AURA"],
        now=utcnow(),
    )
    flash(_ANSWER, "info")
    return redirect(url_for("auth.sign_in"), 303)


@bp.get("/password/<token>")
def choose(token: str) -> ResponseReturnValue:
    return _page(one_time_links.resetting_user(token, current_app.config["AURA"]), {})


@bp.post("/password/<token>")
def reset(token: str) -> ResponseReturnValue:
    config = current_app.config["AURA"]
    try:
        opened = password_resets.reset_password(
            token=token,
            password=request.form.get("password", ""),
            again=request.form.get("again", ""),
            browser=client_info(),
            config=config,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(one_time_links.resetting_user(token, config), refusal.messages), 422
    return start_browser_session(opened, url_for("overview.index"))


def _page(user: User, errors: dict[str, str]) -> str:
    return render_template("auth/reset_password.html", user=user, errors=errors)
