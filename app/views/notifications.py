"""What Aura sends to the signed-in person by e-mail, and when."""

from __future__ import annotations

import calendar
from dataclasses import asdict

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import permissions
from app.domain.errors import Invalid
from app.domain.mail import outbox
from app.domain.notifications import preferences
from app.domain.notifications.preferences import Preferences
from app.models.base import utcnow
from app.models.clients import Client
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    require_permission,
)
from app.views.request_validation import row_number, ticked_clients

bp = Blueprint("notifications", __name__)

# What a select sends for no quiet hours, and for a value that is no number.
_NONE, _INVALID = "", -1


@bp.get("/account/notifications")
@require_permission("account")
def show() -> ResponseReturnValue:
    return _page(preferences.read_preferences(current_actor()), {})


@bp.post("/account/notifications")
@require_permission("account")
def change() -> ResponseReturnValue:
    typed = _typed()
    try:
        preferences.change_preferences(typed, by=current_actor(), now=utcnow())
    except Invalid as refusal:
        return _page(typed, refusal.messages), 422
    flash("Notifications saved.")
    return redirect(url_for("notifications.show"), 303)


def _typed() -> Preferences:
    form = request.form
    return Preferences(
        critical_now=form.get("critical_now") == "1",
        digest=form.get("digest", ""),
        digest_hour=_number("digest_hour"),
        digest_weekday=_number("digest_weekday"),
        quiet_from=None if form.get("quiet_from", _NONE) == _NONE else _number("quiet_from"),
        quiet_to=None if form.get("quiet_to", _NONE) == _NONE else _number("quiet_to"),
        critical_waits=form.get("critical_waits") == "1",
        client_ids=ticked_clients(),
    )


def _number(name: str) -> int:
    return request.form.get(name, _INVALID, type=row_number)


def _page(chosen: Preferences, errors: dict[str, str]) -> str:
    user = current_session().user
    may_choose = permissions.is_allowed(user.role, "overview")
    return render_template(
        "account/notifications.html",
        user=user,
        chosen=asdict(chosen),
        errors=errors,
        is_on=outbox.is_on(),
        clients=_clients() if may_choose else [],
        hours=[(hour, f"{hour:02}:00") for hour in range(24)],
        weekdays=list(enumerate(calendar.day_name)),
        zone=user.time_zone.replace("_", " "),
    )


def _clients() -> list[Client]:
    return Client.listing(current_visibility())
