"""The list of attacks is complete and names tests that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.misuse import SECTIONS, page

ROOT = Path(__file__).parents[2]
NAMED = {test for attacks in SECTIONS.values() for attack in attacks for test in attack.tests}


def functions_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_every_named_test_exists(path: str) -> None:
    named = {name for file, name in NAMED if file == path}
    assert named - functions_in(path) == set()
    assert all(name.startswith("test_") for name in named)


def test_every_attack_has_a_test() -> None:
    assert all(attack.tests for attacks in SECTIONS.values() for attack in attacks)


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/plugin/test_misuse_*.py")))
def test_every_misuse_test_is_listed(path: Path) -> None:
    file = path.relative_to(ROOT).as_posix()
    attack_tests = {name for name in functions_in(file) if name.startswith("test_")}
    assert attack_tests - {name for where, name in NAMED if where == file} == set()


def test_the_page_matches_the_list() -> None:
    assert (ROOT / "docs/MISUSE.md").read_text("utf-8") == page()
