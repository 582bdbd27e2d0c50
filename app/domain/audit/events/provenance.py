"""Where plugins and themes come from."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class ProvenanceChanged(Event):
    """The source of a plugin or theme changed.

    `parts` are lists of what changed, the old and the new value.
    """

    change_id: int
    kind: str
    slug: str
    name: str
    parts: list[list[str]]
    sites: int


class ProvenanceAccepted(Event):
    """A person accepted such a change, so that auto-update rules go on."""

    change_id: int
    kind: str
    slug: str
    name: str
    parts: list[list[str]]
    reason: Personal
