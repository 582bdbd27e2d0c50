"""Known vulnerabilities: a feed of them, and which of the sites' software they affect."""

__all__ = [
    "feed", "feed_import", "findings", "known", "ranges", "record", "slugs", "source", "upkeep",
]  # fmt: skip
