"""Check what a request does with the files of a run, and where an update can be rolled back.

This covers links, a full disk and another request that restores the site.
The plugin's own classes run on this machine's PHP, without WordPress.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.support.php import system_php

SCRIPT = Path(__file__).parents[1] / "php-fixtures" / "rollback.php"


@dataclass(frozen=True)
class Run:
    """An update that has reported its result and is still watched."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Run:
        """Create a run with the new version in place and a copy of the old one."""
        run = cls(folder)
        (folder / "kept").mkdir(parents=True)
        (folder / "kept" / "version.txt").write_text("old")
        run.component.mkdir()
        (run.component / "version.txt").write_text("new")
        run.watchdog.write_text("<?php // the watchdog")
        return run

    @property
    def component(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}-target")

    @property
    def watchdog(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}-watchdog.php")

    @property
    def settled(self) -> Path:
        return self.folder / "settled"

    @property
    def restoring(self) -> Path:
        """Return the lock of a request that restores."""
        return self.folder / "restoring"

    def kill(self) -> None:
        """Act as if the process of the run was killed ten minutes ago."""
        (self.folder / "beat").write_text("another host")
        self.backdate("beat")

    def backdate(self, *names: str) -> None:
        """Set these files back by ten minutes."""
        then = time.time() - 600
        for name in names:
            os.utime(self.folder / name, (then, then))

    @property
    def is_watched(self) -> bool:
        return self.watchdog.is_file() and self.folder.is_dir()

    @property
    def version(self) -> str:
        return (self.component / "version.txt").read_text()

    def ask(self, operation: str, *, limited_to: str = "", **more: Any) -> Any:
        """Return what the plugin's classes reply; `limited_to` sets open_basedir."""
        request = json.dumps({"do": operation, "folder": str(self.folder), **more})
        settings = ["-d", "display_errors=stderr", "-d", f"open_basedir={limited_to}"]
        command = [system_php(), *settings, str(SCRIPT), request]
        process = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (process.returncode, process.stderr) == (0, ""), process.stderr
        return json.loads(process.stdout)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.make(tmp_path / "run")


@pytest.mark.parametrize("needs_confirmation", [False, True])
def test_a_half_written_result_does_not_end_the_watch(run: Run, needs_confirmation: bool) -> None:
    run.settled.write_text("")
    run.ask("watch", needs_confirmation=needs_confirmation)
    assert run.is_watched
    assert run.version == "new"


def test_the_watch_ends_when_its_time_is_over(run: Run) -> None:
    run.settled.write_text(str(int(time.time()) + 60))
    run.ask("watch")
    assert run.is_watched
    run.settled.write_text(str(int(time.time()) - 60))
    run.ask("watch")
    assert not run.is_watched
    assert run.version == "new"


def test_an_unconfirmed_version_is_rolled_back_when_the_watch_ends(run: Run) -> None:
    run.settled.write_text(str(int(time.time()) - 60))
    run.ask("watch", needs_confirmation=True)
    assert run.version == "old"


def test_a_request_in_between_reads_the_whole_result(run: Run) -> None:
    """The request reads the old or the new result, never the empty file in between."""
    run.settled.write_text("1111111111")
    assert run.ask("settle", until=2222222222) == "1111111111"
    assert run.settled.read_text() == "2222222222"
    assert sorted(file.name for file in run.folder.iterdir()) == ["kept", "settled"]


@pytest.mark.parametrize("settled", [False, True])
def test_the_watchdog_stays_while_another_request_restores(run: Run, settled: bool) -> None:
    """The other request may be killed as well; then only the watchdog restores the site."""
    run.kill()
    if settled:
        run.settled.write_text(str(int(time.time()) - 60))
    run.restoring.mkdir()
    run.ask("watch", needs_confirmation=settled)
    assert (run.is_watched, run.version) == (True, "new")
    run.backdate("restoring", "attempt")
    run.ask("watch", needs_confirmation=settled)
    assert run.version == "old"
    assert not run.watchdog.exists()


def test_a_restore_that_failed_is_tried_again_only_after_a_minute(run: Run) -> None:
    run.kill()
    run.restoring.mkdir()
    run.ask("watch")
    run.restoring.rmdir()
    run.ask("watch")
    assert (run.is_watched, run.version) == (True, "new")
    run.backdate("attempt")
    run.ask("watch")
    assert run.version == "old"


def test_without_a_backup_there_is_nothing_to_wait_for(run: Run) -> None:
    run.kill()
    (run.folder / "kept" / "version.txt").unlink()
    (run.folder / "kept").rmdir()
    run.ask("watch")
    assert not run.watchdog.exists()


@pytest.fixture
def linked(tmp_path: Path) -> Run:
    """Return a run on a site whose wp-content is a link, as with one folder per release."""
    (tmp_path / "releases").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "releases")
    return Run.make(tmp_path / "current" / "run")


def test_an_error_is_assigned_to_a_component_below_a_linked_wp_content(linked: Run) -> None:
    """PHP reports files by their paths without links."""
    own_file = linked.component.resolve() / "forms.php"
    other_file = own_file.parent.with_name("other") / "forms.php"
    assert linked.ask("record error", file=str(other_file)) is False
    assert linked.ask("record error", file=str(own_file)) is True


def test_paths_below_a_linked_wp_content_are_redacted(linked: Run) -> None:
    site = linked.folder.parent
    for root in (site, site.resolve()):
        text = f"Fatal error in {root}/plugins/forms/forms.php:12"
        assert linked.ask("redact", text=text) == "Fatal error in plugins/forms/forms.php:12"


def test_a_forbidden_temporary_folder_causes_no_warning(run: Run, tmp_path: Path) -> None:
    """Visitors would see the warning, and headers could no longer be sent."""
    (run.folder / "run.lock").write_text("")
    (run.folder / "beat").write_text(platform.node())
    allowed = f"{tmp_path}:{SCRIPT.parents[2]}"
    assert run.ask("state", limited_to=allowed) == "unknown"
    run.ask("remove", limited_to=allowed)
    assert not run.folder.exists()


def test_links_back_to_their_own_folder_are_not_followed(run: Run) -> None:
    for name in ("one", "two", "three"):
        (run.component / name).symlink_to(".")
    run.ask("invalidate")


def test_a_failed_write_leaves_no_partial_file(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "watchdog.php"
    part = tmp_path / "watchdog.php.part"
    part.symlink_to("/dev/full")
    assert run.ask("write", file=str(target)) is False
    assert not target.exists()
    assert not part.is_symlink()
    assert run.ask("write", file=str(target)) is True
    assert target.read_text() == "text"


@pytest.mark.parametrize("kind", ["plugin", "theme", "translation", "siteagent"])
def test_on_windows_an_update_cannot_be_rolled_back(run: Run, kind: str) -> None:
    """Windows cannot rename a folder with an open file."""
    assert run.ask("available", kind=kind, separator="/") is True
    assert run.ask("available", kind=kind, separator="\\") is False
