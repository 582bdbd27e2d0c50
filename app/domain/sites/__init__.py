"""Sites, their clients, tags and ignored updates."""

__all__ = ["clients", "holds", "sites", "tag_names", "urls"]
