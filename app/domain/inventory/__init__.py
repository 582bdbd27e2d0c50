"""Site reports, and when they are requested."""

__all__ = ["notices", "report_schema", "site_sync", "targets", "versions"]
