"""docs/SECURITY.md claims only what a test shows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/SECURITY.md").read_text("utf-8")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def missing_tests(text: str) -> list[str]:
    """Return the tests named in `text` that do not exist."""
    missing = []
    for path, name in TEST.findall(text):
        file = ROOT / path
        tree = ast.parse(file.read_text("utf-8")) if file.is_file() else ast.Module([], [])
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        if not functions or (name and name not in functions):
            missing.append(f"{path}::{name}" if name else path)
    return missing


def rows_without_a_test(text: str) -> list[str]:
    """Return the table rows of `text` in which no test is named, without head and rule."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    claims = [row for row in rows if not row.startswith(("| threat", "| sentence", "|---"))]
    return [row for row in claims if not TEST.search(row)]


def test_every_named_test_exists() -> None:
    assert missing_tests(PAGE) == []


def test_every_row_names_a_test() -> None:
    assert len(PAGE.splitlines()) > 40
    assert rows_without_a_test(PAGE) == []


@pytest.mark.parametrize(
    "claim", ["| x | `tests/test_nothing.py` |", "| x | `tests/unit/test_keys.py::test_nothing` |"]
)
def test_a_missing_test_is_found(claim: str) -> None:
    assert missing_tests(claim)


def test_a_claim_without_a_test_is_found() -> None:
    assert rows_without_a_test("| threat | protection |\n| thieves | none |") == [
        "| thieves | none |"
    ]
