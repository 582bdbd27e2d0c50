"""What WordPress.org says of the plugins and themes that the sites have from there."""

from app.domain.wordpress_org.directory import Entry, entries, entry

__all__ = ["Entry", "asking", "entries", "entry", "sources"]
