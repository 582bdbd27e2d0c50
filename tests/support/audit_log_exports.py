"""Made-up exports of an audit log, built from docs/AUDIT.md without Aura's code."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from app.domain.audit import merkle
from app.keys import new_signing_key, sign, signing_public
from app.protocol import b64u, canonical, chain_genesis, chain_hash, site_log_hash

VERIFIER = Path(__file__).parents[2] / "app" / "verifier" / "verify_audit.py"
LOG = "3c1f0d3a-2b61-4a38-9f1e-0c2f3a7b9d10"
SITE = "7a5e2c9d-9c1b-4f0a-8d3e-5b6c7d8e9f01"
SITE_LOG = "b2a4c6d8-1e3f-4a5b-8c7d-9e0f1a2b3c4d"
START = datetime(2026, 11, 24, 10, tzinfo=UTC)

Row = dict[str, Any]
Files = dict[str, bytes]


def entry(seq: int, *, client: int | None = None, site: int | None = None, **more: Any) -> Row:
    """Return an entry of an audit log, without prev and hash."""
    body = {
        "v": 1,
        "at": (START + timedelta(minutes=seq, microseconds=seq * 7)).isoformat(),
        "event": more.get("event", "site_called"),
        "site": site,
        "facts": {"op": "ping", "outcome": "ok", "elapsed_ms": seq, "text": "é 😀 </script>"},
    }
    body |= {"actor": {"kind": "user", "id": 1}, "client": client, "private": None}
    if not more.get("is_private", True):
        return {"seq": seq, "body": body, "salt": None, "detail": None}
    salt = sha256(b"salt%d" % seq).digest()[:16]
    detail = canonical({"actor": {"ip": "192.0.2.1", "name": f"Ana {seq}"}, "facts": {}})
    body["private"] = sha256(b"siteagent/audit-private/1\n" + salt + detail).hexdigest()
    return {"seq": seq, "body": body, "salt": salt.hex(), "detail": detail.decode()}


def call_row(number: int) -> list[Any]:
    """Return the values of a row of the call log, as an export has them."""
    at = (START + timedelta(seconds=number)).isoformat()
    return [number, at, number % 3 + 1, "report", f"nonce{number}", number * 7, "ok", number * 2]


def call_leaf(row: list[Any]) -> bytes:
    return sha256(b"\0siteagent/call/1\n" + canonical(row)).digest()


def summary(seq: int, rows: list[list[Any]], *, first: int, last: int, kept_from: int = 1) -> Row:
    """Return an entry that commits to these calls."""
    made = entry(seq, is_private=False, event="call_log_summarized")
    root = merkle.Tree([call_leaf(row) for row in rows]).root().hex()
    made["body"]["facts"] = {
        "first": first,
        "last": last,
        "calls": len(rows),
        "counts": {"ok": len(rows)},
        "root": root,
        "kept_from": kept_from,
    }
    return made


def hash_after(seq: int, before: bytes, body: bytes, log: str) -> bytes:
    """Return the hash of an entry of the audit log, or of a site's log."""
    if log == LOG:
        return chain_hash(seq, before, body)
    return site_log_hash(seq, before, sha256(body).digest())


def chained(rows: list[Row], log: str = LOG, prev: bytes | None = None) -> list[Row]:
    """Return the rows with prev and hash, and each body as text."""
    before, done = prev or chain_genesis(log), []
    for row in rows:
        body = row["body"] if isinstance(row["body"], str) else canonical(row["body"]).decode()
        after = hash_after(row["seq"], before, body.encode(), log)
        done.append({**row, "body": body, "prev": before.hex(), "hash": after.hex()})
        before = after
    return done


def checkpoint(seed: bytes, row: Row, log: str = LOG, root: bytes | None = None) -> dict[str, str]:
    """Return a signed checkpoint with `row` as the newest entry of `log`."""
    at = int(datetime.fromisoformat(json.loads(row["body"])["at"]).timestamp())
    document = {"v": 1, "log": log, "n": row["seq"], "hash": row["hash"], "at": at}
    body = canonical(document | ({} if root is None else {"root": root.hex()}))
    return {"body": b64u(body), "sig": b64u(sign(seed, b"siteagent/checkpoint/1\n" + body))}


