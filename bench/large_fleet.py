"""A database of a thousand sites with 43 components each and a year of history.

It is built once a day and kept in the user's cache. The last month happens in `tests/fleet`, by the
domain functions. What came before, and the syncs of each hour, are written past them.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import random
import shutil
import sqlite3
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.domain.audit.chain import log_uuid
from app.domain.audit.entry_format import private_details_hash
from app.models import migrate
from app.models.base import db, use_database, utcnow
from app.protocol import canonical
from bench.bulk_log import BulkLog, StoredEntry
from tests.fleet.build import build_fleet
from tests.support import quick_passwords
from tests.support.config import make_config

SITES, COMPONENTS = 1000, 43
_ROOT = Path(__file__).parents[1]
# What the content of the database follows from.
_SOURCES = ("bench/large_fleet.py", "bench/bulk_log.py", "tests/fleet/*.py")
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
_YEAR, _BUILT, _CALLS_KEPT, _SYNCS_KEPT = 365, 31, 90, 30
_SITES_OF_CLIENT = 20
_WAITING_FOR_APPROVAL = 100
_UNREACHABLE = 20
_EXTRA_PLUGINS = 400
_OPERATOR = 2
# Of a day with an outage; and how fast a site answered, as `CountsField` has it.
_DOWN_S, _ANSWERS = 600, "F120G130H38"
_OUTCOMES = ("succeeded",) * 94 + ("rolled_back",) * 4 + ("failed",) * 2


def cached_database() -> Path:
    """Return the SQLite file; build it if there is none of today and of these sources.

    Later migrations may be missing in it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aura-bench"
    digest = hashlib.sha256(utcnow().date().isoformat().encode())
    for pattern in _SOURCES:
        for source in sorted(_ROOT.glob(pattern)):
            digest.update(source.read_bytes())
    found = cache / f"fleet-{digest.hexdigest()[:16]}.db"
    if not found.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for old in cache.glob("fleet-*.db"):
            old.unlink()
        with tempfile.TemporaryDirectory(prefix="aura-bench-", dir=cache) as folder:
            _build(Path(folder))
            shutil.move(Path(folder) / "aura.db", found)
    return found


def _build(folder: Path) -> None:
    config, now = make_config(folder), utcnow()
    with patch.dict("app.models.base._SQLITE_PRAGMAS", synchronous="off"), quick_passwords.quick():
        migrate.to_newest(config.database_url, config.var_dir)
        use_database(config.database_url)
        with db.connection_context():
            build_fleet(config, SITES, now=now)
            uuid = log_uuid()
    db.close()
    with closing(sqlite3.connect(folder / "aura.db")) as raw:
        # A file that is thrown away if anything fails needs no journal.
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -400000"):
            raw.execute(f"PRAGMA {pragma}")
        _History(raw, BulkLog(raw, uuid), now.replace(microsecond=0)).write()
        raw.commit()
        raw.execute("PRAGMA journal_mode = wal")


