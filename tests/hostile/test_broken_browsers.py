"""A browser that is missing, hangs, dies or sends wrong data: the look fails with a reason."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest

from app.domain.page_checks import browser_looks
from app.domain.page_checks.browser_looks import PageToCheck
from tests.support.browser_looks import browse, profiles, settings, whys

SITE = "http://127.0.0.1:9"


def program(folder: Path, script: str) -> Path:
    path = folder / "browser.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def is_running(pid: int) -> bool:
    """Return whether a process runs. A zombie counts as ended."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 1", "browser_ended"),
        ("echo 'Running as root without --no-sandbox is not supported' >&2; exit 1", "no_sandbox"),
        ("echo '[1:FATAL] No usable sandbox! Update your kernel' >&2; exit 133", "no_sandbox"),
        ("echo 'Failed to move to new namespace: EPERM' >&2; exit 1", "no_sandbox"),
        ("printf 'nonsense\\0' >&4; sleep 60", "browser_ended"),
        ("""printf '{"id":1,"error":{"message":"no"}}\\0' >&4; sleep 60""", "crashed"),
        ("""printf '{"id":7,"result":{}}\\0' >&4; exec 4>&-; sleep 60""", "browser_ended"),
    ],
)
def test_a_broken_browser_is_reported_with_its_reason(
    tmp_path: Path, script: str, why: str
) -> None:
    seen = browse(SITE, program(tmp_path, script), tmp_path)
    assert whys(seen["/"]) == {why}
    assert profiles(tmp_path) == []


def test_a_missing_browser_is_reported(tmp_path: Path) -> None:
    pages = [PageToCheck("/", 200), PageToCheck("/shop/", 200)]
    seen = browse(SITE, tmp_path / "none", tmp_path, pages)
    assert [whys(seen[page.path]) for page in pages] == [{"absent"}, {"absent"}]


def test_a_look_without_a_browser_returns_and_writes_nothing(tmp_path: Path) -> None:
    assert browse(SITE, None, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_hangs_is_killed_with_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_looks, "BUDGET_S", 2.0)
    noted = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $! $$ > {noted}; wait"
    began = time.monotonic()
    seen = browse(SITE, program(tmp_path, script), tmp_path)
    assert time.monotonic() - began < 30
    assert whys(seen["/"]) == {"no_time"}
    deadline = time.monotonic() + 10
    while any(is_running(int(pid)) for pid in noted.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_browser_gets_none_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURA_SECRET_KEY", "very-secret")
    noted = tmp_path / "facts"
    browse(SITE, program(tmp_path, f'env > {noted}; echo "$@" >> {noted}; exit 1'), tmp_path)
    facts = noted.read_text()
    assert "very-secret" not in facts
    assert "--proxy-server=http://127.0.0.1:1 " in facts
    assert "--no-sandbox" not in facts
    assert "--disable-quic" in facts


def test_a_look_waits_for_another_browser_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_looks, "BUDGET_S", 0.5)
    with browser_looks.turn(settings(None, tmp_path), time.monotonic() + 5) as is_ours:
        assert is_ours
        seen = browse(SITE, program(tmp_path, "exit 1"), tmp_path)
    assert whys(seen["/"]) == {"browser_busy"}
    monkeypatch.setattr(browser_looks, "BUDGET_S", 5.0)
    assert whys(browse(SITE, program(tmp_path, "exit 1"), tmp_path)["/"]) == {"browser_ended"}


def test_leftovers_of_a_killed_worker_are_removed(tmp_path: Path) -> None:
    prefix = browser_looks.prefix_of(settings(None, tmp_path))
    left = Path(tempfile.mkdtemp(prefix=prefix))
    (left / "Cookies").write_text("x")
    browse(SITE, program(tmp_path, "exit 1"), tmp_path)
    assert not left.exists()
