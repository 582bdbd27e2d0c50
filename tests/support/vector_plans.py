"""The worked example of a plan for an update, as it is approved, signed and sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app import keys
from app.domain.changes import change_plan
from app.domain.changes.change_plan import Package, PlanContext, PlannedUpdate, ReleaseDates
from tests.support.vector_messages import NOW, SITE, b64, fixed

OP_ID = "8c1b7c3e-0f4d-4f5a-9f0e-2b6a5d3c7e10"
_HOUR = timedelta(hours=1)


def update_plan(kid: str) -> dict[str, Any]:
    """Return a plan for a release that was first seen a week ago and changed two days later."""
    now = datetime.fromtimestamp(NOW, UTC)
    seen_at = now - timedelta(days=7)
    item = PlannedUpdate(
        kind="plugin",
        ident="akismet/akismet.php",
        from_version="5.3",
        to_version="5.3.1",
        package_sha256=fixed("package").hex(),
        tree_sha256=fixed("tree").hex(),
    )
    package = Package(
        "downloads.wordpress.org", item.package_sha256, "6.8.1", "8.2.36", item.tree_sha256
    )
    frame = PlanContext(OP_ID, SITE["uuid"], kid, SITE["home"], now - _HOUR, now + _HOUR)
    dates = ReleaseDates(seen_at, seen_at + timedelta(days=2))
    document = change_plan.document_of(frame, item, package, dates)
    plan = change_plan.plan_of(
        document, by="Ben", approval_kind=change_plan.SECOND_PERSON, at=now, reason="closes a hole"
    )
    return {
        "op_id": OP_ID,
        "site": SITE["uuid"],
        "kid": kid,
        "document_b64": b64(document),
        "document_digest_hex": change_plan.digest_of(document),
        "plan_b64": b64(plan),
        "plan_digest_hex": keys.plan_digest(plan).hex(),
        "plan_signature_b64": b64(keys.sign_plan(fixed("sign_d"), plan)),
        "release": dates.as_plan(),
    }
