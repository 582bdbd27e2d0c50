"""The files of an export (docs/AUDIT.md).

Anyone can verify them with verify_audit.py, or read them in other programs.
"""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import reduce
from hashlib import sha256
from operator import and_
from pathlib import Path
from typing import IO, Any, Generic, TypeVar
from zipfile import ZIP_DEFLATED, ZipFile

from app.config import Config
from app.domain import dashboard_identity
from app.domain.audit import call_log, checkpoints
from app.domain.audit.chain import log_uuid
from app.domain.audit.checkpoints import Checkpoint
from app.domain.audit.documents import entry_document
from app.domain.audit.export_scope import ExportScope
from app.domain.audit.exported_calls import exported_calls
from app.domain.audit.merkle import Tree
from app.domain.csv_cells import escape_csv_formula
from app.keys import sign, verify_checkpoint
from app.models.audit import AuditEntry
from app.models.checkpoints import SiteCheckpoint
from app.models.site_log import SiteLog, SiteLogDigests, SiteLogEntry
from app.models.sites import Site
from app.protocol import ProtocolError, b64u, canonical, from_b64u

T = TypeVar("T")

_VERIFIER = Path(__file__).parents[2] / "verifier" / "verify_audit.py"
_MANIFEST_SIGNATURE = b"siteagent/export/1\n"
_BATCH = 1000
# Maximum of checkpoints per site and kind: enough to verify a log, and quick to check without
# libraries.
_CHECKPOINTS_OF_A_SITE = 60
# Of all sites together: verify_audit.py reads up to 32 MB of them, and is slow with signatures.
_CHECKPOINTS_OF_ALL = 10_000

COLUMNS = (
    *("number", "time", "event", "client", "site", "kind", "component", "outcome"),
    *("who", "from_address", "facts", "hash"),
)


def write_zip(
    file: IO[bytes],
    covered: ExportScope,
    config: Config,
    now: datetime,
    seen: Callable[[int], object],
) -> int:
    """Write all files that a verification needs; return the number of entries.

    The calls up to now are summarized before, so that the export proves them. `seen` is called with
    the number of entries so far, also while calls and the logs of sites are written.
    """
    call_log.summarize(now, kept_days=config.call_log_days)
    # Once, because the key may be renewed meanwhile.
    identity = dashboard_identity.load_dashboard(config)
    public = identity.sign_public
    end = checkpoints.current_checkpoint(config, b64u(public))
    digests: dict[str, str] = {}
    leaves = [bytes.fromhex(digest) for digest in _hashes(end.n)] if not covered.is_whole else []
    paths = Tree(leaves) if leaves else None
    sites = _sites(covered)
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:

        def put(name: str, pieces: Iterable[bytes]) -> None:
            digest = sha256()
            with archive.open(name, "w", force_zip64=True) as member:
                for piece in pieces:
                    digest.update(piece)
                    member.write(piece)
            digests[name] = digest.hexdigest()

        rows = _Counted(_rows(covered, end.n, paths), seen)
        put("audit_log.jsonl", (_line(row) for row in rows))
        # Millions of calls take minutes, and an export without a sign of work counts as lost.
        put("calls.jsonl", (_line(row) for row in exported_calls(covered, end.n, rows.report)))
        put("checkpoints.json", [_checkpoints(end, sites, paths, public, rows.report)])
        put("keys.json", [_keys(identity.public_keys, sites)])
        for site in sites:
            rows.report()
            if SiteLogEntry.count_of(site):
                put(f"sites/{site.uuid}.jsonl", _site_log(site, now))
        put("README.txt", [_readme(covered, rows.count, end, now).encode("utf-8")])
        put("verify_audit.py", [_VERIFIER.read_bytes()])
        manifest = _manifest(covered, digests, now)
        signature = sign(identity.signing_key, _MANIFEST_SIGNATURE + manifest)
        archive.writestr("manifest.json", manifest)
        archive.writestr("manifest.sig", b64u(signature))
    return rows.count


def _manifest(covered: ExportScope, digests: dict[str, str], now: datetime) -> bytes:
    document = {
        "v": 1,
        "log": log_uuid(),
        "created_at": now.isoformat(),
        "covers": covered.as_manifest(),
        "files": digests,
    }
    return canonical(document)


def write_jsonl(file: IO[bytes], covered: ExportScope, seen: Callable[[int], object]) -> int:
    """Write one entry per line, without proofs; return the number of entries."""
    rows = _Counted(_entries(covered, AuditEntry.last_seq()), seen)
    for entry in rows:
        file.write(_line(_shown(entry, covered)))
    return rows.count


