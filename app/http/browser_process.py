"""Start Chromium for untrusted pages, and drive it over a pipe.

Aura drives the Chromium of the operating system by the DevTools protocol itself, with the few
commands it needs. Playwright would bring a second runtime into the workers, supports only its own
builds of Chromium, which no package manager updates, and starts them without a sandbox.

The browser gets a new profile, none of Aura's environment variables and no network of its own.
It runs in a process group of its own, which is killed at the deadline whatever it is doing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Nothing that a page shows needs more, and a flood of messages must not fill the memory.
_MOST_MESSAGE_BYTES = 24 * 1024 * 1024
_CHUNK = 256 * 1024
_MOST_LOG_BYTES = 64 * 1024
_END_WITHIN_S = 3.0
# The descriptors that Chromium reads commands from and answers on.
_COMMANDS, _ANSWERS = 3, 4
# Pipes are moved above the descriptors that the browser gets.
_FIRST_FREE = 10
# What Chromium writes where the machine does not let it shut its processes in.
_NO_SANDBOX = (b"--no-sandbox", b"no usable sandbox", b"failed to move to new namespace")

_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # ---- no network: only what belongs to a page gets a proxy, which also resolves every name ----
    "--proxy-server=http://127.0.0.1:1",
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--dns-prefetch-disable",
    "--no-pings",
    # ---- nothing that the browser does without a page asking for it ----
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-features=MediaRouter,OptimizationHints,Translate,AutofillServerCommunication",
    "--disable-search-engine-choice-screen",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
    # ---- nothing that a page may do to the machine ----
    "--deny-permission-prompts",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-notifications",
    "--js-flags=--max-old-space-size=512",
    "--mute-audio",
    "--renderer-process-limit=4",
    "--hide-scrollbars",
    "--lang=en-US",
)

Handler = Callable[[str, str, dict[str, Any]], None]


class BrowserFailed(Exception):
    """The browser cannot be used; `why` is absent, no_sandbox, browser_ended or browser_hung."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class CommandFailed(BrowserFailed):
    """The browser refused a command, for example because the page is gone."""

    def __init__(self, command: str, answer: str) -> None:
        super().__init__("crashed")
        self.args = (f"{command}: {answer[:200]}",)


class DevTools:
    """The two pipes to a browser: commands with answers, and events for `on_event`.

    `agent` is how the browser names itself. `on_event` gets the session, the name and the facts of
    each event. It may `post`, not `call`.
    """

    def __init__(self, reads: int, writes: int, ends_at: float) -> None:
        self._reads, self._writes = reads, writes
        self._ends_at = ends_at
        self._received = bytearray()
        self._last_id = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._waited_for = 0
        self.agent = ""
        self.on_event: Handler = lambda session, method, facts: None

    def post(self, method: str, session: str = "", **facts: Any) -> int:
        """Send a command and return its number, without waiting for the answer.

        Raises: BrowserFailed.
        """
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": facts}
        if session:
            message["sessionId"] = session
        raw = json.dumps(message).encode() + b"\0"
        try:
            while raw:
                raw = raw[os.write(self._writes, raw) :]
        except OSError as why:
            raise BrowserFailed("browser_ended") from why
        return self._last_id

    def call(
        self, method: str, session: str = "", *, ends_at: float | None = None, **facts: Any
    ) -> dict[str, Any]:
        """Send a command and return its result. Raises: BrowserFailed, CommandFailed."""
        number = self._waited_for = self.post(method, session, **facts)
        if not self.wait(lambda: number in self._answers, ends_at or self._ends_at):
            raise BrowserFailed("browser_hung")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise CommandFailed(method, str(answer["error"]))
        result: dict[str, Any] = answer.get("result", {})
        return result

    def wait(self, is_done: Callable[[], bool], ends_at: float) -> bool:
        """Handle messages until `is_done`; False if the time is over before.

        Raises: BrowserFailed.
        """
        with selectors.DefaultSelector() as ready:
            ready.register(self._reads, selectors.EVENT_READ)
            while not is_done():
                left = min(ends_at, self._ends_at) - time.monotonic()
                if left <= 0:
                    return False
                if ready.select(left):
                    self._read()
        return True

    def _read(self) -> None:
        piece = os.read(self._reads, _CHUNK)
        if not piece or len(self._received) > _MOST_MESSAGE_BYTES:
            raise BrowserFailed("browser_ended")
        self._received += piece
        while (end := self._received.find(b"\0")) >= 0:
            try:
                message: dict[str, Any] = json.loads(self._received[:end])
            except ValueError as why:
                raise BrowserFailed("browser_ended") from why
            del self._received[: end + 1]
            if "id" in message:
                if message["id"] == self._waited_for:
                    self._answers[message["id"]] = message
            elif "method" in message:
                facts = message.get("params", {})
                self.on_event(message.get("sessionId", ""), message["method"], facts)


