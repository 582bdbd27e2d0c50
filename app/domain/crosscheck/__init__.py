"""Comparison of Aura's audit log with the logs that sites keep."""

__all__ = ["site_log"]
