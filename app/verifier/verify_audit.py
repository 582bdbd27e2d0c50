#!/usr/bin/env python3
"""Verify an export of Aura's audit log or of SiteAgent's log, without Aura or SiteAgent.

    python3 verify_audit.py EXPORT.zip                     or the unpacked folder, or one log.jsonl
    python3 verify_audit.py EXPORT.zip --checkpoint KEPT.json    against a checkpoint you kept
    elsewhere

It needs only Python 3.8 or newer. It opens no connection, runs nothing it reads and writes no file.
Exit status 0: intact. 1: something does not match; the first affected entry is named. 2: the export
cannot be read. docs/AUDIT.md describes the files, docs/PROTOCOL.md, section 5, the hashes.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import zipfile
from datetime import datetime, timezone
from typing import Any, Iterator

PROVES = """
This proves: each entry is unchanged, byte for byte. Up to the last checkpoint, no entry was
changed, removed, reordered or inserted.
This does not prove: that everything was recorded; that the dashboard and a site did not hide
something together; anything after the last checkpoint; that an excerpt is complete. With the
dashboard's key, someone can create another log: compare the key and a checkpoint with those in the
site's wp-admin or in an earlier report (--checkpoint).
"""
CHECKPOINT, EXPORT = b"siteagent/checkpoint/1\n", b"siteagent/export/1\n"
ENTRY, CALL = b"\0siteagent/audit/1\n", b"\0siteagent/call/1\n"
SITE_ENTRY = b"\0siteagent/log/1\n"
GENESIS, PRIVATE = b"siteagent/audit-genesis/1\n", b"siteagent/audit-private/1\n"
SUMMARY = "call_log_summarized"
KEPT = "the checkpoint you kept"
NAMES = (
    r"(audit_log\.jsonl|calls\.jsonl|checkpoints\.json|keys\.json|manifest\.json|manifest\.sig|README\.txt"
    r"|verify_audit\.py|sites/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl)"
)
NEEDED = {"audit_log.jsonl", "calls.jsonl", "checkpoints.json", "keys.json", "README.txt",
          "verify_audit.py"}  # fmt: skip
MAX_LINE, MAX_FILE, MAX_FILES, MAX_RATIO = 1 << 20, 1 << 25, 20_000, 200


class Misfit(Exception):
    """Something does not match."""


class Unreadable(Exception):
    """The file is no export, or none that can be verified."""


def need(holds: Any, why: str) -> None:
    """Raise Misfit with the reason unless the condition holds."""
    if not holds:
        raise Misfit(why)


# ---- strict parsing: values that every program reads in the same way ----


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "it contains a name twice")
    need(all(name.isascii() for name, _ in pairs), "it contains a name that is not plain ASCII")
    return dict(pairs)


def _integer(digits: str) -> int:
    need(len(digits) < 18 and abs(int(digits)) < 2**53, "it contains a number that is too large")
    return int(digits)


def _other_number(_text: str) -> None:
    raise Misfit("it contains a number that is not an integer")


_STRICT: Any = {"object_pairs_hook": _object, "parse_int": _integer,
           "parse_float": _other_number, "parse_constant": _other_number}  # fmt: skip


def strict(raw: bytes) -> Any:
    """Parse JSON that every program reads in the same way; raise Misfit for any other."""
    try:
        read = json.loads(raw.decode("utf-8"), **_STRICT)
        json.dumps(read, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Misfit("it is not valid JSON") from None
    return read


def canonical_form(read: Any) -> bytes:
    """Return the form that is hashed: RFC 8785 without floats."""
    spelled = json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return spelled.encode("utf-8")


def canonical(raw: bytes) -> Any:
    """Parse what is in the form that is hashed; raise Misfit for any other."""
    read = strict(raw)
    need(canonical_form(read) == raw, "it is not canonical JSON")
    return read


def parts(record: Any, **kinds: Any) -> list[Any]:
    """Return the values of `record`, which has exactly these fields; a listed kind may be null."""
    need(type(record) is dict and set(record) == set(kinds), "it does not have the required fields")
    for name, kind in kinds.items():
        allowed = (kind[0], type(None)) if type(kind) is list else (kind,)
        need(type(record[name]) in allowed, f"its {name} has the wrong type")
    return [record[name] for name in kinds]


def unhex(text: Any, size: int = 32) -> bytes:
    """Decode lowercase hex of exactly `size` bytes."""
    is_hex = type(text) is str and re.fullmatch("[0-9a-f]*", text) and len(text) == 2 * size
    need(is_hex, "it contains an invalid hash")
    return bytes.fromhex(text)


def unb64(text: str) -> bytes:
    """Decode base64url without padding; raise Misfit for any other spelling."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raw = b""
    need(base64.urlsafe_b64encode(raw).decode().rstrip("=") == text, "it is not base64url")
    return raw


