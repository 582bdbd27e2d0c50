"""What time alone makes due: reports, goodbyes, and work that was lost on the way."""

from __future__ import annotations

from app.domain.audit import export, refusals, verification
from app.domain.changes import auto_update_rules, execution
from app.domain.connection import pairing, revocation, revocation_checks, rotation
from app.domain.diagnostics import scheduling
from app.domain.inventory import site_sync
from app.models.base import utcnow
from jobs import surroundings


def due_syncs() -> int:
    with surroundings() as config:
        return len(site_sync.request_due(utcnow(), every_minutes=config.sync_every_minutes))


def due_goodbyes() -> int:
    with surroundings():
        return len(revocation.retry_due(utcnow())) + len(revocation_checks.request_due(utcnow()))


def lost_pairings() -> int:
    with surroundings():
        return pairing.recover(utcnow())


def lost_syncs() -> int:
    with surroundings():
        return site_sync.recover(utcnow())


def lost_rotations() -> int:
    with surroundings():
        return rotation.recover(utcnow())


def lost_examinations() -> int:
    with surroundings():
        return scheduling.recover(utcnow())


def lost_changes() -> int:
    with surroundings():
        return execution.recover(utcnow())


def due_policies() -> int:
    with surroundings() as config:
        # What waits for its release does not depend on what is proposed next.
        return auto_update_rules.release_due(config, utcnow()) + auto_update_rules.apply(utcnow())


def due_verification() -> int:
    with surroundings():
        return verification.due(utcnow()) + refusals.close_hours(utcnow())


def due_exports() -> int:
    with surroundings() as config:
        return export.due(config, utcnow())
