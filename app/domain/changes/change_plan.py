"""What a person approves, to the byte, and what is signed and sent when they have. Pure.

The *document* is every field of a plan (docs/PROTOCOL.md 3.3) but `approval`, frozen when
the site answered the dry run; its digest is on the page and comes back with the approval.
The *plan* is the document with the approval in it. Nothing else may differ, and
`is_plan_of` is how everybody who sends or shows one makes sure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.protocol import ProtocolError, canonical, parse_json

# What a plan may say to do; SiteAgent itself has an operation of its own.
RUN = "change.run"
UPDATE_AGENT = "agent.update"

# Plan.approval.how
SECOND_PERSON = "second_person"
SELF_CONFIRMED = "self_confirmed"
BY_CLIENT = "client"
BY_RULE = "auto_update_rule"


@dataclass(frozen=True)
class PlannedUpdate:
    """Which component goes from which version to which, and where its package comes from."""

    kind: str
    ident: str
    from_version: str
    to_version: str

    def as_item(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "id": self.ident,
            "from": self.from_version,
            "to": self.to_version,
        }


@dataclass(frozen=True)
class PlanContext:
    """The connection and the time a document is bound to."""

    op_id: str
    site_uuid: str
    kid: str
    home: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class Package:
    """Where the site gets the new version from, by its own word in the dry run."""

    host: str
    sha256: str | None
    wordpress: str
    php: str


def operation_for(kind: str) -> str:
    """Return the operation that carries out a change of this kind."""
    return UPDATE_AGENT if kind == "siteagent" else RUN


def document_of(frame: PlanContext, item: PlannedUpdate, package: Package) -> bytes:
    """Return the bytes that a person approves."""
    return canonical(
        {
            "v": 1,
            "do": operation_for(item.kind),
            "op_id": frame.op_id,
            "site": frame.site_uuid,
            "kid": frame.kid,
            "home": frame.home,
            "item": {
                **item.as_item(),
                "package_host": package.host,
                "package_sha256": package.sha256,
            },
            "pre": {"wp": package.wordpress, "php": package.php},
            "not_before": int(frame.not_before.timestamp()),
            "not_after": int(frame.not_after.timestamp()),
        }
    )


def digest_of(document: bytes) -> str:
    """Return the digest of a document, which pages show and approvals name."""
    return hashlib.sha256(b"siteagent/proposal/1\n" + document).hexdigest()


def plan_of(document: bytes, *, by: str, approval_kind: str, at: datetime, reason: str) -> bytes:
    """Return the document with its approval: the bytes that are signed and sent."""
    approval = {"by": by, "how": approval_kind, "at": int(at.timestamp()), "reason": reason}
    return canonical({**parse_json(document), "approval": approval})


def is_plan_of(plan: bytes, digest: str) -> bool:
    """Whether `plan` contains exactly what was approved under `digest`."""
    try:
        document: dict[str, Any] = parse_json(plan)
    except ProtocolError:
        return False
    approval = document.pop("approval", None)
    return isinstance(approval, dict) and digest_of(canonical(document)) == digest
