"""What a person approves, to the byte, and what is signed and sent when they have. Pure.

The *document* is every field of a plan (docs/PROTOCOL.md 3.3) but `approval`, frozen when
the site answered the dry run; its digest is on the page and comes back with the approval.
The *plan* is the document with the approval in it. It may start later and end earlier, where
a freeze or a maintenance window asks for that. Nothing else may differ, and `is_plan_of` is how
everybody who sends or shows one makes sure.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
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

# How much earlier and later than approved a site accepts a plan: clocks drift after a pre-check.
CLOCK_MARGIN_S = 60

_TIMES = {"not_before", "not_after"}


@dataclass(frozen=True)
class PlannedUpdate:
    """Which component goes from which version to which, and the package that a plan names."""

    kind: str
    ident: str
    from_version: str
    to_version: str
    package_sha256: str | None = None
    tree_sha256: str | None = None

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
class PlanTimes:
    """When the site accepts a plan, in seconds of its own clock; both ends included."""

    not_before: int
    not_after: int

    @classmethod
    def of(cls, document: dict[str, Any]) -> PlanTimes:
        return cls(document["not_before"], document["not_after"])

    def is_within(self, other: PlanTimes) -> bool:
        """Whether both are times, and this one is a part of the other."""
        ends = (other.not_before, self.not_before, self.not_after, other.not_after)
        return all(type(end) is int for end in ends) and list(ends) == sorted(ends)


@dataclass(frozen=True)
class Package:
    """Where the site gets the new version from, and its hashes; what else the site runs on.

    The hashes are None for SiteAgent, whose package is signed, and for an upgrade of the database.
    """

    host: str
    sha256: str | None
    wordpress: str
    php: str
    tree_sha256: str | None = None
    # On WordPress.org, where Aura can download it as well; empty elsewhere.
    path: str = ""


@dataclass(frozen=True)
class ReleaseDates:
    """What Aura knows of the age of a release; None where it does not.

    `first_seen_at` is when a site first listed it, `released_at` when WordPress.org says that it
    appeared.
    """

    first_seen_at: datetime | None = None
    released_at: datetime | None = None

    def as_plan(self) -> dict[str, int | None]:
        return {
            name: None if at is None else int(at.timestamp()) for name, at in vars(self).items()
        }


def operation_for(kind: str) -> str:
    """Return the operation that carries out a change of this kind."""
    return UPDATE_AGENT if kind == "siteagent" else RUN


def document_of(
    frame: PlanContext, item: PlannedUpdate, package: Package, release: ReleaseDates
) -> bytes:
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
                "tree_sha256": package.tree_sha256,
            },
            "release": release.as_plan(),
            "pre": {"wp": package.wordpress, "php": package.php},
            "not_before": int(frame.not_before.timestamp()),
            "not_after": int(frame.not_after.timestamp()),
        }
    )


def digest_of(document: bytes) -> str:
    """Return the digest of a document, which pages show and approvals name."""
    return hashlib.sha256(b"siteagent/proposal/1\n" + document).hexdigest()


def item_in(document: bytes) -> dict[str, Any]:
    """Return what a document says about the component and its package."""
    item: dict[str, Any] = parse_json(document)["item"]
    return item


def environment_in(document: bytes) -> dict[str, str]:
    """Return the versions of WordPress and PHP on the site, as `wp` and `php`."""
    versions: dict[str, str] = parse_json(document)["pre"]
    return versions


def times_of(document: bytes) -> PlanTimes:
    """Return the times of a document, by the site's clock."""
    return PlanTimes.of(parse_json(document))


def plan_of(
    document: bytes,
    *,
    by: str,
    approval_kind: str,
    at: datetime,
    reason: str,
    times: PlanTimes | None = None,
) -> bytes:
    """Return the document with its approval: the bytes that are signed and sent.

    With `times`, the plan is valid then, and not for the whole time of the document.
    """
    approval = {"by": by, "how": approval_kind, "at": int(at.timestamp()), "reason": reason}
    narrower = asdict(times) if times else {}
    return canonical({**parse_json(document), **narrower, "approval": approval})


def is_plan_of(plan: bytes, document: bytes, digest: str) -> bool:
    """Whether `plan` contains exactly what was approved under `digest`.

    `document` is what has this digest. The plan may be valid for a part of its time.
    """
    try:
        found: dict[str, Any] = parse_json(plan)
        frozen: dict[str, Any] = parse_json(document)
    except ProtocolError:
        return False
    approval, times, approved = found.pop("approval", None), None, None
    if found.keys() >= _TIMES and frozen.keys() >= _TIMES:
        times, approved = PlanTimes.of(found), PlanTimes.of(frozen)
    if times is None or approved is None or not times.is_within(approved):
        return False
    is_same = canonical({**found, **asdict(approved)}) == document
    return isinstance(approval, dict) and is_same and digest_of(document) == digest
