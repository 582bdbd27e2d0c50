"""The settings of the agency."""

from __future__ import annotations

from dataclasses import field

from app.domain.audit.events.base import Event


class AgencyChanged(Event):
    """Settings of the agency changed; `changed` maps each to its value before and after."""

    changed: dict[str, list[str]] = field(default_factory=dict)


class AgencyLogoChanged(Event):
    """An owner uploaded a logo; `digest` is the SHA-256 of the PNG that Aura stores."""

    digest: str
    width: int
    height: int
    size: int


class AgencyLogoRemoved(Event):
    digest: str
