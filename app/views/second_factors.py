"""Pages about the user's own second factors: authenticator app, passkeys and recovery codes."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.accounts import own_passkeys, passkeys, second_factors, verified_person
from app.domain.accounts.second_factors import PendingApp
from app.domain.accounts.verified_person import VerifiedPerson
from app.domain.errors import Invalid
from app.models.base import utcnow
from app.qr import QrCode, make_qr_code
from app.views import one_time_display
from app.views.authorization import current_actor, current_session, require_permission
from app.views.passkey_challenges import (
    give_challenge,
    passkey_obstacle,
    require_passkeys_work_here,
    take_challenge,
)
from app.views.pending_form import safe_next

bp = Blueprint("second_factors", __name__)

# The name under which one_time_display.py keeps them.
RECOVERY_CODES = "recovery_codes"


@bp.get("/account/second-factor")
@require_permission("account")
def show() -> ResponseReturnValue:
    user = current_session().user
    return render_template(
        "account/second_factor.html",
        factors=second_factors.read_factors(user.id),
        is_required=second_factors.is_required(user.role),
        obstacle=passkey_obstacle(),
    )


# ---- authenticator app ----


@bp.post("/account/second-factor/app")
@require_permission("account")
def begin_app() -> ResponseReturnValue:
    second_factors.begin_app(_person(), config=current_app.config["AURA"], now=utcnow())
    return redirect(url_for("second_factors.show_app"), 303)


@bp.get("/account/second-factor/app")
@require_permission("account")
def show_app() -> ResponseReturnValue:
    """Show the secret of the new app, for a few minutes after the person proved who they are."""
    return _app_page({})


@bp.post("/account/second-factor/app/confirm")
@require_permission("account")
def confirm_app() -> ResponseReturnValue:
    code, config = request.form.get("code", ""), current_app.config["AURA"]
    try:
        codes = second_factors.confirm_app(_person(), code, config=config, now=utcnow())
    except Invalid as refusal:
        return _app_page(refusal.messages)
    flash("Authenticator app added. All other sessions ended.")
    return _to_codes_or_back(codes)


@bp.post("/account/second-factor/app/remove")
@require_permission("account")
def remove_app() -> ResponseReturnValue:
    second_factors.remove_app(_person(), now=utcnow())
    flash("Authenticator app removed. All other sessions ended.")
    return _back()


def _app_page(errors: dict[str, str]) -> ResponseReturnValue:
    current, now = current_session(), utcnow()
    app = None
    if verified_person.is_verified(current, now):
        app = second_factors.pending_app(current.user, current_app.config["AURA"], now)
    if app is None:
        flash("The secret is shown for a few minutes only. Start again to see a new one.", "info")
        return _back()
    page = render_template("account/add_app.html", app=app, qr=qr_code(app), errors=errors)
    return page, 422 if errors else 200


def qr_code(app: PendingApp | None) -> QrCode | None:
    """Return the QR code of an app, if there is one to show."""
    return make_qr_code(app.address) if app else None


# ---- passkeys ----


@bp.post("/account/second-factor/passkeys")
@require_permission("account")
def begin_passkey() -> ResponseReturnValue:
    """Ask who it is, if that is needed, before the page with the name."""
    _person()
    return redirect(url_for("second_factors.new_passkey"), 303)


@bp.get("/account/second-factor/passkeys/new")
@require_permission("account")
def new_passkey() -> ResponseReturnValue:
    return _passkey_page("", {})


@bp.post("/account/second-factor/passkeys/options")
@require_permission("account")
def new_passkey_options() -> ResponseReturnValue:
    require_passkeys_work_here()
    config = current_app.config["AURA"]
    return give_challenge(own_passkeys.begin_add(_person(), config=config, now=utcnow()))


@bp.post("/account/second-factor/passkeys/new")
@require_permission("account")
def add_passkey() -> ResponseReturnValue:
    name, answer = request.form.get("name", ""), request.form.get("passkey", "")
    person, config, now = _person(), current_app.config["AURA"], utcnow()
    try:
        new = own_passkeys.check_new(person, name, answer, take_challenge(), config=config, now=now)
        codes = own_passkeys.add_passkey(person, new, now=now)
    except Invalid as refusal:
        return _passkey_page(name, refusal.messages), 422
    flash(f"Passkey {new.name} added. All other sessions ended.")
    return _to_codes_or_back(codes)


@bp.post("/account/second-factor/passkeys/<int:passkey_id>/remove")
@require_permission("account")
def remove_passkey(passkey_id: int) -> ResponseReturnValue:
    removed = own_passkeys.remove_passkey(_person(), passkey_id, now=utcnow())
    flash(f"Passkey {removed.name} removed. All other sessions ended.")
    return _back()


def _passkey_page(name: str, errors: dict[str, str]) -> str:
    problem = passkey_obstacle()
    return render_template("account/add_passkey.html", name=name, obstacle=problem, errors=errors)


@bp.post("/account/verify/passkey-options")
@require_permission("account")
def confirm_options() -> ResponseReturnValue:
    """Return a challenge for the page that asks who it is."""
    require_passkeys_work_here()
    challenge = passkeys.begin_use(
        passkeys.CONFIRM,
        current_session().user,
        ip=current_actor().ip,
        config=current_app.config["AURA"],
        now=utcnow(),
    )
    return give_challenge(challenge)


# ---- recovery codes ----


@bp.post("/account/second-factor/recovery-codes")
@require_permission("account")
def renew_codes() -> ResponseReturnValue:
    codes = second_factors.renew_recovery_codes(_person(), now=utcnow())
    return _to_codes_or_back(codes)


@bp.get("/account/second-factor/recovery-codes")
@require_permission("account")
def show_codes() -> ResponseReturnValue:
    """Show new codes once; a reload leads back."""
    codes = one_time_display.take(RECOVERY_CODES)
    if codes is None:
        flash("Recovery codes are shown only once. If you did not keep them, create new ones.")
        return _back()
    return render_template(
        "account/recovery_codes.html",
        codes=codes.split("\n"),
        user=current_session().user,
        next=safe_next(request.args.get("next") or url_for("second_factors.show")),
    )


def joined_codes(codes: list[str]) -> str:
    """Return recovery codes as the text that `show_codes` takes."""
    return "\n".join(codes)


def _to_codes_or_back(codes: list[str]) -> ResponseReturnValue:
    if not codes:
        return _back()
    one_time_display.hold(RECOVERY_CODES, joined_codes(codes))
    return redirect(url_for("second_factors.show_codes"), 303)


def _back() -> ResponseReturnValue:
    return redirect(url_for("second_factors.show"), 303)


def _person() -> VerifiedPerson:
    """Return the user, who proved in the last minutes who they are. Raises IdentityRequired."""
    return verified_person.verified_person(current_session(), by=current_actor(), now=utcnow())
