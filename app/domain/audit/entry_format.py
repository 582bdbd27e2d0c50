"""What an entry consists of: its hashes, and the index columns that repeat parts of its body.

Rules for all time: entries once written are held to them whenever the audit log is verified.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from app.protocol import chain_genesis, chain_hash

_PRIVATE = b"siteagent/audit-private/1\n"

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

# The columns of SQLite's table, by which they follow from the text (migration 0009).
COMPUTED = ", ".join(
    (
        "seq INTEGER NOT NULL PRIMARY KEY",
        "prev VARCHAR(64) NOT NULL",
        "body TEXT NOT NULL",
        "hash VARCHAR(64) NOT NULL",
        "at DATETIME AS (replace(json_extract(body, '$.at'), 'T', ' '))",
        "event VARCHAR(64) AS (json_extract(body, '$.event'))",
        "actor VARCHAR(80) AS (json_extract(body, '$.actor.kind')"
        " || ifnull(':' || json_extract(body, '$.actor.id'), ''))",
        "site_id INTEGER AS (json_extract(body, '$.site'))",
        "client_id INTEGER AS (json_extract(body, '$.client'))",
        "kind VARCHAR(16) AS (iif(json_extract(body, '$.facts.kind') IN"
        " ('plugin', 'theme', 'translation', 'core', 'siteagent'),"
        " json_extract(body, '$.facts.kind'), ''))",
        "component VARCHAR(300) AS (iif(json_type(body, '$.facts.ident') = 'text',"
        " substr(json_extract(body, '$.facts.ident'), 1, 300), ''))",
        "outcome VARCHAR(16) AS (iif(json_extract(body, '$.facts.outcome') IN"
        " ('succeeded', 'failed', 'rolled_back', 'refused', 'unknown', 'rejected', 'expired',"
        " 'cancelled'), json_extract(body, '$.facts.outcome'), ''))",
    )
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
    """For instance `user:3`, or `system`."""
    return actor["kind"] if actor["id"] is None else f"{actor['kind']}:{actor['id']}"


def genesis_hash(log_uuid: str) -> str:
    """Return the hash before the first entry, which ties a chain to one log."""
    return chain_genesis(log_uuid).hex()


def link_hash(seq: int, prev: str, body: str) -> str:
    """Return the hash of an entry over its number, its predecessor and its exact body."""
    return chain_hash(seq, bytes.fromhex(prev), body.encode("utf-8")).hex()


def private_details_hash(salt: bytes, detail: str) -> str:
    """Return what the chain holds of private details: nothing that could be guessed from it."""
    return sha256(_PRIVATE + salt + detail.encode("utf-8")).hexdigest()
