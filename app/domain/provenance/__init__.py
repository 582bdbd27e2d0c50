"""Where plugins and themes come from: each change waits until a person accepts it."""

from app.domain.provenance.changes import Part, is_paused, record_change

__all__ = ["Part", "changes", "is_paused", "record_change"]
