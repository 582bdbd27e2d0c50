"""Uptime: check front pages as visitors see them, and tell what is down from what is not."""

__all__ = ["figures", "rounds", "settings", "upkeep", "verdicts"]
