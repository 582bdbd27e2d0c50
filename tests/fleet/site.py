"""One simulated site: a FakeSite with a plausible WordPress, which can also be broken."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from app import protocol
from app.http.connection_trace import Trace
from app.http.errors import CallError, ErrorCode
from app.http.response import RawResponse
from app.http.site_client import Channel, ProbeResponse, Reply
from app.protocol import MAX_FIELD_BYTES, MAX_REQUEST_BYTES
from tests.fleet import releases
from tests.fleet.catalog import PLUGINS, WORDPRESS
from tests.fleet.market import Market
from tests.support.fake_changes import Changing
from tests.support.fake_looks import INDEX, LIMITS, REFUSAL
from tests.support.fakes import FakeSite

Answer = tuple[int, dict[str, str], bytes]

_HTML = {"Content-Type": "text/html; charset=UTF-8"}
_JSON = {"Content-Type": "application/json"}
_PAGE = "<!doctype html><html lang=en><title>{name}</title><h1>{name}</h1><p>{text}</p></html>"
_ADMIN = (
    "This is the wp-admin of a simulated website.</p>"
    "<form method=post action={home}/paste><label>Pairing token <input name=token size=60></label>"
    " <button>Connect</button></form><p>Aura connects within seconds."
)
_CHECKED_EVERY_S = 12 * 3600
_BY_IDENT = {plugin.ident: plugin for plugin in PLUGINS}

# The response of a broken site to every request; None closes the connection.
OUT_OF_ORDER: dict[str, Answer | None] = {
    "silent": None,
    "maintenance": (
        503,
        _HTML,
        b"<!doctype html><title>Maintenance</title><h1>Briefly unavailable for scheduled"
        b" maintenance. Check back in a minute.</h1>",
    ),
    "firewall": (
        403,
        _HTML,
        b"<!doctype html><title>403 Forbidden</title><h1>A security plugin or firewall has"
        b" blocked this request.</h1>",
    ),
}


class Updates(Changing):
    """Updates with evidence that names the plugin, and with a plausible duration."""

    dice: random.Random
    offers_other_packages = False

    def package_of(self, item: dict[str, Any]) -> tuple[str | None, str | None]:
        """Return the package of a version, which is the same on all sites."""
        path = releases.path_of(item["id"], item["to"]) if item["kind"] == "plugin" else None
        if path and not self.offers_other_packages:
            return releases.pins_of(path)
        version = f"{item['kind']} {item['id']} {item['to']}".encode()
        if self.offers_other_packages:
            version += b" of someone else"
        return sha256(version).hexdigest(), sha256(b"tree " + version).hexdigest()

    def path_of(self, site: FakeSite, item: dict[str, Any]) -> str | None:
        """Return the path on WordPress.org, which applies in the history only."""
        is_served = item["kind"] == "plugin" and not getattr(site.clock, "is_live", True)
        return releases.path_of(item["id"], item["to"]) if is_served else None

    def _install(self, site: FakeSite, item: dict[str, Any], op_id: str) -> dict[str, Any]:
        result = super()._install(site, item, op_id)
        evidence = result["evidence"]
        evidence["took_ms"] = self.dice.randrange(2_400, 19_000)
        if evidence["during"]:
            file = item["id"].rpartition("/")[2]
            evidence["during"]["error"] = (
                f"PHP Fatal error: Uncaught TypeError: Unsupported operand types in {file}:214"
            )
        return result


@dataclass
class FleetSite(FakeSite):
    """A site of the fleet. `trouble` is a key of OUT_OF_ORDER while the site is broken."""

    name: str = ""
    trouble: str = ""
    market: Market | None = None
    # Called while the site installs an update, to let time pass.
    works: Callable[[], None] = lambda: None
    forgets_next: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def make(
        cls, name: str, home: str, clock: Any, report: dict[str, Any], market: Market, seed: str
    ) -> FleetSite:
        """Return an unpaired site with its own random numbers."""
        dice = random.Random(f"{seed}:{name}:updates")
        changes = Updates()
        changes.dice = dice
        return cls(
            home,
            clock,
            report,
            name=name,
            market=market,
            changes=changes,
            uuid=str(UUID(int=dice.getrandbits(128), version=4)),
            log_uuid=str(UUID(int=dice.getrandbits(128), version=4)),
        )

    # ---- its WordPress ----

    def find_updates(self, now: datetime) -> None:
        """Look for new releases, as WordPress does twice a day."""
        assert self.market is not None
        found = []
        for one in self.report["plugins"]:
            plugin = _BY_IDENT.get(one["id"])
            newest = self.market.newest(plugin, now) if plugin else one["version"]
            if plugin and plugin.releases.index(newest) > plugin.releases.index(one["version"]):
                found.append(
                    {
                        "id": plugin.ident,
                        "version": newest,
                        "requires_wp": "6.4",
                        "requires_php": plugin.requires_php,
                        "package": True,
                    }
                )
        updates = self.report["updates"]
        is_old = now.timestamp() - (updates["checked_at"]["plugins"] or 0) >= _CHECKED_EVERY_S
        if is_old or found != updates["plugins"]:
            checked_at = {"plugins": int(now.timestamp()), "core": int(now.timestamp())}
            updates |= {"plugins": found, "checked_at": {**updates["checked_at"], **checked_at}}

    def install_in_wp_admin(self, ident: str) -> None:
        """Update a plugin without Aura, as the owner."""
        update = next(one for one in self.report["updates"]["plugins"] if one["id"] == ident)
        installed = next(one for one in self.report["plugins"] if one["id"] == ident)
        installed["version"] = update["version"]
        self.find_updates(self.clock())

    def install_everything_in_wp_admin(self) -> None:
        """Update WordPress, every plugin and every theme without Aura, as the owner."""
        self.find_updates(self.clock())
        updates = self.report["updates"]
        for one in list(updates["plugins"]):
            self.install_in_wp_admin(one["id"])
        newest = {one["id"]: one["version"] for one in updates["themes"]}
        for one in self.report["themes"]:
            one["version"] = newest.get(one["id"], one["version"])
        self.report["wordpress"]["version"] = WORDPRESS[0][0]
        updates |= {"themes": [], "core": []}

    def fall_behind(self, dice: random.Random) -> str:
        """Have a plugin with an available update, and return which."""
        self.find_updates(self.clock())
        listed = [one["id"] for one in self.report["updates"]["plugins"]]
        if listed:
            return str(dice.choice(listed))
        assert self.market is not None
        for one in self.report["plugins"]:
            plugin = _BY_IDENT.get(one["id"])
            if plugin and self.market.older(plugin, self.clock()) != one["version"]:
                one["version"] = self.market.older(plugin, self.clock())
                self.find_updates(self.clock())
                return plugin.ident
        raise ValueError(f"{self.name} has no plugin with an older release")

    def reconcile(self, op_id: str) -> None:
        """Roll back an update whose process was killed, and write that to its log."""
        self.changes.reconcile(op_id)
        result = self.changes.ledger[op_id][1]
        self.write(
            "update_settled", op_id=op_id, outcome=result["outcome"], reason=result["reason"]
        )

    # ---- its responses ----

    def knows_key(self, keyid: str) -> bool:
        """Return whether a request under this key gets more than "unauthorized"."""
        return keyid in self._gone or self._key_for(keyid) is not None

    def call(self, channel: Channel, op: str, arguments: dict[str, Any], **more: Any) -> Reply:
        if self.trouble and OUT_OF_ORDER[self.trouble] is None:
            raise CallError(ErrorCode.broken_off, {"detail": "the connection was closed"})
        return super().call(channel, op, arguments, **more)

    def receive(self, request: protocol.SentRequest) -> Answer:
        broken = OUT_OF_ORDER[self.trouble] if self.trouble else None
        return broken or super().receive(request)

    def look(self, url: str, *, body: bytes = b"", **more: Any) -> ProbeResponse:
        """Answer an unsigned request, as a visitor or the connection test sends it."""
        trace = Trace(("192.0.2.20",), connect_ms=11)
        answer = self.visit(url, more.get("headers") or {}, body)
        if answer is None:
            why = CallError(ErrorCode.broken_off, {"detail": "the connection was closed"})
            return ProbeResponse(url, trace, error=why)
        status, headers, content = answer
        received = RawResponse(status, headers, content, False, 1 << 20, "192.0.2.20", ())
        return ProbeResponse(url, trace, received=received)

    def visit(self, url: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """Return what a request without keys gets; None if the connection is closed."""
        if self.trouble:
            return OUT_OF_ORDER[self.trouble]
        if body:
            is_long = max(map(len, headers.values()), default=0) > MAX_FIELD_BYTES
            is_beyond = is_long or len(body) > MAX_REQUEST_BYTES
            status, content = LIMITS["arrives"] if is_beyond else REFUSAL
            return status, _JSON, content
        if "namespaces" in url:
            return INDEX[0], _JSON, INDEX[1]
        is_admin = "/wp-admin" in urlsplit(url).path
        text = _ADMIN.format(home=self.home) if is_admin else "This website is simulated."
        return 200, _HTML, _PAGE.format(name=self.name, text=text).encode()

    def _answer(self, body: bytes, request: protocol.VerifiedRequest) -> tuple[int, bytes]:
        op = protocol.parse_json(body)["op"]
        if op == "report":
            self.find_updates(self.clock())
        elif op in ("change.run", "agent.update"):
            self.works()
        return super()._answer(body, request)

    def _answered(self, document: dict[str, Any], nonce: str) -> None:
        if self.forgets_next and document["op"] == "report":
            self.forgets_next = False
            return
        super()._answered(document, nonce)
