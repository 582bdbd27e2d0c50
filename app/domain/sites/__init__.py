"""Sites, their clients, tags and ignored updates."""

__all__ = ["clients", "holds", "notes", "site_csv", "sites", "tag_names", "urls"]
