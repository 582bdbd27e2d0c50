"""Every refusal and every failure as a page: what happened, and the next step. Only here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError

from app.domain import audit
from app.domain.actor import Actor
from app.domain.audit.events import AccessRefused, FormRefused
from app.domain.errors import (
    AuditLogUnreadable,
    AuraError,
    Conflict,
    Forbidden,
    Invalid,
    LinkNoLongerValid,
    NotFound,
    ReauthenticationRequired,
)
from app.models.base import AWAY, DAMAGED, OUTAGES, READ_ONLY, trouble_of, utcnow
from app.views.authorization import current_actor, current_session, page_they_came_from
from app.views.pending_form import OWN_PASSWORD


@dataclass(frozen=True)
class Page:
    """One kind of refusal. `happened` stands where the error itself has no words for people."""

    status: int
    title: str
    next_step: str
    happened: str = ""


_FORBIDDEN = Page(403, "Not allowed", "Ask an owner of this Aura, or go back to the sites.")
_NOT_FOUND = Page(
    404,
    "Nothing here",
    "Check the address, or start again from the list of sites.",
    "There is no page under this address.",
)
# The most exact one that fits decides, so the order matters.
_REFUSALS: tuple[tuple[type[AuraError], Page], ...] = (
    (Forbidden, _FORBIDDEN),
    (NotFound, _NOT_FOUND),
    (
        LinkNoLongerValid,
        Page(
            410,
            "This link no longer works",
            "Sign in if you have an account already. Otherwise ask an owner of this Aura, or the"
            " agency that sent you the link, for a new one.",
        ),
    ),
    (Invalid, Page(422, "This cannot be used", "Go back, correct it and send it again.")),
    (
        AuditLogUnreadable,
        Page(503, "The trail cannot be read", "Look at the database, then try again."),
    ),
    (Conflict, Page(409, "Not now", "Go back and load the page again to see how things are.")),
)
_FORM_REFUSED = Page(
    400,
    "This form was not accepted",
    "Go back, load the page again and send it once more. Nothing was changed.",
    "The form carried no valid proof that it came from a page of Aura. It may have been open"
    " since before you signed in, or cookies are switched off.",
)
_FAILED = Page(
    500,
    "Something broke",
    "Try again in a moment. If it happens again, give the reference to whoever runs this Aura.",
    "Aura failed to answer. What you sent may or may not have been done.",
)
_NO_DATABASE = Page(
    503,
    "The database does not answer",
    "Load the page again in a moment. If you had sent something, look whether it was done before"
    " you send it again. If this lasts, give the reference to whoever runs this Aura.",
    "Everything Aura knows is in its database, and that cannot be used just now. What you sent was"
    " done as a whole or not at all.",
)
_READ_ONLY_DATABASE = Page(
    503,
    "The database cannot be written",
    "Whoever runs this Aura: let its user write to the database file and its folder, and look"
    " whether the disk is mounted read-only. Then send it again.",
    "Pages can be read, but nothing can be changed. What you sent was not done.",
)
_DAMAGED_DATABASE = Page(
    503,
    "The database is damaged",
    "Whoever runs this Aura: stop it, keep a copy of the file, and restore the newest backup as"
    " docs/OPERATIONS.md describes.",
    "The database file can no longer be read as one. Nothing more is written to it.",
)
_DATABASE = {AWAY: _NO_DATABASE, READ_ONLY: _READ_ONLY_DATABASE, DAMAGED: _DAMAGED_DATABASE}
_RETRY_AFTER_S = 10
# What the page that asks for the password has of its own.
_NOT_HELD = ("csrf_token", OWN_PASSWORD, "back")
_HTTP = {
    400: Page(400, "This request makes no sense", "Go back and try again.", "A part is missing."),
    404: _NOT_FOUND,
    405: Page(
        405,
        "Not this way",
        "Go back and use the button on the page.",
        "This address answers to a form only, or to a link only.",
    ),
    411: Page(
        411, "Length missing", "Send the form from a page of Aura.", "Its length is unknown."
    ),
    413: Page(413, "Too much", "Send less.", "More was sent than any form here needs."),
}


class AuraFlask(Flask):
    """Flask, which gives each failure a reference that the log and the page share."""

    def log_exception(self, exc_info: Any) -> None:
        g.reference = secrets.token_hex(4)
        self.logger.error(
            "Reference %s: %s %s failed",
            g.reference,
            request.method,
            request.url_rule,  # not the path: it may hold a one-time link
            exc_info=exc_info,
        )


def register(app: Flask) -> None:
    app.register_error_handler(AuraError, _refusal)
    app.register_error_handler(ReauthenticationRequired, _ask_who_it_is)
    app.register_error_handler(CSRFError, _form_refused)
    app.register_error_handler(SecurityError, _wrong_host)
    app.register_error_handler(InternalServerError, _failure)
    app.register_error_handler(HTTPException, _http)
    for kind in OUTAGES:
        app.register_error_handler(kind, _database_failed)


def _refusal(error: AuraError) -> ResponseReturnValue:
    page = next(page for kind, page in _REFUSALS if isinstance(error, kind))
    if isinstance(error, Forbidden):
        audit.record_refusal(AccessRefused(verb=error.verb), _somebody(), now=utcnow())
    back = page_they_came_from() if request.method == "POST" else ""
    return _render(page, error.message, back)


def _ask_who_it_is(error: ReauthenticationRequired) -> ResponseReturnValue:
    """Not a refusal: what was sent waits in this page, and is done once the password is typed."""
    is_typed = OWN_PASSWORD in request.form
    sent = request.form.items(multi=True)
    page = render_template(
        "account/confirm.html",
        email=current_session().member.email,
        field_name=OWN_PASSWORD,
        held=[(name, value) for name, value in sent if name not in _NOT_HELD],
        back=page_they_came_from(),
        errors={OWN_PASSWORD: error.message} if is_typed else {},
        asked=error.message,
    )
    return page, 422 if is_typed else 403


def _form_refused(error: CSRFError) -> ResponseReturnValue:
    event = FormRefused(endpoint=request.endpoint or "")
    audit.record_refusal(event, _somebody(), now=utcnow())
    return _render(_FORM_REFUSED)


def _somebody() -> Actor:
    """Who was refused; not everybody who is has signed in."""
    return (
        current_actor()
        if current_user.is_authenticated
        else Actor.anonymous(request.remote_addr or "")
    )


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    text, _ = _render(_HTTP.get(status, _HTTP[400]))
    return text, status, [header for header in error.get_headers() if header[0] == "Allow"]


def _wrong_host(error: SecurityError) -> ResponseReturnValue:
    """No page: its links would lead to the host that is refused."""
    return Response("Aura does not answer under this name.\n", 400, mimetype="text/plain")


def _failure(error: InternalServerError) -> ResponseReturnValue:
    return _render_for_anybody(_FAILED), 500


def _database_failed(error: Exception) -> ResponseReturnValue:
    """Render an outage as temporary, and any other SQL failure as an error of ours."""
    trouble = trouble_of(error)
    if not trouble:
        raise error
    g.reference = secrets.token_hex(4)
    current_app.logger.error(
        "Reference %s: %s %s met no database: %s",
        g.reference,
        request.method,
        request.url_rule,
        error,
    )
    return _render_for_anybody(_DATABASE[trouble]), 503, {"Retry-After": str(_RETRY_AFTER_S)}


def _render_for_anybody(page: Page) -> str:
    """Without asking who is signed in: the database may be what is broken."""
    template = current_app.jinja_env.get_template("refused.html")
    return template.render(
        layout="plain.html", page=page, happened=page.happened, reference=g.get("reference")
    )


def _render(page: Page, happened: str = "", back: str = "") -> tuple[str, int]:
    layout = "base.html" if current_user.is_authenticated else "plain.html"
    text = render_template(
        "refused.html",
        layout=layout,
        page=page,
        happened=happened or page.happened,
        back=back,
    )
    return text, page.status
