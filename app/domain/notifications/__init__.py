"""Tell people and webhooks what needs attention: the items of the overview, once and in time."""

__all__ = ["delivery", "preferences", "watch", "webhook_watch"]
