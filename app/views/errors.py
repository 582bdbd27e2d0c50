"""Turn each error into a page with what happened and the next step."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError

from app import logs
from app.domain import audit
from app.domain.accounts import second_factors
from app.domain.actor import Actor
from app.domain.audit.events import AccessRefused, FormRefused
from app.domain.errors import (
    AuditLogUnreadable,
    AuraError,
    Conflict,
    Forbidden,
    IdentityRequired,
    Invalid,
    LinkNoLongerValid,
    NotFound,
    ReauthenticationRequired,
)
from app.models.base import utcnow
from app.models.database_errors import AWAY, DAMAGED, OUTAGES, READ_ONLY, trouble_of
from app.views.authorization import current_actor, current_session, page_they_came_from
from app.views.brand import use_own_brand
from app.views.passkey_challenges import passkey_obstacle
from app.views.pending_form import OWN_CODE, OWN_PASSKEY, OWN_PASSWORD


@dataclass(frozen=True)
class Page:
    """A kind of error page. `happened` is used if the error has no text for people."""

    status: int
    title: str
    next_step: str
    happened: str = ""


_FORBIDDEN = Page(403, "Not allowed", "Ask an owner of this Aura for access.")
_NOT_FOUND = Page(
    404,
    "Page not found",
    "Check the address, or go to the list of sites.",
    "There is no page at this address.",
)
# The first match decides, so subclasses come first.
_REFUSALS: tuple[tuple[type[AuraError], Page], ...] = (
    (Forbidden, _FORBIDDEN),
    (NotFound, _NOT_FOUND),
    (
        LinkNoLongerValid,
        Page(
            410,
            "This link no longer works",
            "Sign in if you already have an account. Otherwise ask an owner of this Aura or your"
            " agency for a new link.",
        ),
    ),
    (Invalid, Page(422, "Invalid input", "Go back, correct the input and send it again.")),
    (
        AuditLogUnreadable,
        Page(503, "The audit log cannot be read", "Check the database, then try again."),
    ),
    (
        Conflict,
        Page(409, "Not possible now", "Go back and reload the page to see the current state."),
    ),
)
_FORM_REFUSED = Page(
    400,
    "Form refused",
    "Nothing was changed. Go back, reload the page and send the form again.",
    "Aura could not verify that the form came from one of its pages. It may have been opened before"
    " you signed in, or cookies are turned off.",
)
_FAILED = Page(
    500,
    "Something went wrong",
    "Try again in a moment. If it happens again, send the reference to the operator of this Aura.",
    "An error occurred in Aura. Your last action may or may not have been completed.",
)
_NO_DATABASE = Page(
    503,
    "The database does not answer",
    "Reload the page in a moment. Before you repeat your last action, check whether it was done."
    " If the problem stays, send the reference to the operator of this Aura.",
    "Aura cannot reach its database. Your last action was either completed or not started.",
)
_READ_ONLY_DATABASE = Page(
    503,
    "The database is read-only",
    "The operator of this Aura has to give its user write access to the database file and folder."
    " The disk may also be mounted read-only. Then send the form again.",
    "You can read pages, but Aura cannot save changes. Your last action was not completed.",
)
_DAMAGED_DATABASE = Page(
    503,
    "The database is damaged",
    "The operator of this Aura has to stop it and keep a copy of the database file. Then restore"
    " the newest backup. See docs/OPERATIONS.md.",
    "Aura cannot read its database file and no longer writes to it.",
)
_DATABASE = {AWAY: _NO_DATABASE, READ_ONLY: _READ_ONLY_DATABASE, DAMAGED: _DAMAGED_DATABASE}
_RETRY_AFTER_S = 10
# The fields of the page that asks who it is. That page repeats no typed secret either.
_NOT_HELD = frozenset(
    {"csrf_token", OWN_PASSWORD, OWN_CODE, OWN_PASSKEY, "back", "present", "new", "again"}
)
_HTTP = {
    400: Page(
        400, "Invalid request", "Go back and try again.", "A part of the request is missing."
    ),
    404: _NOT_FOUND,
    405: Page(
        405,
        "Method not allowed",
        "Go back and use the button on the page.",
        "This address does not support this kind of request.",
    ),
    411: Page(
        411, "Length required", "Send the form from a page of Aura.", "The request has no length."
    ),
    413: Page(
        413, "Request too large", "Send less data.", "The request is larger than any form allows."
    ),
}


class AuraFlask(Flask):
    """Flask that gives each request a reference for its lines in the log and its error page."""

    def wsgi_app(self, *request_and_response: Any) -> Any:
        with logs.context(reference=secrets.token_hex(4)):
            return super().wsgi_app(*request_and_response)

    def log_exception(self, exc_info: Any) -> None:
        self.logger.error(
            "Reference %s: %s %s failed",
            logs.current("reference"),
            request.method,
            request.url_rule,  # not the path: it may contain a one-time link
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
    """Ask for the password, and for the second factor if that is needed.

    The page keeps the form, which is sent again with what is typed.
    """
    user = current_session().user
    factors = second_factors.read_factors(user.id)
    sent = request.form.items(multi=True)
    page = render_template(
        "account/confirm.html",
        email=user.email,
        held=[(name, value) for name, value in sent if name not in _NOT_HELD],
        back=page_they_came_from(),
        errors={f"own_{error.refused}": error.message} if error.refused else {},
        question=error.message,
        needs_code=isinstance(error, IdentityRequired) and factors.has_any,
        has_app=factors.app_added_at is not None,
        has_passkey=bool(factors.passkeys) and not passkey_obstacle(),
    )
    return page, 422 if error.refused else 403


def _form_refused(error: CSRFError) -> ResponseReturnValue:
    event = FormRefused(endpoint=request.endpoint or "")
    audit.record_refusal(event, _somebody(), now=utcnow())
    return _render(_FORM_REFUSED)


def _somebody() -> Actor:
    """Return the actor of a refused request, who may not be signed in."""
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
    """Return plain text, because the links of a page would lead to the refused host."""
    return Response("Aura does not answer at this host name.\n", 400, mimetype="text/plain")


def _failure(error: InternalServerError) -> ResponseReturnValue:
    return _render_for_anybody(_FAILED), 500


def _database_failed(error: Exception) -> ResponseReturnValue:
    """Render an outage as temporary, and any other SQL failure as an error of ours."""
    trouble = trouble_of(error)
    if not trouble:
        raise error
    current_app.logger.error(
        "Reference %s: %s %s failed on the database: %s",
        logs.current("reference"),
        request.method,
        request.url_rule,
        error,
    )
    return _render_for_anybody(_DATABASE[trouble]), 503, {"Retry-After": str(_RETRY_AFTER_S)}


def _render_for_anybody(page: Page) -> str:
    """Render a page without loading the user, because the database may be down."""
    use_own_brand()
    template = current_app.jinja_env.get_template("refused.html")
    return template.render(
        layout="plain.html",
        page=page,
        happened=page.happened,
        reference=logs.current("reference"),
        theme=str,  # as for no one; the global function would load the user
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
