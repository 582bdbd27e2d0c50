"""What an export covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ExportScope:
    """The filters of an export; None means no limit. `of` describes it in words."""

    of: str
    client: int | None = None
    site: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    private: bool = True

    @property
    def is_whole(self) -> bool:
        return (self.client, self.site, self.since, self.until) == (None,) * 4

    @property
    def is_everything(self) -> bool:
        """Whether it has entries about every client, if only of some days."""
        return self.client is None and self.site is None

    def as_manifest(self) -> dict[str, Any]:
        return {
            "of": self.of,
            "client": self.client,
            "site": self.site,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "private": self.private,
        }
