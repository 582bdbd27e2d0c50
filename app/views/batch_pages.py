"""Read and render the page of a batch, for the views that act on it."""

from __future__ import annotations

from uuid import UUID

from flask import render_template, request

from app.domain.errors import NotFound
from app.models.base import utcnow
from app.models.changes import Change
from app.views import batch_view_models
from app.views.authorization import current_actor, current_session, current_visibility
from app.views.batch_view_models import BatchPage


def changes_of(batch: UUID) -> list[Change]:
    """Return the visible changes of a batch. Raises NotFound if there are none."""
    found = Change.in_batch(str(batch), current_visibility())
    if not found:
        raise NotFound("No updates were proposed under this address.")
    return found


def page_of(batch: UUID) -> BatchPage:
    """Return the data of the page of a batch."""
    return batch_view_models.batch_page(
        str(batch),
        changes_of(batch),
        current_session(),
        current_actor(),
        utcnow(),
    )


def rendered(
    template: str,
    batch: UUID,
    page: BatchPage | None = None,
    *,
    errors: dict[str, str] | None = None,
    is_refresh: bool = False,
) -> str:
    """Render the page of a batch, or a part of it."""
    return render_template(
        template,
        page=page or page_of(batch),
        errors=errors or {},
        is_refresh=is_refresh,
        is_live=request.args.get("live") != "0",
    )