def write_csv(file: IO[bytes], covered: ExportScope, seen: Callable[[int], object]) -> int:
    """Write a table in which no spreadsheet finds a formula, and return the number of entries."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    table = csv.writer(text)
    table.writerow(COLUMNS)
    rows = _Counted(_entries(covered, AuditEntry.last_seq()), seen)
    for entry in rows:
        document = _shown(entry, covered)
        facts = json.dumps(document["facts"], ensure_ascii=False, sort_keys=True)
        table.writerow(
            escape_csv_formula(value)
            for value in (
                *(
                    entry.seq,
                    document["at"],
                    document["event"],
                    document["client"],
                    document["site"],
                ),
                *(entry.kind, entry.component, entry.outcome),
                *(document["actor"]["name"], document["actor"]["ip"], facts, entry.hash),
            )
        )
    text.detach()
    return rows.count


class _Counted(Generic[T]):
    """Iterate and count the items, and report the count for each batch and when asked to."""

    def __init__(self, things: Iterable[T], seen: Callable[[int], object]) -> None:
        self._things, self._seen, self.count = things, seen, 0

    def __iter__(self) -> Iterator[T]:
        for thing in self._things:
            yield thing
            self.count += 1
            if self.count % _BATCH == 0:
                self.report()

    def report(self) -> None:
        self._seen(self.count)


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8") + b"\n"


# ---- the audit log ----


def _entries(
    covered: ExportScope, last: int, *, with_summaries: bool = False
) -> Iterator[AuditEntry]:
    """Return the entries in scope up to number `last` with their details, oldest first.

    With `with_summaries` also those that commit to the call log.
    """
    conditions: list[Any] = [AuditEntry.seq <= last]
    if covered.client is not None:
        conditions.append(AuditEntry.client_id == covered.client)
    if covered.site is not None:
        conditions.append(AuditEntry.site_id == covered.site)
    if covered.since is not None:
        conditions.append(AuditEntry.at >= covered.since)
    if covered.until is not None:
        conditions.append(AuditEntry.at < covered.until)
    in_scope = reduce(and_, conditions)
    if with_summaries:
        in_scope |= (AuditEntry.event == call_log.EVENT) & (AuditEntry.seq <= last)
    return AuditEntry.stream_with_details(in_scope)


def _shown(entry: AuditEntry, covered: ExportScope) -> dict[str, Any]:
    document = entry_document(entry)
    if not covered.private:
        document["actor"] |= {"name": "", "ip": ""}
        document["facts"] = json.loads(entry.body)["facts"]
    return {"number": entry.seq, "hash": entry.hash, **document}


def _rows(covered: ExportScope, last: int, paths: Tree | None) -> Iterator[dict[str, Any]]:
    for entry in _entries(covered, last, with_summaries=True):
        detail = entry.detail if covered.private else None
        row = {
            "seq": entry.seq,
            "prev": entry.prev,
            "hash": entry.hash,
            "body": entry.body,
            "salt": detail.salt if detail else None,
            "detail": detail.body if detail else None,
        }
        if paths is not None:
            row["path"] = [digest.hex() for digest in paths.path(entry.seq - 1)]
        yield row


def _hashes(last: int) -> list[str]:
    query = (
        AuditEntry.select(AuditEntry.hash).where(AuditEntry.seq <= last).order_by(AuditEntry.seq)
    )
    return [digest for (digest,) in query.tuples().iterator()]


# ---- the sites ----


def _sites(covered: ExportScope) -> list[Site]:
    query = Site.select().where(Site.uuid != "", Site.sign_s != "")
    if covered.site is not None:
        query = query.where(Site.id == covered.site)
    if covered.client is not None:
        query = query.where(Site.client == covered.client)
    return list(query.order_by(Site.id))


def _site_log(site: Site, now: datetime) -> Iterator[bytes]:
    """Yield a site's log as Aura received it, in the format of the site's own export.

    Where Aura keeps only digests, a line has those of several entries. The newest entries are
    always whole.
    """
    read = SiteLog.get_or_create_for(site)
    yield _line(
        {
            "v": 1,
            "log": read.log,
            "site": site.uuid,
            "created_at": now.isoformat(),
            "key": None,
            "checkpoint": None,
        }
    )
    runs = deque(SiteLogDigests.of(site.id, read.branch))
    for entry in SiteLogEntry.behind(site.id, read.branch, -1):
        while runs and runs[0].first < entry.seq:
            run = runs.popleft()
            yield _line({"first": run.first, "last": run.last, "digests": b64u(run.digests)})
        row = {"seq": entry.seq, "prev": entry.prev, "hash": entry.hash, "body": entry.body}
        yield _line(row)


def _checkpoints(
    end: Checkpoint,
    sites: list[Site],
    paths: Tree | None,
    public: bytes,
    seen: Callable[[], object],
) -> bytes:
    """Return the checkpoints of both sides. `public` is the key of the dashboard in the export."""
    by_sites, of_sites = [], []
    most = max(min(_CHECKPOINTS_OF_A_SITE, _CHECKPOINTS_OF_ALL // max(len(sites), 1)), 1)
    for site in sites:
        seen()
        for n, checkpoint in _held_by(site, end.n, public)[-most:]:
            is_there = paths is not None and n <= end.n
            path = [digest.hex() for digest in paths.path(n - 1)] if paths and is_there else None
            by_sites.append({"site": site.uuid, "path": path, "checkpoint": checkpoint})
        of_sites += [
            {"site": site.uuid, "checkpoint": checkpoint}
            for checkpoint in _own_checkpoints(site)[-most:]
        ]
    document = {"v": 1, "export": end.as_sent(), "by_sites": by_sites, "of_sites": of_sites}
    return canonical(document)


def _held_by(site: Site, last: int, public: bytes) -> list[tuple[int, dict[str, str]]]:
    """Return the dashboard's checkpoints in the site's own log, the last of each day, in order.

    The site may have written anything there, and goes on writing while this export is made. So what
    `public` did not sign is left out, and what is about entries that the audit log got after
    `last`. Of entries that it does not have, the checkpoint is the proof that they were removed. A
    later checkpoint covers all that those of a former key were about.
    """
    days: dict[str, tuple[int, dict[str, str]]] = {}
    read = SiteLog.get_or_create_for(site)
    for entry in SiteLogEntry.behind(site.id, read.branch, -1):
        document = json.loads(entry.body)
        facts = document.get("facts")
        held = _signed_parts(facts.get("checkpoint")) if isinstance(facts, dict) else None
        if held is None or not verify_checkpoint(public, *held[1:]):
            continue
        n, body, signature = held
        if n > last and AuditEntry.hash_of(n) == facts["checkpoint"]["hash"]:
            continue
        days[str(document.get("at"))[:10]] = n, {"body": b64u(body), "sig": b64u(signature)}
    return list(days.values())


def _signed_parts(part: object) -> tuple[int, bytes, bytes] | None:
    """Rebuild a checkpoint, not yet verified, from the parts of it that a log repeats.

    Return its entry, its body and its signature; None if it lacks any of that.
    """
    if not isinstance(part, dict) or type(part.get("n")) is not int or part["n"] < 1:
        return None
    names = ("n", "hash", "root", "at", "log")
    try:
        body = canonical({"v": checkpoints.VERSION, **{name: part[name] for name in names}})
        return part["n"], body, from_b64u(part.get("sig"), 64)
    except (KeyError, ProtocolError):
        return None


def _own_checkpoints(site: Site) -> list[dict[str, str]]:
    """Return the site's own checkpoints of the exported log under its current key, in order."""
    key, log = from_b64u(site.sign_s, 32), SiteLog.get_or_create_for(site).log
    found = []
    query = SiteCheckpoint.select().where(SiteCheckpoint.site == site, SiteCheckpoint.log == log)
    for checkpoint in query.order_by(SiteCheckpoint.day):
        body = checkpoint.body.encode("ascii")
        if verify_checkpoint(key, body, from_b64u(checkpoint.signature, 64)):
            found.append({"body": b64u(body), "sig": checkpoint.signature})
    return found


