"""Checkpoints: signed statements of how far a log reaches (docs/PROTOCOL.md 5.3).

Aura sends its own in every request and stores those of each site. So neither side can remove or
rewrite entries without the other side having a signature that contradicts it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.config import Config
from app.domain import dashboard_identity
from app.domain.audit.chain import LOG_UUID, Anchor
from app.domain.audit.entry_format import genesis_hash
from app.domain.audit.merkle import Frontier
from app.keys import SealBroken, sign_checkpoint, verify_checkpoint
from app.models.alerts import AUDIT_LOG_LOST, Alert
from app.models.audit import AuditEntry
from app.models.audit_frontier import MerkleFrontier
from app.models.checkpoints import AuditAnchor, SiteCheckpoint
from app.models.durability import make_durable
from app.models.installation import Setting
from app.models.sites import Site
from app.protocol import ProtocolError, b64u, canonical, from_b64u, parse_json

VERSION = 1
_MAX_BYTES = 1000
_HASH = re.compile(r"[0-9a-f]{64}")
_LOG = re.compile(r"[0-9a-f-]{36}")
# The last checkpoint that this process signed, by log and reader's key; most calls need it again.
_latest: dict[tuple[str, str], Checkpoint] = {}
_MOST_LATEST = 16
# The tree is saved again after it has grown by this much.
_KEPT_EVERY = 64


class CheckpointInvalid(Exception):
    """The message has no valid checkpoint of that log; the text is a short reason."""


@dataclass(frozen=True)
class Checkpoint:
    """A statement that entry `n` of the log `log` has `hash` and was written at `at`.

    `root` is the Merkle root over all entries up to it, empty for a site's log. `body` has the
    signed bytes.
    """

    log: str
    n: int
    hash: str
    at: int
    root: str = ""
    body: bytes = field(repr=False, default=b"")
    signature: bytes = field(repr=False, default=b"")

    def as_sent(self) -> dict[str, str]:
        return {"body": b64u(self.body), "sig": b64u(self.signature)}


# ---- Aura's own ----


def current_checkpoint(config: Config, sign_d: str | None = None) -> Checkpoint:
    """Return a signed checkpoint of the audit log as it is now.

    `sign_d` is the public key that the reader knows (`Site.sign_d`); the newest if None.

    Raises: SealBroken without the signing key.
    """
    dashboard = dashboard_identity.load_dashboard(config)
    seed = dashboard.signing_key if sign_d is None else dashboard.key_for(sign_d)
    log = Setting.get_by_id(LOG_UUID).value
    reader = b64u(dashboard.sign_public) if sign_d is None else sign_d
    latest = _latest.get((log, reader))
    if latest is not None and (latest.n, latest.hash) == AuditEntry.end():
        return latest
    n, digest, at, root = _newest(log)
    # A site keeps it, and an audit log without these entries would be one that was cut.
    make_durable()
    about: dict[str, Any] = {"log": log, "n": n, "hash": digest, "at": at, "root": root.hex()}
    body = canonical({"v": VERSION, **about})
    signed = Checkpoint(**about, body=body, signature=sign_checkpoint(seed, body))
    if len(_latest) >= _MOST_LATEST:
        _latest.clear()
    _latest[log, reader] = signed
    return signed


def outgoing_checkpoint(config: Config, sign_d: str) -> dict[str, dict[str, str]]:
    """Return the checkpoint of the audit log for a request; empty if the signing key does not open.

    Such a call can still read and revoke. The site records that it came without a checkpoint.
    """
    try:
        return {"checkpoint": current_checkpoint(config, sign_d).as_sent()}
    except SealBroken:
        return {}


def _newest(log: str) -> tuple[int, str, int, bytes]:
    """Return the newest entry's number, hash and time, and the root over all, consistently."""
    kept = MerkleFrontier.known()
    frontier, last = Frontier(), ""
    if kept is not None:
        roots = (bytes.fromhex(kept.roots[at : at + 64]) for at in range(0, len(kept.roots), 64))
        frontier, last = Frontier(kept.size, tuple(roots)), kept.hash
    rows = _entries_from(frontier.size)
    if frontier.size and (not rows or rows[0][:2] != (frontier.size, last)):
        # The log is not the one of the saved tree: sign what it is now.
        frontier, rows = Frontier(), _entries_from(0)
    if not rows:
        return 0, genesis_hash(log), 0, frontier.root()
    grown = frontier.grown(bytes.fromhex(digest) for seq, digest, _ in rows if seq > frontier.size)
    n, digest, at = rows[-1]
    if grown.size - frontier.size >= _KEPT_EVERY:
        MerkleFrontier.keep(grown.size, digest, b"".join(grown.roots).hex())
    return n, digest, int(at.timestamp()), grown.root()


