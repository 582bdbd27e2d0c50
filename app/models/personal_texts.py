"""Texts that a person typed into rows of the updates, which are erased with the person."""

from __future__ import annotations

from app.models.accounts import ERASED
from app.models.auto_update_rules import UpdateHold
from app.models.changes import Change


def erase_texts_of(user_id: int, name: str) -> None:
    """Erase why this person ignored updates, and why they approved some in spite of a freeze.

    `name` is the name until now. Holds of former versions of Aura know their creator by name only.
    """
    is_theirs = (UpdateHold.holder == user_id) | (
        UpdateHold.holder.is_null() & (UpdateHold.created_by == name)
    )
    UpdateHold.update(reason=ERASED, created_by=ERASED).where(is_theirs).execute()
    was_theirs = (Change.approved_by == user_id) & (Change.override != "")
    Change.update(override=ERASED).where(was_theirs).execute()
