"""Read a site's log: fetch new entries, verify each hash, and store the exact bytes.

See docs/PROTOCOL.md 5.4. Stored entries never change. If reading starts again after a mismatch, the
new entries are stored as another branch of the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app import queue
from app.config import Config
from app.domain import alerts, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import checkpoints
from app.domain.audit.checkpoints import Checkpoint, CheckpointInvalid
from app.domain.connection import calls, health, quarantine
from app.domain.connection.calls import Call, CallResult
from app.domain.crosscheck import log_records, restored_versions, routine_entries
from app.domain.errors import NotPaired
from app.http import site_client
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.checkpoints import SiteCheckpoint
from app.models.site_log import SiteLog, SiteLogEntry
from app.models.sites import EXCESSIVE, Site
from app.protocol import ProtocolError, chain_genesis, from_b64u, parse_json, site_log_hash

_NAME = "log"
MAX_ENTRIES = 500
# A site may have trimmed entries that are older than this many.
MIN_RETAINED = 10_000
# The next job reads further, so that one long log does not delay other sites.
MAX_BATCHES = 5
# Wait between two such jobs, so that one site never keeps a worker busy.
PAUSE_S = 60
# Limits per site, for a day (UTC) and in total. Entries are never deleted, so a dishonest
# site could fill the disk. An honest site sends about 20 MB a year.
DAY_BYTES = 20 * 1024 * 1024
TOTAL_BYTES = 500 * 1024 * 1024
# The size of a row and its index without the text.
_ROW_BYTES = 300


class LogBroken(Exception):
    """Entry `seq` is invalid, and so are all later ones."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"entry {seq} {why}")
        self.seq = seq
        self.why = why


@dataclass(frozen=True)
class LogEntry:
    """An entry as received."""

    seq: int
    prev: str
    body: str
    hash: str

    @property
    def event(self) -> object:
        return json.loads(self.body).get("event")

    @property
    def nonce(self) -> object:
        """Return the nonce of the request that the entry is about, if any."""
        facts = json.loads(self.body).get("facts")
        return facts.get("nonce") if isinstance(facts, dict) else None


@dataclass(frozen=True)
class Batch:
    """The entries of an answer in order. `first` is the oldest entry that the site has."""

    links: list[LogEntry]
    first: int
    has_more: bool


def request_site_log(site: Site, *, by: Actor) -> None:
    """Queue reading the log.

    Raises: Forbidden, or NotPaired.
    """
    with permissions.user_transaction(by, "sync", site) as (tx, _):
        site.refresh()
        if not site.is_paired:
            raise NotPaired("This site is not paired, so its log cannot be read.")
        tx.after_commit(queue.enqueue, "read_log", site.id)


