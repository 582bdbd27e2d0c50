"""Agree on new keys with a site."""

from __future__ import annotations

from app.domain.connection import rotation
from jobs import surroundings


def run(rotation_id: int) -> str:
    with surroundings() as config:
        return rotation.run(rotation_id, config=config)
