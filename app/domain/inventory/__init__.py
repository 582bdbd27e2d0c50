"""Site reports, and when they are requested."""

__all__ = [
    "available_updates", "checks", "eligibility", "notices", "php_eol", "report_schema",
    "site_sync", "targets", "update_backlog", "version_spread", "versions",
]  # fmt: skip
