"""The sealed secrets for other services, read in one query for the page about keys."""

from __future__ import annotations

from typing import Any

from peewee import Select

from app.models.base import db
from app.models.email import EmailServer
from app.models.single_sign_on import OpenIdProvider
from app.models.webhooks import WebhookEndpoint


def read_service_secrets() -> list[str]:
    """Return what is sealed for the e-mail server, the OpenID provider and the webhooks."""
    columns = [
        table.nested(table.id > 0) for table in (EmailServer, OpenIdProvider, WebhookEndpoint)
    ]
    query: Any = Select(columns=columns)
    servers, providers, webhooks = next(iter(query.bind(db).tuples()))
    sealed = [one.password_sealed for one in EmailServer.read_nested(servers)]
    sealed += [one.secret_sealed for one in OpenIdProvider.read_nested(providers)]
    for one in WebhookEndpoint.read_nested(webhooks):
        sealed += [one.url_sealed, one.secret_sealed, one.former_secret_sealed]
    return [text for text in sealed if text]