def moment(text: str) -> datetime:
    """Parse an ISO time; raise Misfit if it is none."""
    try:
        at = datetime.fromisoformat(re.sub(r"Z\Z", "+00:00", text))
        return at.astimezone(timezone.utc if at.tzinfo else None)
    except (ValueError, OverflowError):
        raise Misfit("its time is invalid") from None


# ---- Ed25519 (RFC 8032, section 5.1); a point is (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z ----

P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def _sum(p: Any, q: Any) -> Any:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _sum_of_multiples(m: int, p: Any, n: int, q: Any) -> Any:
    total = (0, 1, 1, 0)
    for bit in range(252, -1, -1):
        total = _sum(total, total)
        total = _sum(total, p) if m >> bit & 1 else total
        total = _sum(total, q) if n >> bit & 1 else total
    return total


def _point(encoded: bytes) -> Any:
    sign, y = divmod(int.from_bytes(encoded, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or y >= P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the Ed25519 signature of `message` by the holder of `key`."""
    a = _point(key) if len(key) == 32 and len(signature) == 64 else None
    s = int.from_bytes(signature[32:], "little")
    if a is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little")
    x, y, z, _ = _sum_of_multiples(s, BASE, h % ORDER, (P - a[0], a[1], 1, P - a[3]))
    x, y = x * pow(z, P - 2, P) % P, y * pow(z, P - 2, P) % P
    return bool((y | (x & 1) << 255).to_bytes(32, "little") == signature[:32])


# ---- the chain, and the tree over its hashes (RFC 9162, section 2.1) ----


def sha(*pieces: bytes) -> bytes:
    """Return the SHA-256 of the joined pieces."""
    return hashlib.sha256(b"".join(pieces)).digest()


def root_by_path(leaf: bytes, index: int, size: int, path: list[Any]) -> bytes | None:
    """Where `path` leads from that leaf; None if it is no path of it (section 2.1.3.2)."""
    last = size - 1
    for brother in map(unhex, path):
        if last <= 0:
            return None
        if index & 1 or index == last:
            leaf = sha(b"\x01", brother, leaf)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = sha(b"\x01", leaf, brother)
        index, last = index >> 1, last >> 1
    return leaf if last == 0 else None


class Tree:
    """The tree over hashes while they are read: the roots of its full subtrees, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.full: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        size = self.size
        while size & 1:
            leaf, size = sha(b"\x01", self.full.pop(), leaf), size >> 1
        self.full.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        root = self.full[-1]
        for left in reversed(self.full[:-1]):
            root = sha(b"\x01", left, root)
        return root


class Log:
    """A log while it is read.

    `at` holds hash, root and time of the entries that `checkpoints` name.
    """

    def __init__(self, name: str, checkpoints: list[Checkpoint]) -> None:
        self.name, self.wanted = name, {checkpoint.n for checkpoint in checkpoints}
        self.n, self.first, self.before, self.tree = 0, 0, "", Tree()
        self.hash = sha(GENESIS, name.encode("utf-8"))
        self.at: dict[int, tuple[bytes, bytes | None, int | None]] = {0: (self.hash, None, None)}
        self.summaries: list[list[Any]] = []  # of the call log

    def hash_after(self, seq: int, before: bytes, raw: bytes) -> bytes:
        """Return the hash of an entry that follows the hash `before`."""
        return sha(ENTRY, seq.to_bytes(8, "big"), before, raw)

    def take(self, seq: int, prev: str, named: str, body: str) -> Any:
        """Add an entry if it fits the previous ones; return its content."""
        need(self.n < seq < 2**53, "its number is not higher than the previous one")
        need(seq != self.n + 1 or unhex(prev) == self.hash, "it does not follow the previous entry")
        raw = body.encode("utf-8")
        self.hash = self.hash_after(seq, unhex(prev), raw)
        need(unhex(named) == self.hash, "its text, its number or its hash was changed")
        self.n, self.first, self.before = seq, self.first or seq, self.before or prev
        content = canonical(raw)
        need(type(content) is dict and type(content.get("at")) is str, "it has no time")
        self.tree.add(self.hash)
        if seq in self.wanted:
            at = int(moment(content["at"]).timestamp() // 1)
            self.at[seq] = self.hash, self.tree.root() if self.tree.size == seq else None, at
        return content


class SiteLog(Log):
    """The log of a site. Its hashes cover the digest of a body instead of the body."""

    def hash_after(self, seq: int, before: bytes, raw: bytes) -> bytes:
        return self.hash_after_digest(seq, before, sha(raw))

    @staticmethod
    def hash_after_digest(seq: int, before: bytes, digest: bytes) -> bytes:
        return sha(SITE_ENTRY, seq.to_bytes(8, "big"), before, digest)

    def take_digests(self, first: int, last: int, digests: str) -> None:
        """Add the entries `first` to `last`, of which only the digests were kept."""
        raw = unb64(digests)
        need(self.first and first == self.n + 1, "it does not follow the previous entry")
        need(
            first <= last and len(raw) == 32 * (last - first + 1), "it has too few or many digests"
        )
        for place in range(0, len(raw), 32):
            self.n += 1
            self.hash = self.hash_after_digest(self.n, self.hash, raw[place : place + 32])
            if self.n in self.wanted:
                self.at[self.n] = self.hash, None, None


class Checkpoint:
    """A checkpoint of a log, signed with one of `keys` and held by `holder`."""

    def __init__(self, record: Any, keys: list[bytes], holder: str) -> None:
        raw, signature = map(unb64, parts(record, body=str, sig=str))
        self.holder = holder
        is_known = any(is_signed(key, CHECKPOINT + raw, signature) for key in keys)
        need(is_known, f"{holder}: it is not signed with one of its keys in keys.json")
        signed = canonical(raw)
        root = signed.pop("root", None) if type(signed) is dict else None
        _, self.log, self.n, named, self.at = parts(signed, v=int, log=str, n=int, hash=str, at=int)
        self.hash, self.root = unhex(named), None if root is None else unhex(root)


def compare(checkpoints: list[Checkpoint], log: Log, end: int, whose: str) -> list[str]:
    """Compare each checkpoint with the log. Return what cannot be checked with this export."""
    fitting, unknown = 0, []
    for checkpoint in sorted(checkpoints, key=lambda checkpoint: checkpoint.n):
        holder, named = checkpoint.holder, f"entry {checkpoint.n}"
        need(checkpoint.log == log.name, f"{holder}: it belongs to another log than {whose}")
        need(checkpoint.n <= end, f"{holder}: it names {named}, but {whose} ends with entry {end}. "
             "Its end was removed, or the checkpoint is newer than this export")  # fmt: skip
        if checkpoint.n not in log.at:
            unknown.append(
                f"{holder}: {named} of {whose} is not in this export, so it cannot be compared"
            )
            need(holder != KEPT, unknown[-1])
            continue
        found, root, at = log.at[checkpoint.n]
        fits = found == checkpoint.hash and (
            None in (root, checkpoint.root) or root == checkpoint.root
        )
        need(fits, f"{holder}: its {named} differs from {whose}, which was rewritten "
             f"after entry {fitting}")  # fmt: skip
        need(at in (None, checkpoint.at), f"{holder}: it has another time for {named}")
        fitting = checkpoint.n
    return unknown


# ---- the files of an export, in a zip or a folder. Nothing is unpacked ----


class Files:
    """The files of an export, in a zip or in a folder."""

    def __init__(self, path: str) -> None:
        self.folder = path
        self.zip = None if os.path.isdir(path) else zipfile.ZipFile(path)
        entries = self.zip.infolist() if self.zip else []
        self.names = {entry.filename for entry in entries}
        if len(entries) > MAX_FILES or len(self.names) < len(entries):
            raise Unreadable("it contains too many files, or a name twice")
        for info in entries:
            if not re.fullmatch(NAMES, info.filename):
                raise Unreadable(
                    f"it contains a file that is not part of an export: {info.filename}"
                )
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Unreadable(f"{info.filename} uses an unsupported compression")
            if info.file_size > MAX_FILE + MAX_RATIO * info.compress_size:
                raise Unreadable(f"{info.filename} would be too large when unpacked")

    def open(self, name: str) -> Any:
        path = os.path.join(self.folder, *name.split("/"))
        is_there = name in self.names if self.zip else os.path.isfile(path)
        if not re.fullmatch(NAMES, name) or not is_there:
            raise Unreadable(f"{name} is missing or not part of an export")
        return self.zip.open(name) if self.zip else open(path, "rb")

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            raw: bytes = file.read(MAX_FILE + 1)
        need(len(raw) <= MAX_FILE, f"{name} is too large")
        return raw

    def digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self.open(name) as file:
            for piece in iter(lambda: file.read(MAX_LINE), b""):
                digest.update(piece)
        return digest.hexdigest()


def records(file: Any) -> Iterator[Any]:
    """One JSON object a line."""
    for raw in iter(lambda: file.readline(MAX_LINE), b""):
        need(raw.endswith(b"\n"), "its line is too long or not terminated")
        yield strict(raw[:-1])


# ---- entries: of the audit log, and of the log of a site ----


def number_of(row: Any, otherwise: int) -> int:
    """Return the number of an entry, or `otherwise` if it has none."""
    seq = row.get("seq") if type(row) is dict else None
    return seq if type(seq) is int else otherwise


def read_audit_log(
    rows: Iterator[Any], log: Log, covers: Any, end: Checkpoint, whole: bool
) -> list[int]:
    """Read the audit log, whole or as an excerpt with paths to the signed root.

    Return the numbers of the entries whose private part is missing.
    """
    erased_at = 0
    kinds = dict(seq=int, prev=str, hash=str, body=str, salt=[str], detail=[str])
    kinds.update({} if whole else {"path": list})
    absent, seq = [], 1
    try:
        for row in rows:
            seq = number_of(row, seq)
            _, prev, named, body, salt, detail, *path = parts(row, **kinds)
            need(seq == log.n + 1 or not whole, f"the entry before it ({log.n + 1}) is missing")
            content = log.take(seq, prev, named, body)
            is_in = whole or root_by_path(log.hash, seq - 1, end.n, path[0]) == end.root
            need(is_in, "its path does not lead to the signed root")
            check_body(content, salt, detail)
            if content["event"] == SUMMARY:
                log.summaries.append(read_summary(content["facts"], log.summaries))
            else:
                check_covered(content, covers)
            if content["private"] and detail is None:
                absent.append(seq)
            erased_at = seq if content["event"] == "personal_data_erased" else erased_at
            seq += 1
    except Misfit as why:
        raise Misfit(f"the audit log: entry {seq}: {why}") from None
    need(log.n >= end.n or not whole, f"the audit log: entry {seq} is missing of {end.n}")
    if whole and covers["private"]:
        for seq in (number for number in absent if number > erased_at):
            raise Misfit(
                f"the audit log: entry {seq}: no entry records the erasure of its personal data"
            )
    return absent


def check_body(content: Any, salt: str | None, detail: str | None) -> None:
    """Whether the body is that of an entry, and its private part is the original one."""
    need(content.get("v") == 1, "this program does not support its version")
    kinds: Any = dict(v=int, at=str, event=str, actor=dict, site=[int], client=[int], facts=dict)
    parts(content, private=[str], **kinds)
    need((salt is None) == (detail is None), "a part of its personal data is missing")
    if salt is not None and detail is not None:
        found = sha(PRIVATE, unhex(salt, 16), detail.encode("utf-8"))
        need(content["private"] == found.hex(), "its personal data was changed")
        canonical(detail.encode("utf-8"))


def check_covered(content: Any, covers: Any) -> None:
    """Raise Misfit if the manifest does not cover an entry."""
    since, until, at = covers["from"], covers["to"], moment(content["at"])
    need(
        covers["site"] in (None, content["site"]),
        "it belongs to another site than the manifest names",
    )
    need(covers["client"] in (None, content["client"]), "it belongs to another client")
    need(since is None or moment(since) <= at, "it is older than the manifest says")
    need(until is None or at < moment(until), "it is newer than the manifest says")


# ---- the call log, to which summaries in the audit log commit ----


def read_summary(facts: Any, earlier: list[list[Any]]) -> list[Any]:
    """Return the values of a summary, which continues the one before it."""
    kinds: Any = dict(first=int, last=int, calls=int, counts=dict, root=str, kept_from=int)
    first, last, calls, _, root, kept_from = parts(facts, **kinds)
    need(0 < first <= last and 0 < calls <= last - first + 1, "its numbers of calls are impossible")
    follows = not earlier or first == earlier[-1][1] + 1
    need(follows, "it does not continue the summary before it")
    return [first, last, calls, unhex(root), kept_from]


def call_in(line: Any, after: int, **more: Any) -> tuple[int, bytes, list[Any]]:
    """Return the number and the hash of a call, and the other parts of its line."""
    row, *others = parts(line, row=list, **more)
    need(len(row) == 8 and type(row[0]) is int and row[0] > after, "it is no call, or out of order")
    return row[0], sha(CALL, canonical_form(row)), others


def read_calls(rows: Iterator[Any], summaries: list[list[Any]]) -> int:
    """Read all kept calls; return how many they are. Each summary must have exactly its calls."""
    count, n, line = 0, 0, next(rows, None)
    for first, last, calls, root, _ in summaries:
        tree = Tree()
        while line is not None:
            number, leaf, _ = call_in(line, n)
            if number > last:
                break
            need(number >= first, f"call {number} is in no summary")
            n, line = number, next(rows, None)
            tree.add(leaf)
        need(tree.size == calls, f"{tree.size} of the {calls} calls {first} to {last} are there")
        need(tree.root() == root, f"one of the calls {first} to {last} was changed")
        count += calls
    need(line is None, "there are calls after the last summary")
    return count


def read_some_calls(rows: Iterator[Any], summaries: list[list[Any]]) -> int:
    """Read the calls of an excerpt, each with a path to its summary; return how many they are."""
    count, n, at = 0, 0, 0
    for line in rows:
        n, leaf, (place, path) = call_in(line, n, place=int, path=list)
        while at < len(summaries) and summaries[at][1] < n:
            at += 1
        need(at < len(summaries), f"call {n} is in no summary")
        first, _, calls, root, _ = summaries[at]
        need(first <= n and 0 <= place < calls, f"call {n} is in no summary")
        leads = root_by_path(leaf, place, calls, path)
        need(leads == root, f"call {n} was changed, or its path is wrong")
        count += 1
    return count


def read_site_log(rows: Iterator[Any], log: SiteLog, whose: str) -> bool:
    """Read the log of a site. Some lines have only the digests of several entries.

    Return whether it starts at its beginning, or at a later entry which records that older ones
    were trimmed.
    """
    seq, trimmed = 1, set()
    try:
        for row in rows:
            if type(row) is dict and "digests" in row:
                log.take_digests(*parts(row, first=int, last=int, digests=str))
                seq = log.n + 1
                continue
            seq = number_of(row, seq)
            _, prev, named, body = parts(row, seq=int, prev=str, hash=str, body=str)
            need(seq == log.n + 1 or not log.first, f"the entry before it ({log.n + 1}) is missing")
            content = log.take(seq, prev, named, body)
            seq += 1
            if content.get("event") == "log_trimmed":
                trimmed.add(json.dumps(content.get("facts"), sort_keys=True))
    except Misfit as why:
        raise Misfit(f"{whose}: entry {seq}: {why}") from None
    was_trimmed = json.dumps({"hash": log.before, "through": log.first - 1}) in trimmed
    return log.first <= 1 or was_trimmed


def site_head(row: Any) -> list[Any]:
    """Return the first line of a site's log: its name, owner, creation time, key and checkpoint."""
    return parts(row, v=int, log=str, site=str, created_at=str, key=[str], checkpoint=[dict])[1:]


# ---- what can be checked: one log of a site, or an export of the audit log ----


def check_log(rows: Iterator[Any], kept: Any) -> tuple[list[str], list[str]]:
    """Verify a site's log on its own; return what does not fit, and other remarks."""
    name, site, created_at, key, end = site_head(next(rows, None))
    keys, checkpoints = [unb64(key)] if key else [], []
    for document, holder in ((end, "its end"), (kept, KEPT)):
        checkpoints += [Checkpoint(document, keys, holder)] if document else []
    log = SiteLog(name, checkpoints)
    is_whole = read_site_log(rows, log, "the log")
    need(is_whole, f"the log: the entries before {log.first} are missing")
    compare(checkpoints, log, log.n, "the log")
    is_end = not end or checkpoints[0].n == log.n
    need(is_end, f"the log: entry {log.n} is after the end that the log's own checkpoint names")
    notes = [f"The log {name} of {site}, exported {created_at}: entries {log.first} to {log.n}."]
    signed = [f"Its end is signed with the key {sha(key).hex()}." for key in keys if end]
    return [], notes + (signed or ["Its end is not signed, so removed entries would not show."])


def key_of(record: Any) -> tuple[str, bytes]:
    """Return the site and public key of a line of keys.json."""
    site, key, fingerprint = parts(record, site=str, key=str, fingerprint=str)
    need(sha(unb64(key)).hex() == fingerprint, f"keys.json: {fingerprint} does not match its key")
    return site, unb64(key)


class Export:
    """An export of the audit log. `wrong` lists the mismatches, `notes` other information."""

    def __init__(self, files: Files, kept: Any) -> None:
        self.files, self.kept, self.manifest = files, kept, files.read("manifest.json")
        _, self.name, created_at, self.covers, self.listed = parts(
            canonical(self.manifest), v=int, log=str, created_at=str, covers=dict, files=dict
        )
        limits: Any = {"client": [int], "site": [int], "from": [str], "to": [str]}
        of, _, *limited = parts(self.covers, of=str, private=bool, **limits)
        self.is_whole = limited == [None] * 4
        keys = strict(files.read("keys.json"))
        _, dashboard, former, sites = parts(keys, v=int, dashboard=dict, former=list, sites=list)
        own = ({"site": "", **one} if type(one) is dict else one for one in [dashboard, *former])
        self.key, *self.former = (key_of(one)[1] for one in own)
        self.keys = [key_of(site) for site in sites]
        checkpoints = strict(files.read("checkpoints.json"))
        _, end, self.by_sites, self.of_sites = parts(
            checkpoints, v=int, export=dict, by_sites=list, of_sites=list
        )
        self.end = Checkpoint(end, [self.key], "this export")
        need(self.end.root, "this export: its checkpoint has no root")
        self.wrong: list[str] = []
        self.notes = [f"{of}, exported {created_at}: the log {self.name} up to entry {self.end.n}.",
                     f"The key of the dashboard is {sha(self.key).hex()}."]  # fmt: skip

    def check(self) -> None:
        logs = sorted(name for name in self.listed if name.startswith("sites/"))
        steps: list[Any] = [[self.check_audit_log], *([self.check_site, name] for name in logs)]
        for step, *names in [*steps, [self.check_files]]:
            try:
                step(*names)
            except Misfit as why:
                self.wrong.append(str(why))
        if self.kept:
            self.wrong.append(f"{KEPT}: it belongs to a log that is not in this export")

    def kept_if_of(self, log: str, keys: list[bytes]) -> list[Checkpoint]:
        """Return the checkpoint that was kept elsewhere, once, if it belongs to this log."""
        content = canonical(unb64(self.kept["body"])) if self.kept else None
        if type(content) is not dict or content.get("log") != log:
            return []
        kept, self.kept = self.kept, None
        return [Checkpoint(kept, keys, KEPT)]

    def check_audit_log(self) -> None:
        checkpoints, at = [self.end], {self.end.n: (self.end.hash, self.end.root, None)}
        for item in self.by_sites:
            site, path, signed = parts(item, site=str, path=[list], checkpoint=dict)
            checkpoint = Checkpoint(signed, [self.key], f"site {site}")
            checkpoints.append(checkpoint)
            if path is not None and 0 < checkpoint.n <= self.end.n:
                # An excerpt omits most entries. The path proves that the log contains this hash.
                leads = root_by_path(checkpoint.hash, checkpoint.n - 1, self.end.n, path)
                at[checkpoint.n] = checkpoint.hash if leads == self.end.root else b"", None, None
        # One that was kept may be from before the dashboard renewed its key.
        checkpoints += self.kept_if_of(self.name, [self.key, *self.former])
        log = Log(self.name, checkpoints)
        with self.files.open("audit_log.jsonl") as file:
            absent = read_audit_log(records(file), log, self.covers, self.end, self.is_whole)
        self.check_calls(log.summaries)
        log.at = {**at, **log.at}
        self.notes += compare(checkpoints, log, self.end.n, "the audit log")
        if absent:
            state = "was erased" if self.covers["private"] else "is left out"
            shown = ", ".join(map(str, absent[:20])) + (" …" if len(absent) > 20 else "")
            self.notes.append(f"Personal data {state} in {len(absent)} of its entries: {shown}")

    def check_calls(self, summaries: list[list[Any]]) -> None:
        """Compare the call log with its summaries; older calls than the last one says are gone."""
        kept = [item for item in summaries if item[0] >= summaries[-1][4]]
        read = read_calls if self.is_whole else read_some_calls
        with self.files.open("calls.jsonl") as file:
            try:
                count = read(records(file), kept)
            except Misfit as why:
                raise Misfit(f"the call log: {why}") from None
        total = sum(item[2] for item in summaries)
        self.notes.append(f"The call log has {count} calls, and the audit log counts {total}.")

    def check_site(self, file_name: str) -> None:
        site = file_name[len("sites/") : -len(".jsonl")]
        whose, keys = f"the log of site {site}", [key for owner, key in self.keys if owner == site]
        with self.files.open(file_name) as file:
            rows = records(file)
            name, claimed, *_ = site_head(next(rows, None))
            need(claimed == site, f"{whose}: it names another site")
            held = [parts(item, site=str, checkpoint=dict) for item in self.of_sites]
            checkpoints = [
                Checkpoint(item, keys, "the dashboard") for owner, item in held if owner == site
            ]
            kept = self.kept_if_of(name, keys)
            log = SiteLog(name, checkpoints + kept)
            if not read_site_log(rows, log, whose):
                self.notes.append(f"Aura had not received {whose} before entry {log.first}.")
        for checkpoint in (checkpoint for checkpoint in checkpoints if checkpoint.n > log.n):
            self.notes.append(
                f"Aura had not received entries {log.n + 1} to {checkpoint.n} of {whose}."
            )
        self.notes += compare(
            [checkpoint for checkpoint in checkpoints if checkpoint.n <= log.n] + kept,
            log,
            log.n,
            whose,
        )

    def check_files(self) -> None:
        signature = unb64(self.files.read("manifest.sig").decode("ascii", "replace"))
        is_real = is_signed(self.key, EXPORT + self.manifest, signature)
        need(is_real, "manifest.json: it is not signed by the dashboard")
        need(set(self.listed) >= NEEDED, "manifest.json: it does not name all required files")
        unnamed = self.files.names - set(self.listed) - {"manifest.json", "manifest.sig"}
        need(not unnamed, f"manifest.json: it does not name {', '.join(sorted(unnamed))}")
        for name, digest in self.listed.items():
            need(self.files.digest(name) == digest, f"{name}: it differs from the exported file")


# ---- command line ----


def check(path: str, kept_path: str | None) -> tuple[list[str], list[str]]:
    """Verify the export at `path`; return what does not fit, and other remarks."""
    kept = None
    if kept_path:
        with open(kept_path, "rb") as file:
            kept = strict(file.read(MAX_LINE))
        parts(kept, body=str, sig=str)
    if not os.path.isdir(path) and not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            return check_log(records(file), kept)
    export = Export(Files(path), kept)
    export.check()
    return export.wrong, export.notes


def say(text: str) -> None:
    """Print a text with all control characters escaped."""
    # Control characters in a hostile file must not reach the terminal.
    print(re.sub(r"[^ -~\n]", lambda match: ascii(match.group())[1:-1], text))


def main() -> int:
    """Verify the export named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Verify an export of an audit log.")
    parser.add_argument("export", help="the zip, its unpacked folder, or the log of a site")
    parser.add_argument("--checkpoint", metavar="FILE", help="a checkpoint that you kept elsewhere")
    arguments = parser.parse_args()
    try:
        wrong, notes = check(arguments.export, arguments.checkpoint)
    except Misfit as why:
        wrong, notes = [str(why)], []
    except Exception as why:  # noqa: BLE001 -- any error in a hostile file means unreadable
        say(f"CANNOT BE READ: {why or type(why).__name__}")
        return 2
    for line in notes:
        say(line)
    for line in wrong:
        say(f"MISMATCH: {line}.")
    if not wrong:
        say("INTACT." + PROVES)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
