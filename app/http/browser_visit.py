"""Open one page in a browser as a visitor does: what its console says, and a picture of it."""

from __future__ import annotations

import contextlib
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app.http.browser_process import CommandFailed, DevTools
from app.http.front_page import is_same_site

# A slower page cannot be judged.
PAGE_TIMEOUT_S = 8.0
# How long after its last file a page may still work before it counts as complete.
_SETTLE_S = 2.0
_PICTURE_S = 4.0
# Browsers ask for it once and on their own, so its absence says nothing about a page.
_ICON = "/favicon.ico"
_MOST_ERRORS = 40
_MOST_CHARS = 500
# WebP at a quality that shows what is where; a second try if that is too large.
_QUALITIES = (55, 20)
MOST_PICTURE_BYTES = 400 * 1024


@dataclass(frozen=True)
class Width:
    """A screen, in CSS pixels. A picture shows at most `most_height` of the page."""

    name: str
    width: int
    height: int
    most_height: int
    is_phone: bool = False


DESKTOP = Width("desktop", 1280, 900, 2400)
PHONE = Width("phone", 390, 844, 2800, is_phone=True)
WIDTHS = (DESKTOP, PHONE)


@dataclass(frozen=True)
class ConsoleError:
    """One error in the console, as the browser wrote it, and the address of its script or file."""

    text: str
    address: str = ""


@dataclass(frozen=True)
class Visit:
    """What a browser saw; `why` says what proves nothing. `picture` is a WebP file, or empty."""

    status: int = 0
    errors: tuple[ConsoleError, ...] = ()
    picture: bytes = field(default=b"", repr=False)
    why: str = ""


def visit(
    devtools: DevTools, address: str, *, proxy: str, server_login: str = ""
) -> dict[str, Visit]:
    """Open a page at each width, without cookies, and close it; return what was seen by width.

    Everything that the page requests goes to the `proxy` at that address. `server_login` goes to
    the page's own origin alone. Raises: BrowserFailed.
    """
    ends_at = time.monotonic() + PAGE_TIMEOUT_S
    tabs: dict[str, _Tab] = {}

    def handle(session: str, method: str, facts: dict[str, Any]) -> None:
        if method == "Target.targetCreated":
            _close_popup(devtools, facts["targetInfo"])
        elif session in tabs:
            tabs[session].handle(method, facts)

    devtools.on_event = handle
    devtools.call("Target.setDiscoverTargets", discover=True)
    with contextlib.ExitStack() as stack:
        for width in WIDTHS:
            owned = devtools.call(
                "Target.createBrowserContext",
                disposeOnDetach=True,
                proxyServer=proxy,
                proxyBypassList="<-loopback>",
            )
            stack.callback(devtools.call, "Target.disposeBrowserContext", **owned)
            devtools.call("Browser.setDownloadBehavior", behavior="deny", **owned)
            frame = devtools.call("Target.createTarget", url="about:blank", **owned)["targetId"]
            attached = devtools.call("Target.attachToTarget", targetId=frame, flatten=True)
            session = attached["sessionId"]
            tabs[session] = _Tab(devtools, session, frame, _Wanted(address, width, server_login))
        for tab in tabs.values():
            tab.load()
        devtools.wait(lambda: all(tab.has_settled for tab in tabs.values()), ends_at)
        return {tab.wanted.width.name: tab.read() for tab in tabs.values()}


def _close_popup(devtools: DevTools, target: dict[str, Any]) -> None:
    if target["type"] == "page" and target.get("openerId"):
        devtools.post("Target.closeTarget", targetId=target["targetId"])


@dataclass(frozen=True)
class _Wanted:
    address: str
    width: Width
    server_login: str = field(repr=False)


