"""Settings → Webhooks: endpoints, their secrets, and the log of what was delivered. For owners."""

from __future__ import annotations

from datetime import timedelta

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

from app.config import Config
from app.domain.errors import Invalid
from app.domain.webhooks import endpoints, outbox
from app.domain.webhooks.endpoints import TypedEndpoint
from app.models.base import utcnow
from app.models.clients import Client
from app.models.visibility import EVERYTHING
from app.models.webhooks import STANDARD, WebhookEndpoint, WebhookMessage
from app.views import one_time_display
from app.views.authorization import current_actor, require_permission
from app.views.request_validation import ticked_clients

bp = Blueprint("webhooks", __name__)

# How long the log polls for the first reply to a message.
_POLLED_FOR = timedelta(minutes=1)


@bp.get("/settings/webhooks")
@require_permission("webhooks")
def index() -> ResponseReturnValue:
    return render_template(
        "settings/webhooks.html",
        endpoints=endpoints.list_endpoints(),
        waiting=WebhookMessage.count_refused(),
        most=endpoints.MAX_ENDPOINTS,
    )


@bp.get("/settings/webhooks/new")
@require_permission("webhooks")
def new() -> ResponseReturnValue:
    return _form(None, TypedEndpoint(wants="critical"), {})


@bp.post("/settings/webhooks")
@require_permission("webhooks")
def add() -> ResponseReturnValue:
    typed = _typed(request.form.get("format", ""))
    try:
        endpoint, secret = endpoints.add_endpoint(
            typed, by=current_actor(), config=_config(), now=utcnow()
        )
    except Invalid as refusal:
        return _form(None, typed, refusal.messages), 422
    if secret:
        return _to_secret(endpoint, secret)
    flash(f"Webhook “{endpoint.name}” added. Send a test message to see whether it works.")
    return _back(endpoint)


@bp.get("/settings/webhooks/<int:webhook_id>")
@require_permission("webhooks")
def show(webhook_id: int) -> ResponseReturnValue:
    return render_template("settings/webhook.html", **_page(endpoints.get_endpoint(webhook_id)))


@bp.get("/settings/webhooks/<int:webhook_id>/log")
@require_permission("webhooks")
def log(webhook_id: int) -> ResponseReturnValue:
    """Render the part that polls, until the first attempt at the newest message is over."""
    page = _page(endpoints.get_endpoint(webhook_id))
    answer = make_response(render_template("settings/_webhook_log.html", **page))
    answer.cache_control.no_store = True
    return answer


