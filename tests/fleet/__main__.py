"""`make demo-fleet`: Aura with simulated sites, until Ctrl-C.

Web, worker and scheduler run as with `make run`. The sites answer signed requests by HTTP on the
loopback interface, from this process, so every button works.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.config import Config
from app.models import migrate
from app.models.base import db, use_database
from app.run import serve
from tests.fleet import build, catalog
from tests.fleet.client_reports import use_mail_server
from tests.fleet.fleet import Fleet
from tests.fleet.server import SiteServer
from tests.support.smtp_server import running_smtp

_ROOT = Path(__file__).parents[2]


class CannotStart(Exception):
    """Something outside of the fleet prevents the start; the text says what to do."""


def main() -> int:
    """Build the fleet and run Aura; the exit status is Aura's own."""
    options = _arguments()
    # A terminal that closes, or `kill`, ends the fleet as Ctrl-C does. A process that a shell
    # starts in the background ignores SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with _data_folder(options.keep) as folder:
            return _run(options, folder)
    except KeyboardInterrupt:
        return 130
    except (CannotStart, serve.CannotStart) as why:
        print(why, file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    parser.add_argument("--sites", type=int, default=build.SITES, help="how many (60)")
    parser.add_argument("--seed", default=build.SEED, help="the same seed gives the same fleet")
    parser.add_argument("--port", type=int, default=8000, help="of Aura; the sites use the next")
    parser.add_argument("--keep", type=Path, help="keep Aura's data in this new folder")
    options = parser.parse_args()
    if options.sites < build.FEWEST:
        parser.error(f"A fleet has at least {build.FEWEST} sites.")
    return options


@contextmanager
def _data_folder(keep: Path | None) -> Iterator[Path]:
    """Provide a new folder, which is removed at the end unless it is to be kept."""
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise CannotStart(f"{keep} is not empty. Name a new folder.")
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="aura-fleet-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _run(options: argparse.Namespace, folder: Path) -> int:
    environment = {
        "AURA_VAR": str(folder),
        "AURA_AGENCY": catalog.AGENCY,
        # Private addresses have to be allowed by name; those of the sites are.
        "AURA_ALLOW_NETS": "127.0.0.0/8",
        "PORT": str(options.port),
    }
    config = Config.from_env(environment)
    serve.require_free_port(config)
    with _site_server(options.port + 1) as server, running_smtp(login=False) as mail:
        print(f"Building {options.sites} sites with a month of history ...", flush=True)
        began = time.monotonic()
        fleet = _build(config, options, server, mail.port)
        print(f"Done in {time.monotonic() - began:.0f} seconds.", flush=True)
        server.start(fleet)
        print(_guide(fleet, server), flush=True)
        return _run_aura(environment)


@contextmanager
def _site_server(port: int) -> Iterator[SiteServer]:
    try:
        server = SiteServer(port)
    except OSError as why:
        raise CannotStart(
            f"Port {port}, which the sites need, cannot be opened ({why.strerror}). "
            "Choose another with --port."
        ) from why
    with server:
        yield server


def _build(
    config: Config, options: argparse.Namespace, server: SiteServer, mail_port: int
) -> Fleet:
    migrate.to_newest(config.database_url, config.var_dir)
    use_database(config.database_url)
    with db.connection_context():
        fleet = build.build_fleet(config, options.sites, options.seed, address=server.address)
        use_mail_server(fleet, mail_port)
        return fleet


def _guide(fleet: Fleet, server: SiteServer) -> str:
    widest = max(len(one.email) for one in fleet.logins)
    people = "\n".join(f"    {one.email:{widest}}  {one.name}, {one.about}" for one in fleet.logins)
    home, token = fleet.open_token
    return f"""
  Sign in as one of these people, all with the password "{fleet.password}":
{people}

  The sites answer at {server.origin}/NAME. One of them waits for its pairing token:
    open {home}/wp-admin/ and paste
    {token}

  E-mail goes to a server on this machine, which accepts it and delivers it to no one.
"""


def _run_aura(environment: dict[str, str]) -> int:
    # In a group of its own, so that Ctrl-C reaches it once, and from here.
    aura = subprocess.Popen(
        [sys.executable, "-m", "app.run.serve"],
        cwd=_ROOT,
        env=_without_settings_of_aura(os.environ) | environment,
        start_new_session=True,
    )
    try:
        return aura.wait()
    except KeyboardInterrupt:
        aura.send_signal(signal.SIGINT)
        return aura.wait()


def _without_settings_of_aura(env: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would have Aura use another database or other keys than the fleet's."""
    others = ("DATABASE_URL", "REDIS_URL")
    return {
        name: value
        for name, value in env.items()
        if name not in others and not name.startswith("AURA_")
    }


if __name__ == "__main__":
    sys.exit(main())
