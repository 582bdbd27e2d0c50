"""The hash-chained log of a FakeSite."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.keys import sign_checkpoint
from app.protocol import b64u, canonical, chain_genesis, site_log_hash


@dataclass(frozen=True)
class Logged:
    """One entry of a FakeSite's log."""

    seq: int
    prev: str
    body: str
    at: int

    @property
    def hash(self) -> str:
        digest = hashlib.sha256(self.body.encode()).digest()
        return site_log_hash(self.seq, bytes.fromhex(self.prev), digest).hex()

    def as_sent(self) -> dict[str, Any]:
        body = b64u(self.body.encode())
        return {"seq": self.seq, "prev": self.prev, "hash": self.hash, "body": body}


class FakeLog:
    """The log of a FakeSite, and its checkpoints."""

    clock: Callable[[], datetime]
    clock_ahead_s: int
    log: list[Logged]
    log_uuid: str
    batch: int
    _signing_key: bytes

    @property
    def head(self) -> dict[str, Any]:
        """Return the newest entry of the log."""
        if not self.log:
            return {"n": 0, "hash": chain_genesis(self.log_uuid).hex()}
        return {"n": self.log[-1].seq, "hash": self.log[-1].hash}

    def write(self, event: str, actor: str = "dashboard", **facts: Any) -> None:
        """Append an entry."""
        at = int(self.clock().timestamp()) + self.clock_ahead_s
        document = {
            "v": 1,
            "at": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "event": event,
            "actor": actor,
            "facts": facts,
        }
        head = self.head
        self.log.append(Logged(head["n"] + 1, head["hash"], canonical(document).decode(), at))

    def checkpoint(self) -> dict[str, str]:
        """Return a signed checkpoint of the log."""
        at = self.log[-1].at if self.log else 0
        return self.signed({"v": 1, "log": self.log_uuid, **self.head, "at": at})

    def signed(self, checkpoint: dict[str, Any]) -> dict[str, str]:
        """Sign a checkpoint with the site's key."""
        body = canonical(checkpoint)
        return {"body": b64u(body), "sig": b64u(sign_checkpoint(self._signing_key, body))}

    def knows(self, document: dict[str, Any]) -> bool | None:
        """Return whether the log has the entry that the request names; None if it names none."""
        seen = document.get("log")
        if seen is None:
            return None
        # Compare the number first: hashing a long log at each call would dominate a benchmark.
        named = (entry for entry in reversed(self.log) if entry.seq == seen["n"])
        return any(entry.hash == seen["hash"] for entry in named)

    def entries_after(self, document: dict[str, Any], body: bytes) -> dict[str, Any]:
        begins = [entry.seq for entry in self.log if '"event":"connected"' in entry.body]
        first = begins[-1] if begins else self.log[0].seq
        behind = [entry for entry in self.log if entry.seq > max(document["after"], first - 1)]
        entries = [entry.as_sent() for entry in behind[: self.batch]]
        return {"from": first, "entries": entries, "more": len(behind) > self.batch}
