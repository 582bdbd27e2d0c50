"""Where known vulnerabilities come from: the agency's own key for Wordfence, or a file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from app import queue
from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import (
    VulnerabilityFetchRequested,
    VulnerabilityFileUploaded,
    VulnerabilityKeyRemoved,
    VulnerabilityKeySet,
)
from app.domain.errors import Conflict, Invalid
from app.domain.vulnerabilities.feed import MAX_FEED_BYTES
from app.keys import KeyRing
from app.models.base import transaction
from app.models.vulnerabilities import VulnerabilityFeed

MAX_KEY_CHARS = 500
JOB = "update_vulnerabilities"
_CONTEXT = "vulnerabilities:key"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class FeedFiles:
    """The files in Aura's data folder: the last feed, one on its way, and one from a person."""

    kept: Path
    part: Path
    upload: Path

    @classmethod
    def of(cls, config: Config) -> FeedFiles:
        names = ("vulnerabilities.json", "vulnerabilities.part", "vulnerabilities.upload")
        return cls(*(config.var_dir / name for name in names))


def set_key(key: str, *, by: Actor, config: Config, now: datetime) -> None:
    """Store the key, and fetch the feed at once. Raises Forbidden, or Invalid('key', …)."""
    permissions.require(by, "vulnerability_feed")
    key = key.strip()
    if not key:
        raise Invalid("key", "Enter the key.")
    if len(key) > MAX_KEY_CHARS or not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid("key", "This is no key: one line of letters, digits and punctuation.")
    sealed = KeyRing(config.sealing_keys).seal(key.encode("ascii"), _CONTEXT)
    with permissions.user_transaction(by, "vulnerability_feed") as (tx, present):
        VulnerabilityFeed.write(key_sealed=sealed, next_fetch_at=now, attempts=0)
        audit.record(VulnerabilityKeySet(), present, now=now)
        tx.after_commit(queue.enqueue, JOB)


def remove_key(*, by: Actor, now: datetime) -> None:
    """Delete the key. What is known stays. Raises Forbidden, or Conflict without a key."""
    with permissions.user_transaction(by, "vulnerability_feed") as (_, present):
        if not VulnerabilityFeed.read().key_sealed:
            raise Conflict("The key was already removed.")
        VulnerabilityFeed.write(key_sealed=None, next_fetch_at=None, attempts=0)
        audit.record(VulnerabilityKeyRemoved(), present, now=now)


def request_fetch(*, by: Actor, now: datetime) -> None:
    """Fetch the feed now. Raises Forbidden, or Conflict without a key."""
    with permissions.user_transaction(by, "vulnerability_feed") as (tx, present):
        if not VulnerabilityFeed.read().key_sealed:
            raise Conflict("There is no key. Enter one first.")
        VulnerabilityFeed.write(next_fetch_at=now)
        audit.record(VulnerabilityFetchRequested(), present, now=now)
        tx.after_commit(queue.enqueue, JOB)


def accept_file(file: IO[bytes], *, by: Actor, config: Config, now: datetime) -> None:
    """Keep a copy of a file, and have a job import it. Raises Forbidden or Invalid('file', …)."""
    permissions.require(by, "vulnerability_feed")
    files = FeedFiles.of(config)
    # A name of its own, so that two people at once do not write into one file.
    target = files.upload.with_name(f"{files.upload.name}.{os.urandom(8).hex()}")
    try:
        digest, size = _copy(file, target)
        with permissions.user_transaction(by, "vulnerability_feed") as (tx, present):
            target.replace(files.upload)
            VulnerabilityFeed.write(uploaded_at=now)
            audit.record(VulnerabilityFileUploaded(digest=digest, size=size), present, now=now)
            tx.after_commit(queue.enqueue, JOB)
    finally:
        target.unlink(missing_ok=True)


def accept_file_from_cli(file: IO[bytes], *, by: Actor, config: Config, now: datetime) -> None:
    """Do the same for people who may use Aura's command line; the caller imports it."""
    digest, size = _copy(file, FeedFiles.of(config).upload)
    with transaction():
        VulnerabilityFeed.write(uploaded_at=now)
        audit.record(VulnerabilityFileUploaded(digest=digest, size=size), by, now=now)


def _copy(file: IO[bytes], target: Path) -> tuple[str, int]:
    """Write a file that only this user can read; return its SHA-256 and its size."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        while chunk := file.read(_CHUNK_BYTES):
            if not size and not chunk.lstrip()[:1] == b"{":
                raise Invalid("file", "This is no feed: a feed is a JSON file that begins with {.")
            size += len(chunk)
            if size > MAX_FEED_BYTES:
                most = MAX_FEED_BYTES // 1024**2
                raise Invalid("file", f"The file is larger than {most} MB, so it is no feed.")
            digest.update(chunk)
            copy.write(chunk)
    if not size:
        raise Invalid("file", "Choose a file that is not empty.")
    return digest.hexdigest(), size


def open_key(feed: VulnerabilityFeed, config: Config) -> str:
    """Return the key. Raises SealBroken if its sealing key is missing."""
    return KeyRing(config.sealing_keys).open(feed.key_sealed or "", _CONTEXT).decode("ascii")


def sealed_key() -> str:
    """Return the key as it is stored, or an empty text."""
    return VulnerabilityFeed.read().key_sealed or ""
