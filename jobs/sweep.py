"""What time alone makes due: reports, goodbyes, and work that was lost on the way."""

from __future__ import annotations

from app.domain import (
    execution,
    exporting,
    inventory,
    pairing,
    policies,
    rechecking,
    revocation,
    rotation,
    verifying,
)
from app.domain.audit import refusals
from app.domain.doctor import asking
from app.models.base import utcnow
from jobs import surroundings


def due_syncs() -> int:
    with surroundings() as config:
        return len(inventory.request_due(utcnow(), every_minutes=config.sync_every_minutes))


def due_goodbyes() -> int:
    with surroundings():
        return len(revocation.retry_due(utcnow())) + len(rechecking.request_due(utcnow()))


def lost_pairings() -> int:
    with surroundings():
        return pairing.recover(utcnow())


def lost_syncs() -> int:
    with surroundings():
        return inventory.recover(utcnow())


def lost_rotations() -> int:
    with surroundings():
        return rotation.recover(utcnow())


def lost_examinations() -> int:
    with surroundings():
        return asking.recover(utcnow())


def lost_changes() -> int:
    with surroundings():
        return execution.recover(utcnow())


def due_policies() -> int:
    with surroundings() as config:
        # What waits for its release does not depend on what is proposed next.
        return policies.release_due(config, utcnow()) + policies.apply(utcnow())


def due_verification() -> int:
    with surroundings():
        return verifying.due(utcnow()) + refusals.close_hours(utcnow())


def due_exports() -> int:
    with surroundings() as config:
        return exporting.due(config, utcnow())
