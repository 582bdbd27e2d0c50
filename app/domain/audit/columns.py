"""What the index columns repeat of a body. A rule for all time: entries once written are held
to it whenever the trail is verified, so it reads the body and nothing else."""

from __future__ import annotations

from typing import Any

KINDS = frozenset({"plugin", "theme", "translation", "core", "siteagent"})
OUTCOMES = frozenset(
    {
        "succeeded",
        "failed",
        "rolled_back",
        "refused",
        "unknown",
        "rejected",
        "expired",
        "cancelled",
    }
)


def of_facts(facts: dict[str, Any]) -> tuple[str, str, str]:
    """Kind, component and outcome; empty where the facts name none."""
    kind, ident, outcome = facts.get("kind"), facts.get("ident"), facts.get("outcome")
    return (
        kind if isinstance(kind, str) and kind in KINDS else "",
        ident[:300] if isinstance(ident, str) else "",
        outcome if isinstance(outcome, str) and outcome in OUTCOMES else "",
    )


def of_actor(actor: dict[str, Any]) -> str:
    """For instance `member:3`, or `system`."""
    return actor["kind"] if actor["id"] is None else f"{actor['kind']}:{actor['id']}"
