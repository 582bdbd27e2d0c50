"""Execute changes on a FakeSite as docs/PROTOCOL.md 3.3 specifies.

The site checks a plan before it changes anything, runs it once, and remembers the result.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from app import protocol
from app.keys import plan_digest, verify_plan
from app.protocol import from_b64u

if TYPE_CHECKING:
    from tests.support.fakes import FakeSite

HOST = "downloads.wordpress.org"
ERROR = "PHP Fatal error: Uncaught Error in akismet.php:88"
SHA256 = "ab" * 32
TREE = "cd" * 32
PLACES = {"plugin": "plugins", "siteagent": "plugins", "theme": "themes"}
SITEAGENT = "siteagent/siteagent.php"
PINNED = ("plugin", "theme", "core", "translation")


class Refusal(Exception):
    """A signed error instead of a result."""

    def __init__(self, code: str, **facts: str) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


@dataclass
class Changing:
    """The changes of a FakeSite.

    `plays` maps an ident to the outcome and reason of its installation. `killed` has the op_ids
    whose process dies midway, `asked` counts requests, and `installs` counts installations.
    """

    plays: dict[str, tuple[str, str]] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    approved_here: set[str] = field(default_factory=set)
    watched_until: int | None = None
    changelog: Any = None
    # The hashes of the package and its file tree that the site is offered, for any component.
    package: tuple[str | None, str | None] = (SHA256, TREE)
    asked: Counter[str] = field(default_factory=Counter)
    installs: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    ledger: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    started_from: dict[str, str] = field(default_factory=dict)

    # Why the site does not revert an update, and the requested reverts.
    not_reverted: str = ""
    reverts: Counter[str] = field(default_factory=Counter)

    # The path of that package on WordPress.org; None if the package comes from elsewhere.
    package_path: str | None = None

    def answer(self, site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        handlers = {
            "change.check": self._check,
            "change.run": self._run,
            "agent.update": self._run,
            "change.status": self._status,
            "change.revert": self._revert,
        }
        return handlers[document["op"]](site, document)

    def package_of(self, item: dict[str, Any]) -> tuple[str | None, str | None]:
        """Return the hash of the offered package, and the digest of its files."""
        return self.package

    def path_of(self, site: FakeSite, item: dict[str, Any]) -> str | None:
        """Return the path of the package on WordPress.org."""
        return self.package_path

    def version_of(self, site: FakeSite, kind: str, ident: str) -> str:
        return str(_component(site, kind, ident).get("version", ""))

    def _check(self, site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        item = document["item"]
        reasons = self._unmet(site, item)
        return {"eligible": not reasons, "reasons": reasons, "facts": self._facts(site, item)}

    def _facts(self, site: FakeSite, item: dict[str, Any]) -> dict[str, Any]:
        path = self.path_of(site, item)
        is_asked = item["kind"] in PINNED and item.get("package") is True
        is_asked &= path not in item.get("package_paths", [])
        sha256, tree = self.package_of(item) if is_asked else (None, None)
        return {
            "package_path": path,
            "package_sha256": sha256,
            "tree_sha256": tree,
            "home": site.home,
            "wp": site.report["wordpress"]["version"],
            "php": site.report["php"]["version"],
            "version": self.version_of(site, item["kind"], item["id"]),
            "active": True,
            "package_host": _host(item),
            "approval_on_site": site.report["agent"]["approval_on_site"],
            "rollback": site.report["agent"]["rollback"],
            "busy": False,
            "changelog": self.changelog,
        }

    def _run(self, site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        raw = from_b64u(document["plan"])
        assert site.paired is not None
        if not verify_plan(site.paired.sign_d, raw, from_b64u(document["sig"])):
            raise Refusal("invalid_arguments", argument="sig")
        plan = protocol.parse_json(raw)
        if (plan["do"], plan["op_id"]) != (document["op"], document["op_id"]):
            raise Refusal("invalid_arguments", argument="plan")
        if (plan["do"] == "agent.update") != (plan["item"]["kind"] == "siteagent"):
            raise Refusal("invalid_arguments", argument="item")
        if plan["kid"] != site.paired.kid or plan["site"] != site.uuid:
            raise Refusal("invalid_arguments", argument="plan")
        op_id, entry = plan["op_id"], self.ledger.get(plan["op_id"])
        self.asked[op_id] += 1
        if op_id in self.running:
            raise Refusal("invalid_arguments", argument="op_id", state="running")
        if entry is not None:
            if entry[0] != plan_digest(raw):
                raise Refusal("invalid_arguments", argument="op_id")
            return entry[1]
        is_restored = site.knows(document) is False
        refusal = _answer("refused", "site_log_forked")
        answer = refusal if is_restored else self._do(site, plan)
        passes = ("busy", "outside_window", "paused_by_owner", "outside_owner_window")
        if answer["outcome"] != "waiting" and answer["reason"] not in passes:
            self.ledger[op_id] = (plan_digest(raw), answer)
        outcome = {"outcome": answer["outcome"], "reason": answer["reason"]}
        site.write("update_answered", op_id=op_id, **plan["item"], **outcome)
        return answer

    def _do(self, site: FakeSite, plan: dict[str, Any]) -> dict[str, Any]:
        item, op_id = plan["item"], plan["op_id"]
        reason = self._unmet_by_plan(site, plan)
        if reason:
            return _answer("refused", reason)
        if site.report["agent"]["approval_on_site"] and op_id not in self.approved_here:
            self.waiting.add(op_id)
            return _answer("waiting", "approval_on_site")
        self.waiting.discard(op_id)
        if op_id in self.killed:
            self.running.add(op_id)
            self.started_from[op_id] = item["from"]
            raise ProcessKilled(op_id)
        sha256, _ = self.package_of(item)
        if item["package_sha256"] not in (None, sha256):
            refusal = _answer("refused", "package_changed")
            refusal["evidence"]["package_sha256"] = sha256
            return refusal
        return self._install(site, item, op_id)

    def _install(self, site: FakeSite, item: dict[str, Any], op_id: str) -> dict[str, Any]:
        outcome, reason = self.plays.get(item["id"], ("succeeded", ""))
        before = {"version": item["from"], "active": True, "probe": "ok"}
        self.installs[op_id] += 1
        self.order.append(item["id"])
        after = {**before}
        if outcome == "succeeded":
            self._put(site, item)
            after["version"] = item["to"]
        elif outcome == "failed":
            after = {"version": "0.0", "active": False, "probe": "fatal"}
        during = {"version": item["to"], "active": True, "probe": "fatal", "error": ERROR}
        evidence = {
            "before": before,
            "during": during if outcome == "rolled_back" else None,
            "after": after,
            "package_sha256": item["package_sha256"] or SHA256,
            "tree_sha256": item["tree_sha256"],
            "package_host": HOST,
            "took_ms": 1234,
            "messages": ["Unpacking the package", "Installing"],
            "kept_copy": True,
            "watched_until": self.watched_until,
        }
        return {"outcome": outcome, "reason": reason or None, "evidence": evidence}

    def _revert(self, site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        raw = from_b64u(document["plan"])
        assert site.paired is not None
        if not verify_plan(site.paired.sign_d, raw, from_b64u(document["sig"])):
            raise Refusal("invalid_arguments", argument="sig")
        plan, op_id = protocol.parse_json(raw), document["op_id"]
        entry = self.ledger.get(op_id)
        if plan["op_id"] != op_id or entry is None or entry[0] != plan_digest(raw):
            raise Refusal("invalid_arguments", argument="op_id")
        self.reverts[op_id] += 1
        if entry[1]["outcome"] != "succeeded":
            return entry[1]
        if self.not_reverted:
            return _answer("refused", self.not_reverted)
        item = plan["item"]
        evidence = {**entry[1]["evidence"]}
        evidence["during"] = {**evidence["after"], "error": None}
        evidence["after"] = {**evidence["before"]}
        _component(site, item["kind"], item["id"])["version"] = item["from"]
        answer = {"outcome": "rolled_back", "reason": "page_broken", "evidence": evidence}
        self.ledger[op_id] = (entry[0], answer)
        outcome = {"outcome": "rolled_back", "reason": "page_broken"}
        site.write("update_settled", op_id=op_id, **item, **outcome)
        return answer

    def reconcile(self, op_id: str) -> None:
        """Roll back a change whose process was killed, and record the result."""
        self.running.discard(op_id)
        self.installs[op_id] += 1
        evidence = _answer("rolled_back", "interrupted")
        version = {"version": self.started_from[op_id], "active": True, "probe": "ok"}
        evidence["evidence"] |= {"before": version, "after": version}
        self.ledger[op_id] = (b"", evidence)

    def _status(self, site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        op_id = document["op_id"]
        if op_id in self.ledger:
            return {"state": "done", **self.ledger[op_id][1]}
        if op_id in self.running:
            return {"state": "running"}
        return {"state": "waiting" if op_id in self.waiting else "never"}

    def _unmet_by_plan(self, site: FakeSite, plan: dict[str, Any]) -> str:
        now, pre = int(site.clock().timestamp()) + site.clock_ahead_s, plan["pre"]
        if plan["home"] != (site.says_home or site.home):
            return "wrong_site"
        if not plan["not_before"] <= now <= plan["not_after"]:
            return "outside_window"
        present = (site.report["wordpress"]["version"], site.report["php"]["version"])
        if (pre["wp"], pre["php"]) != present:
            return "environment_changed"
        if plan["item"]["package_host"] != _host(plan["item"]):
            return "package_host"
        if not _are_hours_of_owner(site, now):
            return "outside_owner_window"
        return next(iter(self._unmet(site, plan["item"])), "")

    def _unmet(self, site: FakeSite, item: dict[str, Any]) -> list[str]:
        reasons = []
        own = {"core": "core_minor", "siteagent": "siteagent", "database": "database"}
        permission = own.get(item["kind"], f"{item['kind']}s")
        if item["kind"] == "plugin" and item["id"] == SITEAGENT:
            reasons.append("is_siteagent")
        if not site.report["agent"]["permissions"][permission]:
            reasons.append("permission_off")
        if site.report["agent"].get("limits", {}).get("paused"):
            reasons.append("paused_by_owner")
        if _component(site, item["kind"], item["id"]).get("releases") == "none":
            reasons.append("excluded_by_owner")
        if not site.report["health"]["file_mods"] and item["kind"] != "database":
            reasons.append("file_mods_off")
        if self.version_of(site, item["kind"], item["id"]) != item["from"]:
            reasons.append("version_changed")
        update = _available_update(site, item["kind"], item["id"])
        if update is None:
            reasons.append("no_update_available")
        elif update["version"] != item["to"]:
            reasons.append("other_version_available")
        return reasons

    def _put(self, site: FakeSite, item: dict[str, Any]) -> None:
        if item["kind"] == "database":
            site.report["health"]["database_upgrades"] = []
            return
        _component(site, item["kind"], item["id"])["version"] = item["to"]
        available_updates = _available_updates(site, item["kind"])
        available_updates[:] = [
            update for update in available_updates if update.get("id", "core") != item["id"]
        ]


def _are_hours_of_owner(site: FakeSite, now: int) -> bool:
    """Return whether the owner allows updates to start in this hour of the week."""
    window = site.report["agent"].get("limits", {}).get("window", {})
    if not window.get("days"):
        return True
    begins, ends = window["from_hour"], window["to_hour"]
    span = range(begins, ends if ends > begins else ends + 24)
    hours = {((day - 1) * 24 + hour) % (7 * 24) for day in window["days"] for hour in span}
    local = datetime.fromtimestamp(now, ZoneInfo(window["time_zone"]))
    return local.weekday() * 24 + local.hour in hours


class ProcessKilled(Exception):
    """The site's process was killed, so the caller gets no reply."""


