"""Decide who may use a view.

A view that declares no permission is refused unless it is in OPEN. The domain checks permissions
again; here they decide what a page shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from flask import (
    Flask,
    Response,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user
from werkzeug.exceptions import HTTPException

from app.domain import permissions
from app.domain.accounts import identity, passkeys, sessions
from app.domain.accounts.identity import Proof
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.actor import Actor
from app.domain.errors import (
    Forbidden,
    IdentityRequired,
    Invalid,
    NotFound,
    ReauthenticationRequired,
)
from app.domain.mail import outbox
from app.domain.reporting.data import NAMED_EVENTS
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.sites import Site
from app.models.visibility import Visibility
from app.views import pending_form
from app.views.passkey_challenges import passkey_obstacle, take_challenge
from app.views.pending_form import OWN_CODE, OWN_PASSKEY, OWN_PASSWORD, safe_next

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

# The endpoints that need no sign-in.
OPEN = frozenset(
    {
        "static",
        "probes.alive",
        "probes.ready",
        "probes.measured",
        "brand.stylesheet",
        "brand.logo",
        "agent_api.notice",
        "plugin_updates.metadata",
        "plugin_updates.package",
        "auth.set_up",
        "auth.set_up_owner",
        "auth.sign_in",
        "auth.sign_in_submit",
        "auth.invitation",
        "auth.accept",
        "single_sign_on.begin",
        "single_sign_on.answer",
        "sign_in_steps.ask",
        "sign_in_steps.check",
        "sign_in_steps.passkey_options",
        "sign_in_steps.use_passkey",
        "sign_in_steps.add",
        "sign_in_steps.add_app",
        "sign_in_steps.new_passkey_options",
        "sign_in_steps.add_passkey",
        "password_resets.ask",
        "password_resets.send_link",
        "password_resets.choose",
        "password_resets.reset",
    }
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
DEVICE_COOKIE = "aura-browser"
# The status with which htmx stops polling.
_STOP_POLLING = 286
# The one upload that is larger than memory, and more than such a file may have, so that its form
# itself can say so.
_LARGE_UPLOAD = "vulnerability_feed.import_file"
_LARGE_UPLOAD_BYTES = 520 * 1024 * 1024


class CurrentUser(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """The signed-in user, for flask-login and the templates."""

    def __init__(self, auth: AuthenticatedSession) -> None:
        self.auth = auth
        self.name = auth.user.name
        self.role = auth.user.role
        self.theme = auth.user.theme
        self.time_zone = auth.user.time_zone

    def get_id(self) -> str:
        return self.auth.ticket


def register(app: Flask) -> None:
    """Load the signed-in user, and check permissions before each view."""
    manager = LoginManager(app)
    # flask-login would bind the cookie to address and browser. That signs out mobile users and
    # does not stop a thief on the same network. Aura's session table ends sessions instead.
    manager.session_protection = None
    manager.user_loader(_load)
    app.before_request(_refuse_unguarded)
    app.context_processor(_permissions)


def allow_large_upload() -> None:
    """Raise the body limit of one route for those who may use it.

    Call it before anything reads the form: a visitor must not fill the disk.
    """
    if request.endpoint != _LARGE_UPLOAD or not current_user.is_authenticated:
        return
    if permissions.is_allowed(current_user.role, "vulnerability_feed"):
        request.max_content_length = _LARGE_UPLOAD_BYTES


def _load(ticket: str) -> CurrentUser | None:
    auth = sessions.resume_session(ticket, now=utcnow(), is_person=not _is_refresh())
    if auth is None:
        return None
    g.user_id = auth.user.id
    return CurrentUser(auth)


def _is_refresh() -> bool:
    """Whether htmx sent this request as a poll, which does not count as activity."""
    return request.headers.get("HX-Request") == "true"


def _refuse_unguarded() -> None:
    endpoint = request.endpoint
    if endpoint is None or endpoint in OPEN:
        return
    if not hasattr(current_app.view_functions[endpoint], "verb"):
        raise Forbidden("", f"No permission is declared for {endpoint}.")


def _permissions() -> dict[str, Any]:
    """Return `may_pair` and so on for every template, and whether the user sees all clients."""
    is_known = current_user.is_authenticated
    role = current_user.role if is_known else ""
    may = {
        f"may_{verb}": permissions.is_allowed(role, verb)
        for verb in permissions.ROLES_BY_PERMISSION
    }
    return {**may, "sees_everything": is_known and current_visibility().is_everything}


def require_permission(verb: str) -> Callable[[View], View]:
    """Allow only signed-in users whose role has `verb`; others are redirected to sign in."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> ResponseReturnValue:
            if not current_user.is_authenticated:
                return ask_to_sign_in()
            permissions.require(current_actor(), verb)
            _confirm_if_typed()
            _require_recent_password(verb)
            return view(*args, **kwargs)

        guarded.verb = verb  # type: ignore[attr-defined]  # for the test of all routes
        return cast("View", guarded)

    return guard


def _confirm_if_typed() -> None:
    """Check the password, code or passkey that errors.py asked for, if the request contains one.

    Raises: ReauthenticationRequired.
    """
    form = request.form
    if not {OWN_PASSWORD, OWN_PASSKEY} & form.keys():
        return
    passkey = form.get(OWN_PASSKEY, "")
    proof = Proof(
        password=form.get(OWN_PASSWORD, ""),
        code=form.get(OWN_CODE, ""),
        passkey=passkey,
        challenge=take_challenge() if passkey else "",
    )
    config, now = current_app.config["AURA"], utcnow()
    try:
        identity.reauthenticate(
            current_session(), proof, browser=client_info(), config=config, now=now
        )
    except Invalid as refusal:
        kind = IdentityRequired if OWN_CODE in form or passkey else ReauthenticationRequired
        raise kind(refusal.message, next(iter(refusal.messages))) from refusal


