"""Pages to rename and merge clients."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.changes import site_assignment
from app.domain.errors import Invalid, TagsJoinRules
from app.domain.sites import clients
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from app.views import auto_update_rule_view_models
from app.views.authorization import current_actor, current_session, load_client, require_permission
from app.views.request_validation import row_number

bp = Blueprint("clients", __name__)


@bp.get("/clients/<int:client_id>/edit")
@require_permission("pair")
def edit(client_id: int) -> ResponseReturnValue:
    return _page(load_client(client_id), {})


@bp.post("/clients/<int:client_id>/rename")
@require_permission("pair")
def rename(client_id: int) -> ResponseReturnValue:
    client = load_client(client_id)
    try:
        clients.rename_client(
            client, request.form.get("name", ""), by=current_actor(), now=utcnow()
        )
    except Invalid as refusal:
        return _page(client, refusal.messages), 422
    flash(f"Client renamed to {client.name}.")
    return redirect(url_for("reports.index"), 303)


@bp.post("/clients/<int:client_id>/merge")
@require_permission("auto_update_rules")
def merge(client_id: int) -> ResponseReturnValue:
    client = load_client(client_id)
    try:
        into = load_client(row_number(request.form.get("into", "")))
    except ValueError:
        return _page(client, {"into": "Choose the client to merge this one into."}), 422
    try:
        site_assignment.merge_clients(
            client,
            into,
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            agreed=request.form.getlist("agreed", type=row_number),
            now=utcnow(),
        )
    except TagsJoinRules as question:
        return _agree(client, into, question), 409
    flash(f"{client.name} merged into {into.name}.")
    return redirect(url_for("reports.index"), 303)


def _page(client: Client, errors: dict[str, str]) -> str:
    others = Client.select().where(Client.id != client.id).order_by(Client.name)
    return render_template(
        "clients/edit.html",
        client=client,
        others=[(str(one.id), one.name) for one in others],
        sites=Site.listing(client_id=client.id),
        typed=request.form,
        errors=errors,
    )


def _agree(client: Client, into: Client, question: TagsJoinRules) -> str:
    return render_template(
        "sites/agree.html",
        subject=f"the sites of {client.name}",
        change=f"Merging {client.name} into {into.name}",
        rows=auto_update_rule_view_models.rule_rows(question.rule_ids),
        action=url_for("clients.merge", client_id=client.id),
        held=[("into", str(into.id))],
        confirm="Merge clients and apply rules",
        back=url_for("clients.edit", client_id=client.id),
    )