class _Tab:
    """One open page, and what has happened on it."""

    def __init__(self, devtools: DevTools, session: str, frame: str, wanted: _Wanted) -> None:
        self._devtools, self._session, self._frame = devtools, session, frame
        self.wanted = wanted
        self._address = wanted.address
        self._errors: dict[ConsoleError, None] = {}
        self._status = 0
        self._why = ""
        self._settles_at = 0.0
        self._is_idle = False
        self._has_sent_login = False
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "Fetch.requestPaused": self._on_request,
            "Fetch.authRequired": self._on_login,
            "Network.responseReceived": self._on_response,
            "Network.loadingFailed": self._on_failure,
            "Page.lifecycleEvent": self._on_lifecycle,
            "Page.javascriptDialogOpening": self._on_dialog,
            "Inspector.targetCrashed": self._on_crash,
            "Runtime.exceptionThrown": self._on_exception,
            "Runtime.consoleAPICalled": self._on_console,
            "Log.entryAdded": self._on_log,
        }

    @property
    def has_settled(self) -> bool:
        """Whether the page is complete, or cannot be judged."""
        is_late = bool(self._settles_at) and time.monotonic() > self._settles_at
        return bool(self._why) or (bool(self._settles_at) and (self._is_idle or is_late))

    def load(self) -> None:
        """Begin to load the page. Raises: BrowserFailed."""
        self._prepare(self.wanted.width)
        self._post("Page.navigate", url=self._address)

    def read(self) -> Visit:
        """Return what was seen. Raises: BrowserFailed."""
        if self._why or not self.has_settled:
            return Visit(self._status, why=self._why or "too_slow")
        try:
            picture = self._take_picture(self.wanted.width, time.monotonic() + _PICTURE_S)
        except CommandFailed:
            return Visit(self._status, why="crashed")
        # A page can lead elsewhere, or crash, while its picture is taken.
        if self._why:
            return Visit(self._status, why=self._why)
        return Visit(self._status, tuple(self._errors), picture)

    def _prepare(self, width: Width) -> None:
        for domain in ("Page", "Runtime", "Log", "Network", "Inspector"):
            self._post(f"{domain}.enable")
        self._post("Page.setLifecycleEventsEnabled", enabled=True)
        # A redirect is asked about like a first request, so no page leads to another host.
        documents = [{"resourceType": "Document", "requestStage": "Request"}]
        self._post("Fetch.enable", patterns=documents, handleAuthRequests=True)
        self._post("Emulation.setDeviceMetricsOverride", **_screen(width, width.height))
        # Carousels and counters stand still where a theme honours it.
        calm = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        self._post("Emulation.setEmulatedMedia", features=calm)
        agent = self._devtools.agent.replace("HeadlessChrome", "Chrome")
        self._post("Network.setUserAgentOverride", userAgent=f"{agent} Aura")

    def _post(self, method: str, **facts: Any) -> None:
        self._devtools.post(method, self._session, **facts)

    def _call(self, method: str, *, ends_at: float, **facts: Any) -> dict[str, Any]:
        return self._devtools.call(method, self._session, ends_at=ends_at, **facts)

    def _take_picture(self, width: Width, ends_at: float) -> bytes:
        """Return the page from its top, cut at the bottom; empty if it is too large.

        Raises: BrowserFailed, CommandFailed.
        """
        layout = self._call("Page.getLayoutMetrics", ends_at=ends_at)
        height = min(max(int(layout["cssContentSize"]["height"]), 200), width.most_height)
        clip = {"x": 0, "y": 0, "width": width.width, "height": height, "scale": 1}
        for quality in _QUALITIES:
            options = {"format": "webp", "quality": quality, "captureBeyondViewport": True}
            taken = self._call("Page.captureScreenshot", ends_at=ends_at, clip=clip, **options)
            picture = b64decode(taken["data"])
            if len(picture) <= MOST_PICTURE_BYTES:
                return picture
        return b""

    # ---- what happens on the page ----

    def handle(self, method: str, facts: dict[str, Any]) -> None:
        """Note or answer one event of the browser."""
        handler = self._handlers.get(method)
        if handler is not None:
            handler(facts)

    def _on_request(self, facts: dict[str, Any]) -> None:
        """Let a document load unless the page would lead to another host."""
        number, target = facts["requestId"], facts["request"]["url"]
        is_page = facts.get("frameId") == self._frame
        if is_page and not is_same_site(self._address, target):
            self._why = "elsewhere"
            self._post("Fetch.failRequest", requestId=number, errorReason="BlockedByClient")
        else:
            self._post("Fetch.continueRequest", requestId=number)

    def _on_login(self, facts: dict[str, Any]) -> None:
        """Answer the web server's question for a password, once and to the page's origin only."""
        asked, answer = facts["authChallenge"], {"response": "CancelAuth"}
        own = urlsplit(self._address)
        is_own = asked["origin"] == f"{own.scheme}://{own.netloc}"
        is_first = asked.get("source") == "Server" and not self._has_sent_login
        if is_own and is_first and self.wanted.server_login:
            self._has_sent_login = True
            name, _, password = self.wanted.server_login.partition(":")
            answer = {"response": "ProvideCredentials", "username": name, "password": password}
        self._post(
            "Fetch.continueWithAuth", requestId=facts["requestId"], authChallengeResponse=answer
        )

    def _on_response(self, facts: dict[str, Any]) -> None:
        if facts["type"] == "Document" and facts.get("frameId") == self._frame:
            self._status = int(facts["response"]["status"])

    def _on_failure(self, facts: dict[str, Any]) -> None:
        if facts.get("type") == "Document" and not self._status and not self._settles_at:
            self._why = self._why or "broken_off"

    def _on_lifecycle(self, facts: dict[str, Any]) -> None:
        if facts.get("frameId") != self._frame or not self._status:
            return
        if facts["name"] == "init":  # of the page itself, or of another one that it leads to
            self._is_idle, self._settles_at = False, 0.0
        if facts["name"] == "load":
            self._settles_at = time.monotonic() + _SETTLE_S
        self._is_idle = self._is_idle or facts["name"] == "networkIdle"

    def _on_dialog(self, facts: dict[str, Any]) -> None:
        leaves = facts["type"] == "beforeunload"
        self._post("Page.handleJavaScriptDialog", accept=leaves)

    def _on_crash(self, facts: dict[str, Any]) -> None:
        self._why = "crashed"

    def _on_exception(self, facts: dict[str, Any]) -> None:
        found = facts["exceptionDetails"]
        raised = found.get("exception", {})
        text = raised.get("description") or raised.get("value") or found.get("text", "")
        self._note(str(text).split("\n")[0], found.get("url") or _first_frame(found))

    def _on_console(self, facts: dict[str, Any]) -> None:
        if facts["type"] in ("error", "assert"):
            words = (one.get("value", one.get("description", "")) for one in facts["args"][:10])
            text = " ".join(str(word)[:_MOST_CHARS] for word in words)
            self._note(text.split("\n")[0], _first_frame(facts))

    def _on_log(self, facts: dict[str, Any]) -> None:
        """Note an error of the browser itself, such as a file of the site that is missing."""
        entry = facts["entry"]
        address = str(entry.get("url", ""))
        is_own = is_same_site(self._address, address) and not address.endswith(_ICON)
        if entry["level"] == "error" and (is_own or entry["source"] != "network"):
            self._note(str(entry["text"]).split("\n")[0], address)

    def _note(self, text: str, address: str) -> None:
        if len(self._errors) < _MOST_ERRORS:
            self._errors[ConsoleError(text[:_MOST_CHARS], address[:_MOST_CHARS])] = None


def _screen(width: Width, height: int) -> dict[str, Any]:
    return {
        "width": width.width,
        "height": height,
        "deviceScaleFactor": 1,
        "mobile": width.is_phone,
    }


def _first_frame(facts: dict[str, Any]) -> str:
    frames = facts.get("stackTrace", {}).get("callFrames", [])
    return str(frames[0].get("url", "")) if frames else ""
