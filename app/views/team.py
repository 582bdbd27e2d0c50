"""Team pages for owners and managers: accounts and their roles."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import permissions
from app.domain.accounts import roles, second_factors, users, verified_person
from app.domain.accounts.roles import Access
from app.domain.audit import redaction
from app.domain.errors import Invalid
from app.domain.mail import outbox
from app.formats import counted
from app.models.accounts import CLIENT, MANAGER, OPERATOR, OWNER, VIEWER, User, UserSession
from app.models.base import utcnow
from app.models.clients import Client
from app.views import one_time_display
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    require_permission,
)
from app.views.request_validation import row_number

bp = Blueprint("team", __name__)

_NO_ACCESS = Access("")

# The usual choice first.
_ROLE_NAMES = {
    OPERATOR: "Operator",
    VIEWER: "Viewer",
    MANAGER: "Manager",
    OWNER: "Owner",
    CLIENT: "Client user",
}


@bp.get("/team")
@require_permission("people")
def index() -> ResponseReturnValue:
    return _page({}, _NO_ACCESS, {})


@bp.post("/team")
@require_permission("people")
def invite() -> ResponseReturnValue:
    form, access = request.form, _typed_access()
    try:
        user, link = users.invite_user(
            name=form.get("name", ""),
            email=form.get("email", ""),
            access=access,
            by=current_actor(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(form, access, refusal.messages), 422
    return _to_link(user, link)


@bp.post("/team/<int:user_id>/link")
@require_permission("people")
def renew(user_id: int) -> ResponseReturnValue:
    user = users.get_user(user_id)
    link = users.renew_invitation(
        user, by=current_actor(), config=current_app.config["AURA"], now=utcnow()
    )
    return _to_link(user, link)


def _to_link(user: User, link: str) -> ResponseReturnValue:
    one_time_display.hold(f"link:{user.id}", link)
    return redirect(url_for("team.show_link", user_id=user.id), 303)


@bp.get("/team/<int:user_id>/link")
@require_permission("people")
def show_link(user_id: int) -> ResponseReturnValue:
    """Show the link once; a reload leads to the team page."""
    user = users.get_user(user_id)
    link = one_time_display.take(f"link:{user.id}")
    if link is None:
        flash("A link is shown only once. If you did not copy it, create a new one.")
        return redirect(url_for("team.index"), 303)
    return render_template("team/link.html", user=user, link=link, is_sent=outbox.is_on())


@bp.get("/team/<int:user_id>/role")
@require_permission("people")
def role(user_id: int) -> ResponseReturnValue:
    user = users.get_user(user_id)
    permissions.require_can_manage_user(current_actor(), user)
    client = Client.get_or_none(Client.id == user.client_id)
    return _role_page(user, Access(user.role, client, user.limited_to), {})


@bp.post("/team/<int:user_id>/role")
@require_permission("people")
def change_role(user_id: int) -> ResponseReturnValue:
    user, access = users.get_user(user_id), _typed_access()
    try:
        roles.change_access(
            user,
            access,
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _role_page(user, access, refusal.messages), 422
    flash(f"Access of {user.name} changed.")
    return redirect(url_for("team.index"), 303)


def _typed_access() -> Access:
    """Return the access from the form; an invalid number names no client."""
    form = request.form
    return Access(
        role=form.get("role", "").strip(),
        client=Client.get_or_none(Client.id == form.get("client", type=row_number)),
        limited_to=form.getlist("clients", type=row_number) if form.get("sees") == "some" else None,
    )


@bp.get("/team/<int:user_id>/second-factor")
@require_permission("people")
def second_factor(user_id: int) -> ResponseReturnValue:
    user = users.get_user(user_id)
    permissions.require_can_manage_user(current_actor(), user)
    return render_template(
        "team/second_factor.html",
        user=user,
        factors=second_factors.read_factors(user.id),
        is_required=second_factors.is_required(user.role),
    )


@bp.post("/team/<int:user_id>/second-factor/reset")
@require_permission("people")
def reset_second_factor(user_id: int) -> ResponseReturnValue:
    user, now = users.get_user(user_id), utcnow()
    owner = verified_person.verified_person(current_session(), by=current_actor(), now=now)
    second_factors.reset_factors(user, owner=owner, now=now)
    flash(f"Second factor of {user.name} reset. Their sessions ended.")
    return redirect(url_for("team.index"), 303)


@bp.post("/team/<int:user_id>/disable")
@require_permission("people")
def disable(user_id: int) -> ResponseReturnValue:
    user = users.get_user(user_id)
    users.disable_user(user, by=current_actor(), now=utcnow())
    flash(f"Account of {user.name} disabled.")
    return redirect(url_for("team.index"), 303)


@bp.post("/team/<int:user_id>/enable")
@require_permission("people")
def enable(user_id: int) -> ResponseReturnValue:
    user = users.get_user(user_id)
    users.enable_user(user, by=current_actor(), now=utcnow())
    flash(f"Account of {user.name} enabled.")
    return redirect(url_for("team.index"), 303)


@bp.get("/team/<int:user_id>/erase")
@require_permission("erase")
def erase_page(user_id: int) -> ResponseReturnValue:
    return _erase_page(users.get_user(user_id), "", {})


@bp.post("/team/<int:user_id>/erase")
@require_permission("erase")
def erase(user_id: int) -> ResponseReturnValue:
    user, reason = users.get_user(user_id), request.form.get("reason", "")
    try:
        count = redaction.erase_user(
            user,
            reason=reason,
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _erase_page(user, reason, refusal.messages), 422
    flash(f"Personal data erased from {counted(count, 'entry', 'entries')}.")
    return redirect(url_for("team.index"), 303)


def _erase_page(user: User, reason: str, errors: dict[str, str]) -> str:
    return render_template("team/erase.html", user=user, reason=reason, errors=errors)


def _page(typed: Mapping[str, str], access: Access, errors: dict[str, str]) -> str:
    visible, actor = current_visibility(), current_actor()
    listed = User.listing(visible)
    return render_template(
        "team/index.html",
        users=listed,
        last_seen=UserSession.last_seen(),
        with_factor=second_factors.users_with_factor(),
        clients=Client.names(visible),
        typed=typed,
        access=access,
        errors=errors,
        my_id=actor.id,
        managed=[user.id for user in listed if permissions.can_manage_user(actor, user)],
        roles=_role_choices(permissions.roles_managed_by(actor)),
        email_is_on=outbox.is_on(),
    )


def _role_page(user: User, access: Access, errors: dict[str, str]) -> str:
    return render_template(
        "team/role.html",
        user=user,
        clients=Client.names(current_visibility()),
        roles=_role_choices(permissions.roles_managed_by(current_actor())),
        access=access,
        errors=errors,
    )


def _role_choices(managed: Collection[str]) -> list[tuple[str, str]]:
    """Return the roles that the signed-in user may give, as value and text."""
    return [(role, name) for role, name in _ROLE_NAMES.items() if role in managed]
