"""The second step of a sign-in: a code, a passkey, or adding the factor that a role needs.

Each of these pages is open to a browser whose password was right, and to nothing else. A passkey
alone signs in as well.
"""

from __future__ import annotations

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.accounts import own_passkeys, passkeys, second_factors, sign_in
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.sign_in import UnfinishedSignIn
from app.domain.errors import Invalid
from app.models.base import utcnow
from app.views import one_time_display, pending_form
from app.views.auth import sign_in_page
from app.views.authorization import client_info
from app.views.browser_sessions import (
    ask_to_begin_again,
    pending_sign_in,
    second_factor_page,
    start_browser_session,
)
from app.views.passkey_challenges import (
    give_challenge,
    passkey_obstacle,
    require_passkeys_work_here,
    take_challenge,
)
from app.views.pending_form import safe_next
from app.views.second_factors import RECOVERY_CODES, joined_codes, qr_code

bp = Blueprint("sign_in_steps", __name__)


@bp.get("/sign-in/second-factor")
def ask() -> ResponseReturnValue:
    pending = pending_sign_in()
    if pending is None:
        return ask_to_begin_again()
    path = safe_next(request.args.get("next"))
    if pending.must_add:
        return redirect(url_for("sign_in_steps.add", next=path), 303)
    return second_factor_page(pending, path, None, {})


@bp.post("/sign-in/second-factor")
def check() -> ResponseReturnValue:
    pending = pending_sign_in()
    if pending is None:
        return ask_to_begin_again()
    path, kept = safe_next(request.form.get("next")), pending_form.carried()
    try:
        opened = sign_in.finish_with_code(
            pending,
            request.form.get("code", ""),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return second_factor_page(pending, path, kept, refusal.messages), 422
    return start_browser_session(opened, path, kept)


@bp.post("/sign-in/passkey/options")
def passkey_options() -> ResponseReturnValue:
    """Return a challenge: for the person whose password was right, else for anyone."""
    require_passkeys_work_here()
    pending, browser = _person_of_passkey(), client_info()
    challenge = passkeys.begin_use(
        passkeys.SIGN_IN,
        pending.user if pending else None,
        ip=browser.ip,
        config=current_app.config["AURA"],
        now=utcnow(),
    )
    return give_challenge(challenge)


@bp.post("/sign-in/passkey")
def use_passkey() -> ResponseReturnValue:
    pending = _person_of_passkey()
    path, kept = safe_next(request.form.get("next")), pending_form.carried()
    try:
        opened = sign_in.finish_with_passkey(
            pending,
            request.form.get("passkey", ""),
            take_challenge(),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _refused_passkey(pending, refusal)
    return start_browser_session(opened, path, kept)


def _person_of_passkey() -> UnfinishedSignIn | None:
    """Return the sign-in that a passkey finishes; None on the sign-in page, where it is alone."""
    return None if "alone" in request.args else pending_sign_in()


def _refused_passkey(pending: UnfinishedSignIn | None, refusal: Invalid) -> ResponseReturnValue:
    path, kept = safe_next(request.form.get("next")), pending_form.carried()
    errors = {"": refusal.message}
    if pending is not None:
        return second_factor_page(pending, path, kept, errors), 422
    return sign_in_page("", errors), 422


@bp.get("/sign-in/add-factor")
def add() -> ResponseReturnValue:
    pending = pending_sign_in()
    if pending is None:
        return ask_to_begin_again()
    if not pending.must_add:
        return redirect(url_for("sign_in_steps.ask"), 303)
    return _add_page(pending, {})


@bp.post("/sign-in/add-factor/app")
def add_app() -> ResponseReturnValue:
    pending = pending_sign_in()
    if pending is None:
        return ask_to_begin_again()
    try:
        opened, codes = sign_in.add_app_and_finish(
            pending,
            request.form.get("code", ""),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _add_page(pending, refusal.messages), 422
    return _start_with_codes(opened, codes)


@bp.post("/sign-in/add-factor/passkey/options")
def new_passkey_options() -> ResponseReturnValue:
    require_passkeys_work_here()
    pending = pending_sign_in()
    if pending is None:
        return ask_to_begin_again()
    person = sign_in.person_adding(pending, client_info())
    config = current_app.config["AURA"]
    return give_challenge(own_passkeys.begin_add(person, config=config, now=utcnow()))


@bp.post("/sign-in/add-factor/passkey")
def add_passkey() -> ResponseReturnValue:
    pending = pending_sign_in()
    if pending is None:
        return ask_to_begin_again()
    try:
        opened, codes = sign_in.add_passkey_and_finish(
            pending,
            request.form.get("name", ""),
            request.form.get("passkey", ""),
            take_challenge(),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _add_page(pending, refusal.messages), 422
    return _start_with_codes(opened, codes)


def _add_page(pending: UnfinishedSignIn, errors: dict[str, str]) -> str:
    app = second_factors.pending_app(pending.user, current_app.config["AURA"], utcnow())
    return render_template(
        "auth/add_factor.html",
        user=pending.user,
        app=app,
        qr=qr_code(app),
        obstacle=passkey_obstacle(),
        next=safe_next(request.values.get("next")),
        typed_name=request.form.get("name", ""),
        errors=errors,
    )


def _start_with_codes(opened: AuthenticatedSession, codes: list[str]) -> ResponseReturnValue:
    """Start the session with the page that shows the recovery codes once."""
    path = safe_next(request.form.get("next"))
    answer = start_browser_session(opened, url_for("second_factors.show_codes", next=path))
    one_time_display.hold(RECOVERY_CODES, joined_codes(codes))
    return answer