class _History:
    """A year of data, added to a fleet that was built."""

    def __init__(self, raw: sqlite3.Connection, log: BulkLog, now: datetime) -> None:
        self._raw, self._log, self._now = raw, log, now
        self._dice = random.Random(7)
        self._sites: list[int] = []
        self._changes: list[dict[str, Any]] = []

    def write(self) -> None:
        self._spread_clients()
        rows = self._raw.execute("SELECT id FROM site WHERE state = 'active' ORDER BY id")
        self._sites = [site_id for (site_id,) in rows]
        self._add_components()
        self._syncs_and_calls()
        self._days()
        self._plan_changes()
        self._store_changes()
        self._propose()
        self._log.write(heapq.merge(self._events(), self._stored(), key=_at))

    def _spread_clients(self) -> None:
        """Give each client of the fleet no more sites than one of an agency has."""
        clients = self._raw.execute("SELECT id FROM client ORDER BY id").fetchall()
        columns = "approvals, contact_name, contact_email, contact_phone, notes, notes_by, notes_at"
        for (client_id,) in clients:
            found = self._raw.execute(
                "SELECT id FROM site WHERE client_id = ? ORDER BY id", (client_id,)
            ).fetchall()
            for begin in range(_SITES_OF_CLIENT, len(found), _SITES_OF_CLIENT):
                region = begin // _SITES_OF_CLIENT + 1
                added = self._raw.execute(
                    f"INSERT INTO client (name, {columns})"
                    f" SELECT name || ' ' || ?, {columns} FROM client WHERE id = ?",
                    (region, client_id),
                ).lastrowid
                some = found[begin : begin + _SITES_OF_CLIENT]
                moved = [(added, site_id) for (site_id,) in some]
                self._raw.executemany("UPDATE site SET client_id = ? WHERE id = ?", moved)

    def _add_components(self) -> None:
        """Fill each site up to COMPONENTS, in its report as well; one in twenty is outdated."""
        for site_id in self._sites:
            found = self._raw.execute("SELECT body FROM report WHERE site_id = ?", (site_id,))
            row = found.fetchone()
            if row is None:
                continue
            report = json.loads(row[0])
            present = len(report["plugins"]) + len(report["themes"])
            # Few plugins are on many sites, and many on few.
            chosen = {int(_EXTRA_PLUGINS * self._dice.random() ** 2) for _ in range(200)}
            for number in sorted(chosen, key=lambda _: self._dice.random())[: COMPONENTS - present]:
                self._add_plugin(site_id, report, number)
            body = json.dumps(report, separators=(",", ":"), ensure_ascii=False)
            self._raw.execute("UPDATE report SET body = ? WHERE site_id = ?", (body, site_id))

    def _add_plugin(self, site_id: int, report: dict[str, Any], number: int) -> None:
        slug, version = f"extension-{number}", f"{1 + number % 6}.{number % 10}.0"
        plugin = {
            **report["plugins"][0],
            "id": f"{slug}/{slug}.php",
            "name": f"Extension {number} for WordPress",
            "version": version,
        }
        report["plugins"].append(plugin)
        newer = f"{1 + number % 6}.{number % 10}.1" if self._dice.random() < 0.05 else None
        self._insert(
            "component", site_id=site_id, kind="plugin", ident=plugin["id"], name=plugin["name"],
            version=version, active=1, network_active=0, auto_update=0, author="Some Authors",
            requires_wp="6.4", requires_php="7.4", update_uri="", update_version=newer,
            update_has_package=1 if newer else None, update_requires_wp="", update_requires_php="",
        )  # fmt: skip
        if newer is None:
            return
        offer = {"id": plugin["id"], "version": newer, "requires_wp": "", "requires_php": ""}
        report["updates"]["plugins"].append({**offer, "package": True})
        self._insert(
            "available_update", site_id=site_id, kind="plugin", ident=plugin["id"],
            name=plugin["name"], from_version=version, to_version=newer, release_type="patch",
            permission="plugins", is_fit=1, reasons="[]",
        )  # fmt: skip
        add = "UPDATE site SET update_count = update_count + 1 WHERE id = ?"
        self._raw.execute(add, (site_id,))

    def _syncs_and_calls(self) -> None:
        """Add one sync and call an hour for each site, while they are kept; some sites are down."""
        self._raw.execute("DELETE FROM sync WHERE state = 'done'")
        self._raw.execute("DELETE FROM site_call")
        first = self._now - _CALLS_KEPT * _DAY
        for hour in range(_CALLS_KEPT * 24):
            at = first + hour * _HOUR
            moments = [_text(at + timedelta(seconds=3 * n)) for n in range(len(self._sites))]
            calls = [
                (self._nonce(), site_id, "report", moment, 300, "ok", 2 * hour)
                for site_id, moment in zip(self._sites, moments, strict=True)
            ]
            self._raw.executemany(
                "INSERT INTO site_call (nonce, site_id, op, at, elapsed_ms, outcome, head_n)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                calls,
            )
            if at >= self._now - _SYNCS_KEPT * _DAY:
                self._raw.executemany(
                    "INSERT INTO sync (site_id, requested_by, requested_at, started_at, ended_at,"
                    " state, error_code, evidence, unchanged)"
                    " VALUES (?, 'the schedule', ?, ?, ?, 'done', '', '{}', 1)",
                    [(one, when, when, when)
                     for one, when in zip(self._sites, moments, strict=True)],
                )  # fmt: skip
        self._raw.execute(
            "UPDATE site SET last_contact_at = ?, last_success_at = ?"
            " WHERE state = 'active' AND error_code = ''",
            (moments[-1], moments[-1]),
        )
        self._raw.execute("UPDATE report SET received_at = ?", (moments[-1],))
        away = self._dice.sample(self._sites, _UNREACHABLE)
        self._raw.executemany(
            "UPDATE site SET error_code = 'timeout', consecutive_failures = 5, error_at = ?"
            " WHERE id = ? AND quarantine = ''",
            [(moments[0], site_id) for site_id in away],
        )

    def _nonce(self) -> str:
        return urlsafe_b64encode(self._dice.randbytes(16)).decode()[:22]

    def _days(self) -> None:
        self._raw.execute("DELETE FROM daily_checks")
        self._raw.execute("DELETE FROM update_backlog")
        self._raw.execute("DELETE FROM uptime_span WHERE unit = 'd'")
        for ago in range(_YEAR, 0, -1):
            day = (self._now - ago * _DAY).replace(hour=0, minute=5, second=0)
            last = _text(day + 23 * _HOUR)
            gap = json.dumps([[(day + 4 * _HOUR).isoformat(), (day + 9 * _HOUR).isoformat()]])
            date = day.date().isoformat()
            self._raw.executemany(
                "INSERT INTO daily_checks VALUES (?, ?, 24, 24, 0, ?, ?, ?)",
                [(site_id, date, _text(day), last, gap if self._dice.random() < 0.01 else "[]")
                 for site_id in self._sites],
            )  # fmt: skip
            down = [_DOWN_S if self._dice.random() < 0.01 else 0 for _ in self._sites]
            self._raw.executemany(
                "INSERT INTO uptime_span (site_id, unit, number, up_s, degraded_s, down_s,"
                " maintenance_s, unknown_s, counts) VALUES (?, 'd', ?, ?, 0, ?, 0, 0, ?)",
                [(site_id, day.toordinal(), 24 * 3600 - down_s, down_s, _ANSWERS)
                 for site_id, down_s in zip(self._sites, down, strict=True)],
            )  # fmt: skip
            if ago <= _SYNCS_KEPT:
                rows = [(site_id, date, self._dice.randrange(6)) for site_id in self._sites]
                add = "INSERT INTO update_backlog (site_id, day, updates) VALUES (?, ?, ?)"
                self._raw.executemany(add, rows)

    # ---- updates ----

    def _plan_changes(self) -> None:
        """Plan one change a week for each site; those of a day and a plugin are one batch."""
        for ago in range(_YEAR, _BUILT, -1):
            day = (self._now - ago * _DAY).replace(hour=2, minute=0, second=0)
            for position, site_id in enumerate(self._sites[ago % 7 :: 7]):
                number = int(30 * self._dice.random() ** 2)
                minor = (_YEAR - ago) // 7
                self._changes.append(
                    {
                        "id": len(self._changes) + 1,
                        "site_id": site_id,
                        "batch": f"{ago:08}-0000-4000-8000-{number:012}",
                        "op_id": f"{len(self._changes):08}-0000-4000-8000-{site_id:012}",
                        "ident": f"extension-{number}/extension-{number}.php",
                        "name": f"Extension {number} for WordPress",
                        "from_version": f"1.{minor}.0",
                        "to_version": f"1.{minor + 1}.0",
                        "at": day + timedelta(seconds=20 * position),
                        "outcome": self._dice.choice(_OUTCOMES),
                    }
                )

    def _store_changes(self) -> None:
        """Add the changes before those of the built month, with the columns of one of them."""
        shift = len(self._changes)
        self._raw.execute("UPDATE change SET id = -id")
        self._raw.execute("UPDATE change SET id = ? - id", (shift,))
        template = self._usual_change()
        for change in self._changes:
            own = {name: value for name, value in change.items() if name not in ("at", "outcome")}
            at, end = _text(change["at"]), _text(change["at"] + _MINUTE)
            own |= {"state": change["outcome"], "rule_id": None, "kind": "plugin"}
            own |= {"proposed_at": at, "requested_at": at, "not_before": at, "not_after": end}
            own |= {"checked_at": at, "decided_at": at, "started_at": at, "ended_at": end}
            own["closed_by"] = "" if change["outcome"] == "succeeded" else "Tomás Rivera"
            self._insert("change", **{**template, **own})

    def _usual_change(self) -> dict[str, Any]:
        """Return the columns of an update that the fleet made."""
        found = self._raw.execute("SELECT * FROM change WHERE state = 'succeeded' LIMIT 1")
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone(), strict=True))

    def _propose(self) -> None:
        """Have the updates of one plugin wait for the approval of the agency."""
        template = self._usual_change()
        wanted = self._raw.execute(
            "SELECT u.site_id, u.kind, u.ident, u.name, u.from_version, u.to_version, u.permission,"
            " u.release_type FROM available_update u JOIN site s ON s.id = u.site_id"
            " JOIN client c ON c.id = s.client_id WHERE u.is_fit AND c.approvals = 'self'"
            " AND s.quarantine = '' AND NOT EXISTS (SELECT 1 FROM change o WHERE"
            " o.site_id = u.site_id AND o.ident = u.ident)"
            " GROUP BY u.site_id ORDER BY u.ident LIMIT ?",
            (_WAITING_FOR_APPROVAL,),
        ).fetchall()
        last = self._raw.execute("SELECT MAX(id) FROM change").fetchone()[0]
        at, end = _text(self._now - 3 * _HOUR), _text(self._now + 3 * _DAY)
        columns = ("site_id", "kind", "ident", "name", "from_version", "to_version", "permission",
                   "release_type")  # fmt: skip
        for number, row in enumerate(wanted, 1):
            own = dict(zip(columns, row, strict=True))
            own |= {"id": last + number, "batch": "ffffffff-0000-4000-8000-000000000000"}
            own |= {"op_id": f"ffffffff-0000-4000-8000-{number:012}", "state": "proposed"}
            own |= {"proposed_at": at, "requested_at": at, "not_before": at, "not_after": end}
            own |= dict.fromkeys(("decided_at", "started_at", "sent_at", "ended_at"))
            own |= {"approved_by_id": None, "rule_id": None, "decided_by": "", "plan": ""}
            own |= {"how": "", "signature": "", "evidence": "{}", "proposer": "Tomás Rivera"}
            self._insert("change", **{**template, **own})

    # ---- the audit log ----

    def _stored(self) -> list[StoredEntry]:
        """Return the entries of the built month, with the new numbers of its changes."""
        found = []
        for entry in self._log.take_out():
            body = json.loads(entry.body)
            if "change_id" in body["facts"]:
                body["facts"]["change_id"] += len(self._changes)
            found.append(StoredEntry.of(body, entry.salt, entry.detail))
        return found

    def _events(self) -> Iterator[StoredEntry]:
        """Yield a new report a day and site, few failed syncs, and the updates, in order."""
        days: dict[object, list[dict[str, Any]]] = {}
        for change in self._changes:
            days.setdefault(change["at"].date(), []).append(change)
        for ago in range(_YEAR, 0, -1):
            day = (self._now - ago * _DAY).replace(hour=1, minute=0, second=0)
            for position, site_id in enumerate(self._sites):
                at = day + timedelta(seconds=3 * position)
                if self._dice.random() < 0.01:
                    facts: dict[str, Any] = {"error_code": "timeout", "outcome": "failed"}
                    yield _entry("sync_failed", at, site_id, {**facts, "sync_id": position})
                digest = self._dice.randbytes(32).hex()
                facts = {"available_updates": 2, "components": COMPONENTS, "dropped_fields": 0}
                yield _entry("report_received", at, site_id, {**facts, "digest": digest})
            for change in days.get(day.date(), ()):
                yield from _steps(change)

    def _insert(self, table: str, **columns: Any) -> None:
        names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
        self._raw.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",
            tuple(columns.values()),
        )


