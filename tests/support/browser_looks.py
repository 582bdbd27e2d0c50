"""Look with a browser at a simulated site."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import cast

from app.config import Config
from app.domain.page_checks import browser_looks
from app.domain.page_checks.browser_looks import PageToCheck, Seen
from app.http.ip_policy import Network
from app.models.sites import Site

HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True)
class Settings:
    """The settings that a look with a browser needs."""

    chromium: Path | None
    var_dir: Path
    allow_nets: tuple[Network, ...] = (ip_network("127.0.0.0/8"),)


def browse(
    url: str,
    program: Path | None,
    folder: Path,
    pages: Sequence[PageToCheck] = (PageToCheck("/", 200),),
) -> dict[str, Seen]:
    """Look at pages of the site at `url` with this browser."""
    site = Site(url=url, server_login_sealed="")
    return browser_looks.browse(site, pages, settings(program, folder))


def settings(program: Path | None, folder: Path) -> Config:
    return cast(Config, Settings(program, folder))


def profiles(folder: Path) -> list[Path]:
    """Return the profiles that browsers of this Aura have left."""
    prefix = browser_looks.prefix_of(settings(None, folder))
    return list(Path(tempfile.gettempdir()).glob(f"{prefix}*"))


def kill_browser(folder: Path) -> None:
    """Kill the main process of the browser that this Aura runs now, as an operator might."""
    prefix = browser_looks.prefix_of(settings(None, folder)).encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        is_main = not any(word.startswith(b"--type=") for word in words)
        if is_main and any(prefix in word for word in words):
            os.kill(int(entry.parent.name), signal.SIGKILL)


def whys(seen: Seen) -> set[str]:
    """Return the reasons of a failed look, at any width."""
    return {console.why for console in seen.consoles}
