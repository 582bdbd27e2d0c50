"""Aura as its user starts it: the real supervisor, in a var folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from app.config import Config
from app.domain.connection import calls
from app.http import site_client
from app.models.base import db, use_database
from app.models.sites import Site
from tests.wordpress.container import free_port

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 40
# The last line that says it is ready: for people, and as JSON.
_READY = re.compile(r'Ctrl-C stops everything|"Aura is ready at')
_LINK = re.compile(r"(https?://\S+/setup/\S+)")


class RunningAura:
    """One started Aura; `.url` and `.setup_link` are what it printed."""

    def __init__(self, port: int | None = None, **environment: str) -> None:
        self.port = port or free_port()
        self.var = Path(tempfile.mkdtemp(prefix="aura-e2e-"))
        self._environment = {"AURA_ALLOW_NETS": "127.0.0.0/8", **environment}
        self._lines: list[str] = []
        self.start()

    @property
    def plugin_release(self) -> Path:
        """Return the folder of the SiteAgent release that Aura offers to sites."""
        return self.var / "plugin-release"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def setup_link(self) -> str:
        found = [m.group(1) for line in list(self._lines) if (m := _LINK.search(line))]
        assert found, f"no set-up link was printed:\n{self.output}"
        return found[-1]

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def start(self) -> None:
        """Start and wait until the address has been printed; fails with all output if it is not."""
        environment = {
            **os.environ,
            "AURA_VAR": str(self.var),
            "AURA_PLUGIN_RELEASE": str(self.plugin_release),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.run.serve"],
            cwd=_ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        seen = len(self._lines)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if any(_READY.search(line) for line in self._lines[seen:]):
                return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"Aura did not start:\n{self.output}")

    @property
    def pid(self) -> int:
        """The process id of the supervisor."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill the supervisor alone, as the kernel does when memory runs out."""
        self._process.kill()
        self._process.wait(timeout=30)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Press Ctrl-C, or send another signal, and wait; the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        status = self._process.wait(timeout=60)
        self._reader.join(timeout=5)
        return status

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.var)

    @property
    def config(self) -> Config:
        """Return the configuration of this Aura."""
        return Config.from_env(
            {"AURA_VAR": str(self.var), "PORT": str(self.port), **self._environment}
        )

    def channel(self, url: str) -> site_client.Channel:
        """Return the keys of a paired site, as a thief of the machine has them."""
        use_database(self.config.database_url)
        with db.connection_context():
            return calls.channel_to(Site.get(Site.url == url), self.config)

    def call(self, channel: site_client.Channel, op: str, **arguments: Any) -> site_client.Reply:
        """Make a correctly signed call without Aura."""
        nets = self.config.allow_nets
        return site_client.call(channel, op, arguments, by="a test", allow_nets=nets)

    def flask(self, *words: str) -> str:
        """Run a command of Aura's own command line against this installation."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *words],
            cwd=_ROOT,
            env={**os.environ, "AURA_VAR": str(self.var), "PORT": str(self.port)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.append(line)
