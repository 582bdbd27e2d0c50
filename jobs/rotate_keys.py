"""Agree on new keys with a site."""

from __future__ import annotations

from app.domain.connection import rotation
from jobs import job_context


def run(rotation_id: int) -> str:
    with job_context() as config:
        return rotation.run_rotation(rotation_id, config=config)