@contextmanager
def running_browser(executable: Path, *, prefix: str, seconds: float) -> Iterator[DevTools]:
    """Run a browser with a new profile; kill it at the end, or after `seconds`.

    It has no network until a page is opened in a context with a proxy: what the browser requests
    for itself, as for its own updates, goes nowhere.
    The profile is a temporary folder whose name begins with `prefix`: Chromium needs a short path.

    Raises: BrowserFailed.
    """
    profile = Path(tempfile.mkdtemp(prefix=prefix))
    flags = [*_FLAGS, f"--user-data-dir={profile}"]
    try:
        with contextlib.ExitStack() as stack:
            commands, answers, pid = _start([str(executable), *flags], profile, stack)
            stack.callback(_end, pid)
            watchdog = threading.Timer(seconds, _kill, (pid,))
            watchdog.daemon = True
            watchdog.start()
            # The watchdog has ended before the number of the process can be another one's.
            stack.callback(watchdog.join)
            stack.callback(watchdog.cancel)
            devtools = DevTools(answers, commands, time.monotonic() + seconds)
            try:
                devtools.agent = str(devtools.call("Browser.getVersion")["userAgent"])
            except BrowserFailed as why:
                raise BrowserFailed(_why_not_started(profile) or why.why) from why
            yield devtools
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def _start(command: list[str], profile: Path, stack: contextlib.ExitStack) -> tuple[int, int, int]:
    """Start the browser; return where to write commands and read answers, and its process.

    Raises: BrowserFailed.
    """
    their_commands, commands = _pipe()
    answers, their_answers = _pipe()
    for end in (commands, answers):
        stack.callback(os.close, end)
    log = os.open(_log_of(profile), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        pid = os.posix_spawn(
            command[0],
            command,
            # Nothing of Aura's environment: it has secrets.
            {"PATH": os.defpath, "HOME": str(profile), "TMPDIR": str(profile)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 2),
                (os.POSIX_SPAWN_DUP2, their_commands, _COMMANDS),
                (os.POSIX_SPAWN_DUP2, their_answers, _ANSWERS),
            ],
            setpgroup=0,
        )
    except OSError as why:
        raise BrowserFailed("absent") from why
    finally:
        for end in (their_commands, their_answers, log):
            os.close(end)
    return commands, answers, pid


def _pipe() -> tuple[int, int]:
    """Return both ends of a pipe, with numbers that the browser does not get."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


def _log_of(profile: Path) -> Path:
    return profile / "stderr.log"


def _why_not_started(profile: Path) -> str:
    with _log_of(profile).open("rb") as log:
        said = log.read(_MOST_LOG_BYTES).lower()
    return "no_sandbox" if any(words in said for words in _NO_SANDBOX) else ""


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _end(pid: int) -> None:
    """Kill what is left of the browser, and wait until it is gone."""
    _kill(pid)
    ends_at = time.monotonic() + _END_WITHIN_S
    while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < ends_at:
        time.sleep(0.01)