def _require_recent_password(verb: str) -> None:
    """Require a recent password for state changes with sensitive permissions.

    Raises: ReauthenticationRequired.
    """
    if request.method not in SAFE_METHODS and verb in permissions.NEEDS_RECENT_PASSWORD:
        permissions.require_recent_authentication(current_session().session.confirmed_at, utcnow())


def ask_to_sign_in() -> ResponseReturnValue:
    """Redirect to the sign-in page, which returns to this page."""
    has_ended = "_user_id" in session
    if _is_refresh():
        # Keep the page and the input in its forms, and only show a notice.
        wanted = _sign_in_url(_parts_of(request.headers.get("HX-Current-URL")).path)
        headers = {"HX-Retarget": "#session-note", "HX-Reswap": "innerHTML"}
        note = render_template("components/_session_ended.html", sign_in=wanted)
        return Response(note, status=_STOP_POLLING, headers=headers)
    if has_ended and request.method == "POST":
        return _keep_form_over_sign_in()
    if has_ended:
        session.pop("_user_id")
        flash("Your session has ended. Sign in to continue.", "info")
    return redirect(_sign_in_url(page_of_this_request()), 303)


def _keep_form_over_sign_in() -> ResponseReturnValue:
    kept = pending_form.of_this_request()
    page = render_template(
        "auth/sign_in.html",
        email="",
        errors={},
        next=page_of_this_request(),
        is_set_up=True,
        has_ended=True,
        kept=kept,
        can_reset=outbox.is_on(),
        passkeys=passkeys.anybody_has_one(),
        obstacle=passkey_obstacle(),
    )
    return page, 403


def _sign_in_url(wanted: str) -> str:
    wanted = safe_next(wanted)
    return url_for("auth.sign_in", next=None if wanted == "/" else wanted)


def page_of_this_request() -> str:
    """Return the address of this page, or the start page for POST-only addresses."""
    if request.method in ("GET", "HEAD"):
        return request.full_path.rstrip("?")
    try:
        current_app.create_url_adapter(request).match(method="GET")  # type: ignore[union-attr]  # set in requests
    except HTTPException:
        return "/"
    return request.path


def page_they_came_from() -> str:
    """Return the page of Aura whose form was sent, or the start page.

    This also works for a form that was sent after a password prompt.
    """
    if "back" in request.form:
        return safe_next(request.form["back"])
    parts = _parts_of(request.referrer)
    if parts.netloc != request.host:
        return "/"
    return safe_next(f"{parts.path}?{parts.query}" if parts.query else parts.path)


def _parts_of(url: str | None) -> SplitResult:
    """Return the parts of an address that a browser sent; empty ones if it is invalid."""
    try:
        return urlsplit(url or "")
    except ValueError:
        return urlsplit("")


def current_actor() -> Actor:
    """Return the actor of this request."""
    return Actor.of(current_session().user, request.remote_addr or "")


def current_visibility() -> Visibility:
    """Return what the user of this request may see."""
    return permissions.visibility_of(current_actor())


def current_session() -> AuthenticatedSession:
    """Return the session of this request; only for guarded views."""
    found: AuthenticatedSession = current_user.auth
    return found


def client_info() -> ClientInfo:
    """Return where this request comes from, for the login throttle and the list of sessions."""
    return ClientInfo(
        ip=request.remote_addr or "",
        agent=request.headers.get("User-Agent", ""),
        device=request.cookies.get(DEVICE_COOKIE, ""),
    )


def load_site(site_id: int) -> Site:
    """Return the site with this id.

    Raises NotFound, also if it was removed from the list, and for those who may not see it.
    """
    site = Site.known(site_id)
    if site is None or not permissions.can_see_site(current_actor(), site):
        raise no_such_site()
    return site


def no_such_site() -> NotFound:
    """Return the error for a site that does not exist, or that the user may not see."""
    return NotFound("This site does not exist. It may have been removed.")


def load_client(client_id: int) -> Client:
    """Return the client with this id. Raises NotFound, also for those who may not see it."""
    client = Client.get_or_none(Client.id == client_id)
    if client is None or not permissions.can_see_client(current_actor(), client_id):
        raise NotFound("This client does not exist.")
    return client


def load_entry(seq: int) -> AuditEntry:
    """Return the entry with this number.

    Raises NotFound, also for those who may not see it. Client users see what their reports name.
    """
    entry, actor = AuditEntry.get_or_none(AuditEntry.seq == seq), current_actor()
    is_reader = permissions.is_allowed(actor.role, "audit")
    if (
        entry is None
        or not permissions.can_see_entry(actor, entry)
        or not (is_reader or entry.event in NAMED_EVENTS)
    ):
        raise NotFound("This audit entry does not exist.")
    return entry


def load_change(change_id: int) -> Change:
    """Return the change with this id.

    Raises NotFound, also for those who may not see its site, and for client users while the agency
    reviews it alone.
    """
    change, actor = Change.known(change_id), current_actor()
    visible = permissions.visibility_of(actor)
    if change is None or not visible.has(change.site.client_id) or not visible.has_update(change):
        raise NotFound("This update does not exist. Its site may have been removed.")
    return change