def _answer(outcome: str, reason: str) -> dict[str, Any]:
    state = {"version": None, "active": None, "probe": None}
    return {
        "outcome": outcome,
        "reason": reason,
        "evidence": {"before": state, "after": state, "took_ms": 0, "messages": []},
    }


def _component(site: FakeSite, kind: str, ident: str) -> dict[str, Any]:
    if kind == "core":
        found: dict[str, Any] = site.report["wordpress"]
        return found
    if kind == "database":
        return next(({"version": one["from"]} for one in _upgrades(site)), {})
    listed = site.report[PLACES[kind]]
    return next((component for component in listed if component["id"] == ident), {})


def _host(item: dict[str, Any]) -> str:
    return "none" if item["kind"] == "database" else HOST


def _upgrades(site: FakeSite) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.report["health"].get("database_upgrades", [])
    return found


def _available_updates(site: FakeSite, kind: str) -> list[dict[str, Any]]:
    if kind == "database":
        return [{"id": one["id"], "version": one["to"], "package": True} for one in _upgrades(site)]
    found: list[dict[str, Any]] = site.report["updates"][PLACES.get(kind, kind)]
    return found


def _available_update(site: FakeSite, kind: str, ident: str) -> dict[str, Any] | None:
    return next(
        (update for update in _available_updates(site, kind) if update.get("id", "core") == ident),
        None,
    )
