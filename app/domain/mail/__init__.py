"""E-mail: the SMTP server, and the messages on their way to it."""

__all__ = ["attempts", "outbox", "server"]
