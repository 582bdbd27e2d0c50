"""Site reports, and when they are requested."""

__all__ = [
    "available_updates", "eligibility", "notices", "report_schema", "site_sync", "targets",
    "versions",
]  # fmt: skip
