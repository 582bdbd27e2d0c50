"""Files of sites that differ from their releases."""

from __future__ import annotations

from dataclasses import field

from app.domain.audit.events.base import Event, Personal


class FilesDiffer(Event):
    """A site found differences that it did not have before.

    `components` names the first of them: what differs, and how many files.
    """

    count: int
    components: list[str] = field(default_factory=list)


class FilesMatchAgain(Event):
    """Differences of a site are gone, also those of what was removed."""

    count: int
    components: list[str] = field(default_factory=list)


class FileDifferencesAccepted(Event):
    """A person accepted the differences of one component, as they were then."""

    component: str
    fingerprint: str
    because: Personal


class FileAcceptanceWithdrawn(Event):
    """A person let accepted differences count again."""

    component: str
    fingerprint: str
