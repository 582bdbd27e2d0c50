"""Settings of e-mail: the server, a test message, and the last messages. For owners."""

from __future__ import annotations

from dataclasses import asdict

from flask import (
    Blueprint,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.errors import Invalid
from app.domain.mail import outbox, server
from app.domain.mail.server import TypedServer
from app.models.base import utcnow
from app.models.email import EmailServer, OutgoingEmail
from app.views.authorization import current_actor, require_permission

bp = Blueprint("email", __name__)

_FIELDS = ("host", "port", "security", "username", "sender", "sender_name")
_SHOWN = 8


@bp.get("/settings/email")
@require_permission("email")
def show() -> ResponseReturnValue:
    stored = EmailServer.read()
    if stored is None:
        return _page({**asdict(TypedServer()), "port": "587"}, {})
    return _page({field: str(getattr(stored, field)) for field in _FIELDS}, {})


@bp.post("/settings/email")
@require_permission("email")
def change() -> ResponseReturnValue:
    typed = {field: request.form.get(field, "").strip() for field in _FIELDS}
    password = request.form.get("password", "")
    try:
        server.change_server(
            TypedServer(**typed, password=password),
            by=current_actor(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(typed, refusal.messages), 422
    flash("E-mail server saved. Send a test message to see whether it works.")
    return _back()


@bp.post("/settings/email/remove")
@require_permission("email")
def remove() -> ResponseReturnValue:
    server.remove_server(by=current_actor(), now=utcnow())
    flash("E-mail turned off. The password was deleted.")
    return _back()


@bp.post("/settings/email/test")
@require_permission("email")
def send_test() -> ResponseReturnValue:
    email = outbox.request_test(by=current_actor(), now=utcnow())
    return _to_message(email.id)


@bp.get("/settings/email/messages")
@require_permission("email")
def messages() -> ResponseReturnValue:
    """List the messages of the last 30 days, at most a hundred."""
    return render_template("settings/email_messages.html", messages=outbox.recent_emails())


@bp.get("/settings/email/messages/<int:email_id>")
@require_permission("email")
def message(email_id: int) -> ResponseReturnValue:
    email = outbox.get_email(email_id)
    return render_template("settings/email_message.html", **_state(email))


@bp.get("/settings/email/messages/<int:email_id>/progress")
@require_permission("email")
def progress(email_id: int) -> ResponseReturnValue:
    """Render the part that polls, until the message is no longer on its way."""
    email = outbox.get_email(email_id)
    answer = make_response(render_template("settings/_email_state.html", **_state(email)))
    answer.cache_control.no_store = True
    return answer


@bp.post("/settings/email/messages/<int:email_id>/resend")
@require_permission("email")
def resend(email_id: int) -> ResponseReturnValue:
    outbox.resend(outbox.get_email(email_id), by=current_actor(), now=utcnow())
    return _to_message(email_id)


def _state(email: OutgoingEmail) -> dict[str, object]:
    """Return what the part of a message shows. Only one that may be sent any second is polled."""
    is_soon = email.is_open and email.attempts <= 1 and not email.problem
    return {
        "message": email,
        "is_live": is_soon,
        "is_due": email.next_attempt_at <= utcnow(),
        "server": EmailServer.read(),
    }


def _to_message(email_id: int) -> ResponseReturnValue:
    return redirect(url_for("email.message", email_id=email_id), 303)


def _back() -> ResponseReturnValue:
    return redirect(url_for("email.show"), 303)


def _page(typed: dict[str, str], errors: dict[str, str]) -> str:
    stored = EmailServer.read()
    since = stored.changed_at if stored else utcnow()
    return render_template(
        "settings/email.html",
        stored=stored,
        typed=typed,
        errors=errors,
        last_accepted=OutgoingEmail.last_accepted(since),
        last_failed=OutgoingEmail.last_failed(since),
        messages=OutgoingEmail.newest(_SHOWN),
        is_readable=stored is not None and server.is_readable_on_the_way(stored),
    )