def read_site_log(
    site_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Fetch and store new entries, and compare both logs; return the result.

    Safe to run twice at once: only one of two runs stores a batch.
    """
    site = Site.get_or_none(Site.id == site_id)
    if site is None or not site.is_paired:
        return "not paired"
    if site.quarantine == EXCESSIVE:
        return "too much"  # until a person has decided
    for _ in range(MAX_BATCHES):
        state = _read_on(site, config, call, now)
        if state != "more":
            break
    else:
        queue.enqueue("read_log", site.id, delay_s=PAUSE_S)
    log_records.compare_site_log(site, now())
    routine_entries.keep_digests(site)
    return state


def _read_on(site: Site, config: Config, call: Call, now: Callable[[], datetime]) -> str:
    read = SiteLog.get_or_create_for(site)
    try:
        channel = calls.channel_to(site, config)
    except SealBroken:
        return "keys unreadable"  # the sync before it already recorded the failure
    question = {"after": read.n, **quarantine.known_head(site)}
    outcomes, channel = calls.call_with_fallback(
        site, channel, _NAME, question, by=SYSTEM.name, config=config, call=call, now=now
    )
    outcome = calls.effective_result(outcomes)
    with transaction():
        for result in outcomes:
            calls.record(result, site.id, now=now())
        if outcome.reply is None:
            return outcome.error_code
        health.record_success(site, outcome, SYSTEM, now(), endpoint=channel.endpoint)
        return _keep(site, read, outcome, now())


def _keep(site: Site, read: SiteLog, outcome: CallResult, now: datetime) -> str:
    """Store the valid entries of a batch, and raise an alert for an invalid one.

    Runs inside the caller's transaction.
    """
    document = outcome.document or {}
    try:
        checkpoint = checkpoints.parse_checkpoint(document.get("checkpoint"), site.sign_s)
        batch = parse_batch(document)
    except (CheckpointInvalid, LogBroken) as why:
        return _broken(site, read, LogBroken(read.n + 1, str(why)), now)
    if read.log and read.log != checkpoint.log:
        # SiteAgent was reinstalled and has a new log.
        return "more" if read.begin_another(checkpoint.log) else "read elsewhere"
    kept = _with(read, batch, now)
    if kept["day_bytes"] > DAY_BYTES or kept["total_bytes"] > TOTAL_BYTES:
        return _excessive(site, kept, now)
    start = Cursor(read.n, read.hash or chain_genesis(checkpoint.log).hex())
    signed = SiteCheckpoint.between(site, checkpoint.log, 1, checkpoint.n)
    anchors = {anchor.n: anchor.hash for anchor in signed}
    whole, broken = verify_batch(batch, start, checkpoint, anchors)
    # A site logs a request for its log before it answers.
    is_in_log = any(link.nonce in outcome.nonces for link in whole)
    if not broken and not batch.has_more and not is_in_log:
        broken = LogBroken(checkpoint.n, "and the entry of this request are missing")
    last = whole[-1] if whole else None
    reached = {"n": last.seq, "hash": last.hash} if last else {"n": start.n, "hash": start.hash}
    if not read.advance(log=checkpoint.log, read_at=now, **reached, **kept):
        return "read elsewhere"
    for link in whole:
        SiteLogEntry.create(
            site=site,
            branch=read.branch,
            seq=link.seq,
            log=checkpoint.log,
            prev=link.prev,
            body=link.body,
            hash=link.hash,
            received_at=now,
        )
    restored_versions.record_restored_versions(site, [link.body for link in whole], now)
    if broken is not None:
        return _broken(site, read, broken, now)
    return "more" if batch.has_more else "read"


@dataclass(frozen=True)
class Cursor:
    """Where a batch must continue: after entry `n` with `hash`."""

    n: int
    hash: str


def parse_batch(document: dict[str, Any]) -> Batch:
    """Parse the entries in an answer.

    Raises: LogBroken for what no correct plugin sends.
    """
    entries, first = document.get("entries"), document.get("from")
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES or type(first) is not int:
        raise LogBroken(0, "is in an answer that is not part of a log")
    return Batch([_link(entry) for entry in entries], first, document.get("more") is True)


def _link(sent: object) -> LogEntry:
    link = sent if isinstance(sent, dict) else {}
    seq, prev, digest = link.get("seq"), link.get("prev"), link.get("hash")
    if type(seq) is not int or not isinstance(prev, str) or not isinstance(digest, str):
        raise LogBroken(0, "has no number or no hashes")
    try:
        body = from_b64u(link.get("body")).decode("utf-8")
        parse_json(body.encode())
    except (ProtocolError, UnicodeDecodeError) as why:
        raise LogBroken(seq, "cannot be read") from why
    return LogEntry(seq, prev, body, digest)


def verify_batch(
    batch: Batch, start: Cursor, checkpoint: Checkpoint, anchors: dict[int, str]
) -> tuple[list[LogEntry], LogBroken | None]:
    """Return the valid entries after `start`, and the problem of the next one, if any.

    Older entries may have been trimmed or belong to another connection. Then the batch starts where
    the site says its log starts. Each hash that the site signed (`anchors`, `checkpoint`) must
    match its entry.
    """
    whole: list[LogEntry] = []
    seq, digest = start.n, start.hash
    for link in batch.links:
        begins = not whole and batch.first > start.n + 1 and _may_begin(link, batch, checkpoint)
        if link.seq != seq + 1 and not begins:
            return whole, LogBroken(seq + 1, "is missing")
        if not begins and link.prev != digest:
            return whole, LogBroken(link.seq, "does not follow the previous entry")
        try:
            digest_of_body = hashlib.sha256(link.body.encode()).digest()
            computed = site_log_hash(link.seq, bytes.fromhex(link.prev), digest_of_body).hex()
        except ValueError:
            computed = ""
        if computed != link.hash:
            return whole, LogBroken(link.seq, "was altered")
        if anchors.get(link.seq, link.hash) != link.hash:
            return whole, LogBroken(link.seq, "is not the entry that the site signed")
        whole.append(link)
        seq, digest = link.seq, link.hash
    if checkpoint.n < seq or (checkpoint.n == seq and checkpoint.hash != digest):
        return whole, LogBroken(seq, "is not the last entry that the site named")
    return whole, None


def _may_begin(link: LogEntry, batch: Batch, checkpoint: Checkpoint) -> bool:
    """Whether no older entry is required before this one.

    A connection begins with it, or it is the oldest one that a log of that length keeps.
    """
    was_trimmed = checkpoint.n - link.seq >= MIN_RETAINED - 1
    return link.seq == batch.first and (link.event == "connected" or was_trimmed)


def _with(read: SiteLog, batch: Batch, now: datetime) -> dict[str, Any]:
    """Return the stored size of the log with this batch, as columns."""
    size = sum(len(link.body.encode()) + _ROW_BYTES for link in batch.links)
    day = f"{now:%Y-%m-%d}"
    today = read.day_bytes if read.day == day else 0
    return {"day": day, "day_bytes": today + size, "total_bytes": read.total_bytes + size}


def _excessive(site: Site, kept: dict[str, Any], now: datetime) -> str:
    """Store nothing of the batch, and pause until a person decides."""
    sizes = {"sent_today": kept["day_bytes"], "sent_in_all": kept["total_bytes"]}
    quarantine.note_excess(site, sizes, SYSTEM, now)
    limits = {"sent_today": DAY_BYTES, "sent_in_all": TOTAL_BYTES}
    evidence = {"site": sizes, "aura": limits}
    alerts.raise_alert(site, alerts.LOG_EXCESSIVE, kept["day"], evidence, SYSTEM, now)
    return "too much"


def _broken(site: Site, read: SiteLog, broken: LogBroken, now: datetime) -> str:
    evidence = {
        "site": {"entry": broken.seq, "why": broken.why},
        "aura": {"read_up_to": read.n, "hash": read.hash},
    }
    checkpoint = SiteCheckpoint.newest(site)
    text = f"{read.branch}:{broken.seq}:{broken.why}:{read.hash}"
    if checkpoint is not None:
        evidence["site"]["signed_up_to"] = checkpoint.n
    key = hashlib.sha256(text.encode()).hexdigest()
    alerts.raise_alert(site, alerts.LOG_BROKEN, key, evidence, SYSTEM, now)
    return "broken"
