"""Connection tests: find what blocks the connection to a site, with evidence."""

__all__ = ["responses", "results", "runs"]