def _keys(public_keys: list[bytes], sites: list[Site]) -> bytes:
    """Return the keys of the sites, and those of the dashboard, which come newest first."""
    newest, *former = public_keys
    return canonical(
        {
            "v": 1,
            "dashboard": _key(newest),
            "former": [_key(public) for public in former],
            "sites": [{"site": site.uuid, **_key(from_b64u(site.sign_s, 32))} for site in sites],
        }
    )


def _key(public: bytes) -> dict[str, str]:
    return {"key": b64u(public), "fingerprint": sha256(public).hexdigest()}


def _readme(covered: ExportScope, count: int, end: Checkpoint, now: datetime) -> str:
    return f"""An export of Aura's audit log
=============================

Contents:  {covered.of}
Created:   {now:%Y-%m-%d %H:%M:%S} UTC
Entries:   {count} of {end.n}
Hash of the newest entry
           {end.hash}

To verify it you need only Python 3.8 or newer, without a network connection:

    python3 verify_audit.py THIS.zip

The program recomputes each hash and each signature and lists what does not match. You do not have
to trust this copy of it: it is one short file that you can read, and it is also part of Aura's
source code.

What it proves: each entry is unchanged, byte for byte. Up to the checkpoints that the sites hold,
no entry was changed, removed, reordered or inserted.
What it cannot prove: that everything was recorded, and anything after the last checkpoint that a
site holds. With the dashboard's signing key, someone could create another log. So compare the
fingerprint in keys.json and a checkpoint with those in the site's wp-admin or in an earlier report:

    python3 verify_audit.py THIS.zip --checkpoint KEPT.json

audit_log.jsonl   the entries, each with the exact text that was hashed
calls.jsonl       the calls to sites that are kept; entries commit to them
checkpoints.json  the signed checkpoints of the dashboard and of each site
keys.json         the public keys
sites/            the sites' own logs, as Aura received them
manifest.json     the digest of every file, signed in manifest.sig
"""
