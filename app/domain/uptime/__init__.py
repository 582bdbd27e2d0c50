"""Uptime: check front pages as visitors see them, and tell what is down from what is not."""

__all__ = ["domain_ends", "figures", "rounds", "settings", "upkeep", "verdicts"]