def _entries_from(seq: int) -> list[tuple[int, str, datetime]]:
    query = AuditEntry.select(AuditEntry.seq, AuditEntry.hash, AuditEntry.at).where(
        AuditEntry.seq >= seq
    )
    rows = query.order_by(AuditEntry.seq).tuples()
    return [(n, digest, at) for n, digest, at in rows.iterator()]


# ---- a site's ----


def parse_checkpoint(part: object, public: str, whose: str = "the site's") -> Checkpoint:
    """Verify and return the checkpoint in a message.

    `public` is the key (b64u) of the side that keeps that log, and `whose` its name for messages.

    Raises: CheckpointInvalid if this key did not sign it.
    """
    if not isinstance(part, dict):
        raise CheckpointInvalid("the answer contains no checkpoint")
    try:
        body, signature = from_b64u(part.get("body")), from_b64u(part.get("sig"), 64)
        key = from_b64u(public, 32)
        is_signed = len(body) <= _MAX_BYTES and verify_checkpoint(key, body, signature)
        document = parse_json(body) if is_signed else {}
    except ProtocolError as why:
        raise CheckpointInvalid("the checkpoint in the answer cannot be read") from why
    if not is_signed:
        raise CheckpointInvalid(f"the checkpoint in the answer is not signed with {whose} key")
    if not _is_mark(document):
        raise CheckpointInvalid("the checkpoint in the answer names no valid entry")
    known = {name: document.get(name, "") for name in ("log", "n", "hash", "at", "root")}
    return Checkpoint(**known, body=body, signature=signature)


def head_in(document: dict[str, Any]) -> tuple[int, str]:
    """Return the newest entry that an answer names, for the entry of the call; (0, '') if none.

    `parse_checkpoint` verifies the signature.
    """
    try:
        body = parse_json(from_b64u(document["checkpoint"]["body"]))
    except (ProtocolError, KeyError, TypeError):
        return 0, ""
    return (body["n"], body["hash"]) if _is_mark(body) else (0, "")


def _is_mark(document: dict[str, Any]) -> bool:
    numbers = [document.get(name) for name in ("v", "n", "at")]
    texts = [document.get("hash"), document.get("root", "0" * 64)]
    return (
        all(type(number) is int and number >= 0 for number in numbers)
        and document["v"] == VERSION
        and all(isinstance(text, str) and _HASH.fullmatch(text) for text in texts)
        and isinstance(document.get("log"), str)
        and _LOG.fullmatch(document["log"]) is not None
    )


def store_checkpoint(site: Site, checkpoint: Checkpoint, now: datetime) -> None:
    """Store a site's verified checkpoint that continues its log, in the caller's transaction."""
    SiteCheckpoint.keep(
        site=site,
        log=checkpoint.log,
        day=f"{now:%Y-%m-%d}",
        n=checkpoint.n,
        hash=checkpoint.hash,
        at=checkpoint.at,
        received_at=now,
        body=checkpoint.body.decode("ascii"),
        signature=b64u(checkpoint.signature),
    )


# ---- what the sites have seen of the audit log ----


def anchors() -> list[Anchor]:
    """Return the heads of the audit log that sites have confirmed.

    Those for which a person closed the alert are left out.
    """
    accounted = {
        (alert.site_id, alert.key)
        for alert in Alert.select().where(
            Alert.kind == AUDIT_LOG_LOST, Alert.closed_at.is_null(False)
        )
    }
    return [
        Anchor(n, digest, f"the site {name} ({reported_at:%Y-%m-%d %H:%M} UTC)")
        for site_id, name, n, digest, reported_at in AuditAnchor.all_with_names()
        if (site_id, f"{n}:{digest}") not in accounted
    ]
