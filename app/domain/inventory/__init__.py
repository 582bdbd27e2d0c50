"""Site reports, and when they are requested."""

__all__ = [
    "available_updates", "checks", "eligibility", "notices", "php_eol", "release_sightings",
    "report_schema", "site_sync", "targets", "update_backlog", "update_limits",
    "version_spread", "versions", "wordpress_eol",
]  # fmt: skip