@bp.get("/settings/webhooks/<int:webhook_id>/edit")
@require_permission("webhooks")
def edit(webhook_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get_endpoint(webhook_id)
    typed = TypedEndpoint(
        name=endpoint.name, wants=endpoint.wants, client_ids=tuple(endpoint.client_ids)
    )
    return _form(endpoint, typed, {})


@bp.post("/settings/webhooks/<int:webhook_id>/edit")
@require_permission("webhooks")
def change(webhook_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get_endpoint(webhook_id)
    typed = _typed(endpoint.format)
    try:
        endpoints.change_endpoint(
            endpoint, typed, by=current_actor(), config=_config(), now=utcnow()
        )
    except Invalid as refusal:
        return _form(endpoint, typed, refusal.messages), 422
    flash(f"Webhook “{endpoint.name}” saved.")
    return _back(endpoint)


@bp.post("/settings/webhooks/<int:webhook_id>/secret")
@require_permission("webhooks")
def replace_secret(webhook_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get_endpoint(webhook_id)
    secret = endpoints.replace_secret(endpoint, by=current_actor(), config=_config(), now=utcnow())
    return _to_secret(endpoint, secret)


@bp.get("/settings/webhooks/<int:webhook_id>/secret")
@require_permission("webhooks")
def show_secret(webhook_id: int) -> ResponseReturnValue:
    """Show the secret once; a reload leads to the webhook's page."""
    endpoint = endpoints.get_endpoint(webhook_id)
    secret = one_time_display.take(f"webhook:{endpoint.id}")
    if secret is None:
        flash("A secret is shown only once. If you did not copy it, replace it.", "info")
        return _back(endpoint)
    return render_template("settings/webhook_secret.html", endpoint=endpoint, secret=secret)


@bp.post("/settings/webhooks/<int:webhook_id>/test")
@require_permission("webhooks")
def send_test(webhook_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get_endpoint(webhook_id)
    outbox.request_test(endpoint, by=current_actor(), now=utcnow())
    flash("Test message queued. The log shows the reply.")
    return _back(endpoint, "log")


@bp.post("/settings/webhooks/<int:webhook_id>/off")
@require_permission("webhooks")
def turn_off(webhook_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get_endpoint(webhook_id)
    endpoints.turn_off(endpoint, by=current_actor(), now=utcnow())
    flash(f"Webhook “{endpoint.name}” turned off.")
    return _back(endpoint)


@bp.post("/settings/webhooks/<int:webhook_id>/on")
@require_permission("webhooks")
def turn_on(webhook_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get_endpoint(webhook_id)
    endpoints.turn_on(endpoint, by=current_actor(), now=utcnow())
    flash(f"Webhook “{endpoint.name}” turned on.")
    return _back(endpoint)


@bp.post("/settings/webhooks/<int:webhook_id>/delete")
@require_permission("webhooks")
def remove(webhook_id: int) -> ResponseReturnValue:
    endpoint = endpoints.get_endpoint(webhook_id)
    endpoints.remove_endpoint(endpoint, by=current_actor(), now=utcnow())
    flash(f"Webhook “{endpoint.name}” deleted.")
    return redirect(url_for("webhooks.index"), 303)


@bp.post("/settings/webhooks/messages/<int:message_id>/resend")
@require_permission("webhooks")
def resend(message_id: int) -> ResponseReturnValue:
    message = outbox.get_message(message_id)
    outbox.resend(message, by=current_actor(), now=utcnow())
    flash("Message queued again. The log shows the reply.")
    return _back(message.endpoint, "log")


def _config() -> Config:
    config: Config = current_app.config["AURA"]
    return config


def _typed(format_: str) -> TypedEndpoint:
    form = request.form
    return TypedEndpoint(
        name=form.get("name", "").strip(),
        format=format_,
        url=form.get("url", "").strip(),
        wants=form.get("wants", ""),
        client_ids=ticked_clients(),
    )


def _form(endpoint: WebhookEndpoint | None, typed: TypedEndpoint, errors: dict[str, str]) -> str:
    return render_template(
        "settings/webhook_form.html",
        endpoint=endpoint,
        typed=typed,
        errors=errors,
        clients=Client.listing(EVERYTHING),
    )


def _page(endpoint: WebhookEndpoint) -> dict[str, object]:
    now, deliveries = utcnow(), outbox.recent_deliveries(endpoint)
    newest = deliveries[0].message if deliveries else None
    return {
        "endpoint": endpoint,
        "is_signed": endpoint.format == STANDARD,
        "deliveries": deliveries,
        "is_live": newest is not None
        and newest.is_open
        and not deliveries[0].attempts
        and now - newest.requested_at < _POLLED_FOR,
        "clients": list(Client.select().where(Client.id.in_(endpoint.client_ids))),
        "now": now,
    }


def _to_secret(endpoint: WebhookEndpoint, secret: str) -> ResponseReturnValue:
    one_time_display.hold(f"webhook:{endpoint.id}", secret)
    return redirect(url_for("webhooks.show_secret", webhook_id=endpoint.id), 303)


def _back(endpoint: WebhookEndpoint, anchor: str = "") -> ResponseReturnValue:
    address = url_for("webhooks.show", webhook_id=endpoint.id, _anchor=anchor or None)
    return redirect(address, 303)
