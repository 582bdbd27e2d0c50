"""Sign in at the OpenID provider, and its settings for owners."""

from __future__ import annotations

from collections.abc import Mapping

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

from app.domain.accounts import openid_sign_in, single_sign_on
from app.domain.accounts.openid_sign_in import Attempt
from app.domain.accounts.single_sign_on import TypedProvider
from app.domain.errors import Invalid
from app.models.base import utcnow
from app.models.single_sign_on import OpenIdProvider
from app.views.authorization import (
    client_info,
    current_actor,
    current_session,
    require_permission,
)
from app.views.browser_sessions import start_browser_session
from app.views.pending_form import safe_next

bp = Blueprint("single_sign_on", __name__)

_ATTEMPT = "single_sign_on"
_FIELDS = ("issuer", "client_id", "label")
_TICKS = ("creates_viewers", "checks_factor")


@bp.get("/sign-in/provider")
def begin() -> ResponseReturnValue:
    """Lead to the provider. No form: the policy of pages lets forms go to Aura only."""
    attempt, url = openid_sign_in.begin(
        safe_next(request.args.get("next")),
        config=current_app.config["AURA"],
        now=utcnow(),
        session_id=current_session().session.id if current_user.is_authenticated else None,
    )
    session[_ATTEMPT] = attempt.as_stored()
    return redirect(url, 303)


@bp.get(single_sign_on.CALLBACK_PATH)
def answer() -> ResponseReturnValue:
    """Take the provider's answer, once."""
    attempt = Attempt.read(session.pop(_ATTEMPT, None))
    about = {
        "browser": client_info(),
        "config": current_app.config["AURA"],
        "now": utcnow(),
    }
    try:
        if not current_user.is_authenticated:
            opened = openid_sign_in.finish(attempt, request.args, **about)
            return start_browser_session(opened, attempt.next if attempt else "/")
        openid_sign_in.confirm(attempt, request.args, current_session().session, **about)
    except Invalid as refusal:
        return render_template("auth/provider_refused.html", why=refusal.message), 422
    flash("You have confirmed who you are. For 15 minutes, Aura does not ask again.")
    return redirect(attempt.next if attempt else "/", 303)


@bp.app_template_global("single_sign_on_label")
def label() -> str:
    """Return the name of the provider; empty while single sign-on is off."""
    stored = OpenIdProvider.read()
    return "" if stored is None else str(stored.label)


@bp.get("/settings/single-sign-on")
@require_permission("security")
def show() -> ResponseReturnValue:
    stored = OpenIdProvider.read()
    if stored is None:
        return _page({}, {})
    typed = {name: str(getattr(stored, name)) for name in _FIELDS}
    typed |= {"domains": ", ".join(stored.domains)}
    ticked = {name: "1" if getattr(stored, name) else "" for name in _TICKS}
    return _page({**typed, **ticked}, {})


@bp.post("/settings/single-sign-on")
@require_permission("security")
def change() -> ResponseReturnValue:
    form = request.form
    typed = TypedProvider(
        **{name: form.get(name, "").strip() for name in (*_FIELDS, "domains", "secret")},
        creates_viewers=form.get("creates_viewers") == "1",
        checks_factor=form.get("checks_factor") == "1",
    )
    try:
        single_sign_on.change_provider(
            typed, by=current_actor(), config=current_app.config["AURA"], now=utcnow()
        )
    except Invalid as refusal:
        return _page(form, refusal.messages), 422
    flash("Single sign-on saved. Try it in a private window before you tell others.")
    return redirect(url_for("single_sign_on.show"), 303)


@bp.post("/settings/single-sign-on/remove")
@require_permission("security")
def remove() -> ResponseReturnValue:
    single_sign_on.remove_provider(by=current_actor(), now=utcnow())
    flash("Single sign-on turned off. People sign in with their password.")
    return redirect(url_for("single_sign_on.show"), 303)


def _page(typed: Mapping[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "settings/single_sign_on.html",
        stored=OpenIdProvider.read(),
        typed=typed,
        errors=errors,
        callback=single_sign_on.callback_url(current_app.config["AURA"]),
    )
