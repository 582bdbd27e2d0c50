"""Which tests a run selects, in which order, and on which worker they run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import selection

ROOT = Path(__file__).parents[2]
DISTRIBUTION = ("--dist", "loadgroup", "--no-loadscope-reorder")
FILES = (
    "tests/plugin/test_gate.py",
    "tests/plugin/test_uninstall.py",
    "tests/rigs/test_servers.py",
)


class Item:
    """A collected test as far as the selection looks at one."""

    def __init__(self, path: str, **params: str) -> None:
        self.path = ROOT / path
        self.config = SimpleNamespace(rootpath=ROOT)
        self.markers: dict[str, Any] = {}
        if params:
            self.callspec = SimpleNamespace(params=params)

    def get_closest_marker(self, name: str) -> Any:
        return self.markers.get(name)

    def add_marker(self, marker: Any) -> None:
        self.markers[marker.mark.name] = marker.mark

    @property
    def group(self) -> str:
        return str(self.markers["xdist_group"].args[0])


@cache
def collected(*options: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "--collect-only", *options, *FILES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_nightly_tests_run_only_with_all() -> None:
    usual, everything = collected(), collected("--all")
    assert set(usual) < set(everything)
    rigs = {one.rpartition("[")[2] for one in usual if "test_each_server_has" in one}
    assert rigs == {"nginx-fpm]"}
    assert len([one for one in everything if "test_each_server_has" in one]) > 3


def test_only_smoke_tests_run_on_the_oldest_wordpress() -> None:
    oldest = [one for one in collected() if "[oldest" in one]
    assert oldest
    assert {one.partition("::")[0] for one in oldest} == {"tests/plugin/test_gate.py"}
    more = [one for one in collected("--all") if "[oldest" in one]
    assert "tests/plugin/test_uninstall.py" in {one.partition("::")[0] for one in more}


def test_tests_of_one_wordpress_or_file_share_a_worker() -> None:
    items = [
        Item("tests/plugin/test_gate.py", wp="newest"),
        Item("tests/plugin/test_words.py", wp="newest"),
        Item("tests/plugin/test_change_run.py", wp="newest"),
        Item("tests/plugin/test_change_kinds.py", wp="newest"),
        Item("tests/plugin/test_words.py", wp="oldest"),
        Item("tests/plugin/test_words.py"),
        Item("tests/domain/test_tags.py"),
    ]
    selection.group_by_worker(items)
    assert [one.group for one in items] == [
        "wp-newest",
        "wp-newest",
        "wp-newest-changes",
        "wp-newest-changes",
        "wp-oldest",
        "tests/plugin/test_words.py",
        "tests/domain/test_tags.py",
    ]


def test_tests_on_another_php_may_run_on_another_worker() -> None:
    contract = "tests/plugin/test_contract.py"
    items = [Item(contract, php="7.4"), Item(contract, php="8.5"), Item(contract)]
    selection.group_by_worker(items)
    assert [one.group for one in items] == [f"{contract}-7.4", f"{contract}-8.5", contract]


def test_a_file_really_runs_on_one_worker(tmp_path: Path) -> None:
    for number in range(3):
        tests = "".join(f"def test_{one}():\n    time.sleep(0.05)\n\n" for one in range(4))
        (tmp_path / f"test_{number}.py").write_text(f"import time\n\n{tests}", "utf-8")
    (tmp_path / "conftest.py").write_text(
        "import pytest\nfrom tests.support import selection\n\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_collection_modifyitems(items):\n    selection.group_by_worker(items)\n",
        "utf-8",
    )
    command = [*(sys.executable, "-m", "pytest", "-v", "-n", "2"), *DISTRIBUTION, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    ran = set(re.findall(r"\[(gw\d)\] .* PASSED (test_\d\.py)::", done.stdout))
    assert {file for _, file in ran} == {"test_0.py", "test_1.py", "test_2.py"}
    assert len(ran) == 3, f"a file ran on several workers: {sorted(ran)}"


def test_the_makefile_keeps_groups_together() -> None:
    assert f"WORKERS := -n 4 {' '.join(DISTRIBUTION)}" in (ROOT / "Makefile").read_text("utf-8")


def test_an_explicit_group_is_kept() -> None:
    item = Item("tests/domain/test_tags.py")
    item.add_marker(pytest.mark.xdist_group("of its own"))
    selection.group_by_worker([item])
    assert item.group == "of its own"


def test_a_parameter_of_bytes_does_not_name_the_test() -> None:
    assert selection.name_of_parameter(b"x" * 80) == "80 bytes"
    assert selection.name_of_parameter(b"GIF89a/*") is None
    assert selection.name_of_parameter("x" * 80) is None
    assert selection.name_of_parameter("x" * 100_000) == "100000 characters"


def test_tests_without_an_image_run_first_and_slow_groups_early() -> None:
    items = [
        Item("tests/domain/test_tags.py"),
        Item("tests/plugin/test_gate.py", wp="oldest"),
        Item("tests/e2e/test_onboarding.py"),
        Item("tests/plugin/test_gate.py", wp="newest"),
        Item("tests/web/test_sign_in.py"),
        Item("tests/matrix/test_syntax.py"),
    ]
    original = list(items)
    selection.order(items)
    assert [original.index(one) for one in items] == [4, 5, 3, 1, 2, 0]
