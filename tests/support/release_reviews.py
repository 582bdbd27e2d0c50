"""Compare the releases of a reviewed update, as the workers do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from app.config import Config
from app.domain.changes import package_checks, release_comparisons
from app.models.packages import KnownPackage
from app.models.release_comparisons import ReleaseComparison
from tests.support.fakes import FakeSite
from tests.support.package_server import OLD_PATH, PATH, PackageServer, akismet, pins_of


def offer(
    fake: FakeSite, new: Mapping[str, bytes] | None = None, old: Mapping[str, bytes] | None = None
) -> PackageServer:
    """Have a site offer Akismet 5.3.1 after 5.3, each with these files more than usual."""
    packages = {PATH: akismet(**(new or {})), OLD_PATH: akismet("5.3", **(old or {}))}
    fake.changes.package, fake.changes.package_path = pins_of(packages[PATH]), PATH
    return PackageServer(packages)


def compare(server: PackageServer, config: Config, now: Callable[[], datetime]) -> str:
    """Check the package that was reviewed, and compare it with the old one."""
    package = KnownPackage.get()
    package_checks.check_package(package.id, config=config, fetch=server.fetch, now=now)
    release_comparisons.resume_with(package.id, now())
    row = ReleaseComparison.get()
    return release_comparisons.compare(row.id, config=config, fetch=server.fetch, now=now)
