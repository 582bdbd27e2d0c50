"""Texts that a person typed into rows of the updates, which are erased with the person."""

from __future__ import annotations

from app.models.accounts import ERASED
from app.models.auto_update_rules import UpdateHold
from app.models.changes import Change
from app.models.site_pages import ChangePages


def erase_texts_of(user_id: int, name: str) -> None:
    """Erase why this person ignored updates, and why they approved some in spite of a freeze.

    And what they wrote about pages. `name` is the name until now: holds of former versions of Aura
    and answers about pages know their person by name only.
    """
    is_theirs = (UpdateHold.holder == user_id) | (
        UpdateHold.holder.is_null() & (UpdateHold.created_by == name)
    )
    UpdateHold.update(reason=ERASED, created_by=ERASED).where(is_theirs).execute()
    was_theirs = (Change.approved_by == user_id) & (Change.override != "")
    Change.update(override=ERASED).where(was_theirs).execute()
    answered = (ChangePages.judged_by == name[:120]) & (ChangePages.note != "")
    ChangePages.update(note=ERASED, judged_by=ERASED).where(answered).execute()
