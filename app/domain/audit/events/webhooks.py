"""Webhooks: what an owner set up, and what Aura turned off. Never an address or a secret."""

from __future__ import annotations

from app.domain.audit.events.base import Event


class WebhookAdded(Event):
    """An owner added a webhook. `clients` is how many it is about; 0 means all."""

    webhook_id: int
    name: str
    format: str
    host: str
    wants: str
    clients: int


class WebhookChanged(Event):
    """An owner changed a webhook."""

    webhook_id: int
    name: str
    host: str
    has_new_address: bool
    wants: str
    clients: int


class WebhookSecretReplaced(Event):
    """An owner replaced the secret that signs messages. The former one signs for another day."""

    webhook_id: int
    name: str


class WebhookTurnedOff(Event):
    """Nothing is sent any more: `because` is person, gone (410) or failing (for a day)."""

    webhook_id: int
    name: str
    because: str


class WebhookTurnedOn(Event):
    """An owner turned a webhook on again."""

    webhook_id: int
    name: str


class WebhookRemoved(Event):
    """An owner deleted a webhook."""

    webhook_id: int
    name: str


class WebhookTestRequested(Event):
    """An owner sent a test message."""

    webhook_id: int
    name: str


class WebhookResent(Event):
    """An owner queued a message again that was not accepted."""

    webhook_id: int
    name: str
    message: int
