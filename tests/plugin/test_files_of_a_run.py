"""What the files of a run mean to a request in between, and where an update can be rolled back:
also on links, on a full disk, and while another request restores.

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
        """With the new version in place and a copy of the old one."""
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
        """The lock of a request that restores."""
        return self.folder / "restoring"

    def dies(self) -> None:
        """Its process was killed, ten minutes ago."""
        (self.folder / "beat").write_text("another host")
        self.ages("beat")

    def ages(self, *names: str) -> None:
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

    def ask(self, what: str, *, limited_to: str = "", **more: Any) -> Any:
        """What the plugin's classes say; PHP may be limited to some folders (open_basedir)."""
        question = json.dumps({"do": what, "folder": str(self.folder), **more})
        settings = ["-d", "display_errors=stderr", "-d", f"open_basedir={limited_to}"]
        command = [system_php(), *settings, str(SCRIPT), question]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return json.loads(ran.stdout)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.make(tmp_path / "run")


@pytest.mark.parametrize("needs_confirmation", [False, True])
def test_a_result_that_is_just_being_written_does_not_end_the_watch(
    run: Run, needs_confirmation: bool
) -> None:
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


def test_without_its_confirmation_the_old_version_returns_when_the_time_is_over(run: Run) -> None:
    run.settled.write_text(str(int(time.time()) - 60))
    run.ask("watch", needs_confirmation=True)
    assert run.version == "old"


def test_a_request_in_between_reads_the_whole_result(run: Run) -> None:
    """The old one or the new one, and never the empty file between them."""
    run.settled.write_text("1111111111")
    assert run.ask("settle", until=2222222222) == "1111111111"
    assert run.settled.read_text() == "2222222222"
    assert sorted(one.name for one in run.folder.iterdir()) == ["kept", "settled"]


@pytest.mark.parametrize("settled", [False, True])
def test_the_watchdog_stays_while_another_request_restores(run: Run, settled: bool) -> None:
    """That request may be killed as well, and nothing else would restore the site."""
    run.dies()
    if settled:
        run.settled.write_text(str(int(time.time()) - 60))
    run.restoring.mkdir()
    run.ask("watch", needs_confirmation=settled)
    assert (run.is_watched, run.version) == (True, "new")
    run.ages("restoring", "attempt")
    run.ask("watch", needs_confirmation=settled)
    assert run.version == "old"
    assert not run.watchdog.exists()


def test_a_restore_that_failed_is_tried_again_only_after_a_minute(run: Run) -> None:
    run.dies()
    run.restoring.mkdir()
    run.ask("watch")
    run.restoring.rmdir()
    run.ask("watch")
    assert (run.is_watched, run.version) == (True, "new")
    run.ages("attempt")
    run.ask("watch")
    assert run.version == "old"


def test_without_a_backup_there_is_nothing_to_wait_for(run: Run) -> None:
    run.dies()
    (run.folder / "kept" / "version.txt").unlink()
    (run.folder / "kept").rmdir()
    run.ask("watch")
    assert not run.watchdog.exists()


@pytest.fixture
def linked(tmp_path: Path) -> Run:
    """A run on a site whose wp-content is a link, as where each release has a folder of its own."""
    (tmp_path / "releases").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "releases")
    return Run.make(tmp_path / "current" / "run")


def test_an_error_is_the_component_s_own_where_wp_content_is_a_link(linked: Run) -> None:
    """PHP names files by their paths without links."""
    named = linked.component.resolve() / "forms.php"
    elsewhere = named.parent.with_name("other") / "forms.php"
    assert linked.ask("record error", file=str(elsewhere)) is False
    assert linked.ask("record error", file=str(named)) is True


def test_no_path_leaves_the_site_where_wp_content_is_a_link(linked: Run) -> None:
    site = linked.folder.parent
    for root in (site, site.resolve()):
        text = f"Fatal error in {root}/plugins/forms/forms.php:12"
        assert linked.ask("redact", text=text) == "Fatal error in plugins/forms/forms.php:12"


def test_a_host_that_forbids_the_folder_for_temporary_files_gets_no_warning(
    run: Run, tmp_path: Path
) -> None:
    """Visitors would see it, and headers could no longer be sent."""
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


def test_a_file_that_does_not_fit_leaves_no_part_of_it(run: Run, tmp_path: Path) -> None:
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
    """A folder with an open file cannot be renamed there."""
    assert run.ask("available", kind=kind, separator="/") is True
    assert run.ask("available", kind=kind, separator="\\") is False
