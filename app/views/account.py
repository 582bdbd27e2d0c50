"""One's own account: where one is signed in, and one's password."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.accounts import sessions, users
from app.domain.errors import Invalid
from app.models.base import utcnow
from app.views.auth import let_in
from app.views.authorization import browser, may, me, presence

bp = Blueprint("account", __name__)


@bp.get("/account")
@may("account")
def show() -> ResponseReturnValue:
    return _page({})


@bp.post("/account/password")
@may("account")
def change_password() -> ResponseReturnValue:
    try:
        opened = users.change_password(
            presence(),
            present=request.form.get("present", ""),
            new=request.form.get("new", ""),
            again=request.form.get("again", ""),
            browser=browser(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(refusal.messages), 422
    answer = let_in(opened, url_for("account.show"))
    flash("Password changed. Every other session has ended.")
    return answer


@bp.post("/account/sessions/<int:session_id>/end")
@may("account")
def end_session(session_id: int) -> ResponseReturnValue:
    sessions.end(session_id, by=me())
    flash("Session ended.")
    return redirect(url_for("account.show"), 303)


@bp.post("/account/sessions/end-others")
@may("account")
def end_other_sessions() -> ResponseReturnValue:
    sessions.end_others(presence(), by=me())
    flash("Every other session has ended.")
    return redirect(url_for("account.show"), 303)


def _page(errors: dict[str, str]) -> str:
    here = presence()
    return render_template(
        "account/show.html",
        member=here.member,
        here=here.session,
        sessions=sessions.open_sessions(here.member.id, now=utcnow()),
        errors=errors,
    )