def _steps(change: dict[str, Any]) -> Iterator[StoredEntry]:
    """Yield what an update leaves; a failed one is looked after."""
    shared = {
        "change_id": change["id"],
        "kind": "plugin",
        "ident": change["ident"],
        "name": change["name"],
        "from_version": change["from_version"],
        "to_version": change["to_version"],
        "op_id": change["op_id"],
    }
    digest = hashlib.sha256(change["op_id"].encode()).hexdigest()
    approval = {"digest": digest, "how": "person", "reason": "", "starts_at": ""}
    evidence = {"before_version": change["from_version"], "after_version": change["to_version"]}
    ended = {"outcome": change["outcome"], "reason": "", "how": "answer", "evidence": evidence}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("change_proposed", {"reason": "Weekly maintenance", "rule_id": None}),
        ("change_checked", {"digest": digest, "home": "https://site.example", "reported": {}}),
        ("change_approved", {**approval, "rule_id": None}),
        ("change_started", {"attempt": 1}),
        ("change_ended", {**ended, "evidence_digest": digest}),
    ]
    if change["outcome"] != "succeeded":
        steps.append(("change_acknowledged", {}))
    for number, (event, facts) in enumerate(steps):
        at = change["at"] + timedelta(seconds=2 * number)
        is_decision = event in ("change_proposed", "change_approved", "change_acknowledged")
        private = {"approver": "Tomás Rivera"} if event == "change_approved" else {}
        who = _OPERATOR if is_decision else None
        yield _entry(event, at, change["site_id"], {**shared, **facts}, who, private)


def _entry(
    event: str,
    at: datetime,
    site_id: int,
    facts: dict[str, Any],
    user_id: int | None = None,
    private: dict[str, str] | None = None,
) -> StoredEntry:
    """Return an entry of Aura itself, or of a person."""
    salt, detail = "", ""
    if user_id is not None:
        actor = {"name": "Tomás Rivera", "ip": "192.0.2.10"}
        salt, detail = "00" * 16, canonical({"actor": actor, "facts": private or {}}).decode()
    body = {
        "v": 1,
        "at": at.isoformat(),
        "event": event,
        "actor": {"kind": "user" if user_id else "system", "id": user_id},
        "site": site_id,
        "client": None,
        "facts": facts,
        "private": private_details_hash(bytes.fromhex(salt), detail) if detail else None,
    }
    return StoredEntry.of(body, salt, detail)


def _at(entry: StoredEntry) -> str:
    return entry.at


def _text(at: datetime) -> str:
    """Return a moment as the database keeps it."""
    return at.astimezone(UTC).isoformat(sep=" ")
