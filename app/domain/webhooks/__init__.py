"""Webhooks: endpoints that an owner entered, and the messages on their way to them."""

__all__ = ["delivery", "endpoints", "outbox"]
