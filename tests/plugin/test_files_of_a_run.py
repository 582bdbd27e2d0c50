"""What the files of a run mean to a request in between, and where an update can be rolled back.

The plugin's own classes run on this machine's PHP, without WordPress.
"""

from __future__ import annotations

import json
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
    def is_watched(self) -> bool:
        return self.watchdog.is_file() and self.folder.is_dir()

    @property
    def version(self) -> str:
        return (self.component / "version.txt").read_text()

    def ask(self, what: str, **more: Any) -> Any:
        question = json.dumps({"do": what, "folder": str(self.folder), **more})
        command = [system_php(), "-d", "display_errors=stderr", str(SCRIPT), question]
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


@pytest.mark.parametrize("kind", ["plugin", "theme", "translation", "siteagent"])
def test_on_windows_an_update_cannot_be_rolled_back(run: Run, kind: str) -> None:
    """A folder with an open file cannot be renamed there."""
    assert run.ask("available", kind=kind, separator="/") is True
    assert run.ask("available", kind=kind, separator="\\") is False
