"""Pages about clients: the list, one client, and what can be changed about it."""

from __future__ import annotations

from dataclasses import fields

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import permissions
from app.domain.changes import site_assignment
from app.domain.errors import Invalid, TagsJoinRules
from app.domain.sites import clients, notes
from app.domain.sites.clients import Contact
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from app.models.visibility import Visibility
from app.views import auto_update_rule_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    load_client,
    require_permission,
)
from app.views.client_view_models import client_list, client_page
from app.views.request_validation import row_number

bp = Blueprint("clients", __name__)


@bp.get("/clients")
@require_permission("see")
def index() -> ResponseReturnValue:
    actor = current_actor()
    if not permissions.is_allowed(actor.role, "overview") and actor.client_id:
        return redirect(url_for("reports.show", client_id=actor.client_id), 303)
    return render_template("clients/index.html", found=client_list())


@bp.get("/clients/<int:client_id>")
@require_permission("overview")
def show(client_id: int) -> ResponseReturnValue:
    return _client_page(load_client(client_id), {})


@bp.post("/clients/<int:client_id>/notes")
@require_permission("pair")
def set_notes(client_id: int) -> ResponseReturnValue:
    client = load_client(client_id)
    try:
        notes.set_client_notes(
            client, request.form.get("notes", ""), by=current_actor(), now=utcnow()
        )
    except Invalid as refusal:
        return _client_page(client, refusal.messages), 422
    flash("Notes saved.")
    return redirect(url_for("clients.show", client_id=client.id, _anchor="notes"), 303)


@bp.post("/clients/<int:client_id>/contact")
@require_permission("pair")
def set_contact(client_id: int) -> ResponseReturnValue:
    client = load_client(client_id)
    typed = {field.name: request.form.get(field.name, "") for field in fields(Contact)}
    try:
        clients.set_contact(client, Contact(**typed), by=current_actor(), now=utcnow())
    except Invalid as refusal:
        return _page(client, refusal.messages), 422
    flash(f"Contact of {client.name} saved.")
    return redirect(url_for("clients.show", client_id=client.id), 303)


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
    return redirect(url_for("clients.show", client_id=client.id), 303)


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
    return redirect(url_for("clients.show", client_id=into.id), 303)


def _client_page(client: Client, errors: dict[str, str]) -> str:
    page = client_page(client, current_actor())
    typed = {"notes_typed": request.form["notes"]} if errors else {}
    return render_template("clients/show.html", page=page, errors=errors, **typed)


def _page(client: Client, errors: dict[str, str]) -> str:
    others = [one for one in Client.listing(current_visibility()) if one != client]
    return render_template(
        "clients/edit.html",
        client=client,
        others=[(str(other.id), other.name) for other in others],
        sites=Site.listing(Visibility.of_clients([client.id])),
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