def lines(rows: list[Row]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


@dataclass
class Made:
    """An audit log, a site with its checkpoints, and all keys; `files()` returns the export."""

    rows: list[Row]
    seed: bytes = field(default_factory=new_signing_key)
    site_seed: bytes = field(default_factory=new_signing_key)
    former_seeds: tuple[bytes, ...] = ()
    watched_at: tuple[int, ...] = ()
    covers: dict[str, Any] = field(default_factory=dict)
    site_rows: list[Row] = field(default_factory=list)
    site_checkpoints_at: tuple[int, ...] = ()
    log: str = LOG
    calls: list[Row] = field(default_factory=list)

    @property
    def leaves(self) -> list[bytes]:
        return [bytes.fromhex(row["hash"]) for row in self.rows]

    def checkpoint_of(self, n: int) -> dict[str, str]:
        """Return the dashboard's checkpoint when the audit log had `n` entries."""
        root = merkle.Tree(self.leaves[:n]).root()
        return checkpoint(self.seed, self.rows[n - 1], self.log, root)

    def files(self) -> Files:
        is_excerpt = any(self.covers.get(name) for name in ("client", "site", "from", "to"))
        paths = merkle.Tree(self.leaves)
        shown = [row for row in self.rows if not is_excerpt or self._is_covered(row)]
        if is_excerpt:
            shown = [
                {**row, "path": [digest.hex() for digest in paths.path(row["seq"] - 1)]}
                for row in shown
            ]
        by_sites = [
            {
                "site": SITE,
                "path": [digest.hex() for digest in paths.path(n - 1)] if is_excerpt else None,
                "checkpoint": self.checkpoint_of(n),
            }
            for n in self.watched_at
        ]
        of_sites = [
            {
                "site": SITE,
                "checkpoint": checkpoint(self.site_seed, self.site_rows[n - 1], SITE_LOG),
            }
            for n in self.site_checkpoints_at
        ]
        files = {
            "audit_log.jsonl": lines(shown),
            "calls.jsonl": lines(self.calls),
            "checkpoints.json": canonical(
                {
                    "v": 1,
                    "export": self.checkpoint_of(len(self.rows)),
                    "by_sites": by_sites,
                    "of_sites": of_sites,
                }
            ),
            "keys.json": canonical(
                {
                    "v": 1,
                    "dashboard": public(self.seed),
                    "former": [public(seed) for seed in self.former_seeds],
                    "sites": [{"site": SITE, **public(self.site_seed)}],
                }
            ),
            "README.txt": b"Read me.\n",
            "verify_audit.py": VERIFIER.read_bytes(),
        }
        if self.site_rows:
            files[f"sites/{SITE}.jsonl"] = lines([site_head(SITE), *self.site_rows])
        return sealed(files, self.seed, self.covers, self.log)

    def _is_covered(self, row: Row) -> bool:
        content, covers = json.loads(row["body"]), self.covers
        return content["event"] == "call_log_summarized" or (
            covers.get("client") in (None, content.get("client"))
            and covers.get("site") in (None, content["site"])
            and (not covers.get("from") or covers["from"] <= content["at"])
            and (not covers.get("to") or content["at"] < covers["to"])
        )


def public(seed: bytes) -> dict[str, str]:
    raw = signing_public(seed)
    return {"key": b64u(raw), "fingerprint": sha256(raw).hexdigest()}


def site_head(site: str, **more: Any) -> Row:
    head = {"v": 1, "log": SITE_LOG, "site": site, "created_at": "2026-11-26T08:00:00Z"}
    return {**head, "key": None, "checkpoint": None, **more}


def sealed(files: Files, seed: bytes, covers: dict[str, Any], log: str = LOG) -> Files:
    """Return the files with their manifest, signed with `seed`."""
    inside = {name: raw for name, raw in files.items() if not name.startswith("manifest.")}
    manifest = canonical(
        {
            "v": 1,
            "log": log,
            "created_at": "2026-11-26T08:00:00+00:00",
            "covers": {
                "of": "Everything",
                "client": None,
                "site": None,
                "from": None,
                "to": None,
                "private": True,
                **covers,
            },
            "files": {name: sha256(raw).hexdigest() for name, raw in inside.items()},
        }
    )
    signature = b64u(sign(seed, b"siteagent/export/1\n" + manifest)).encode()
    return {**inside, "manifest.json": manifest, "manifest.sig": signature}


def site_log(count: int, first: int = 1) -> list[Row]:
    """Return a site's own log of this many entries, from number `first`."""
    rows = [
        {
            "seq": seq,
            "body": {
                "v": 1,
                "at": f"2026-11-24T10:{seq:02}:00Z",
                "event": "pinged",
                "actor": "dashboard",
                "facts": {"n": seq},
            },
        }
        for seq in range(1, first + count)
    ]
    return [
        {name: row[name] for name in ("seq", "prev", "hash", "body")}
        for row in chained(rows, SITE_LOG)[first - 1 :]
    ]


def small(**changes: Any) -> Made:
    """Return twelve entries about two clients, with a site that holds three checkpoints."""
    rows = [
        entry(seq, client=1 + seq % 2, site=7 + seq % 2, is_private=seq != 9)
        for seq in range(1, 13)
    ]
    export = Made(chained(rows), watched_at=(3, 5, 11))
    export.site_rows, export.site_checkpoints_at = site_log(6), (2, 6)
    for name, value in changes.items():
        setattr(export, name, value)
    return export


def write_zip(files: Files, path: Path) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return path


def another_uuid() -> str:
    raw = secrets.token_hex(16)
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8{raw[17:20]}-{raw[20:]}"
