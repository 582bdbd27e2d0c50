"""The benchmarks import and start. No test runs them in full, which takes long."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).parents[2] / "bench").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_imports_what_it_measures(name: str) -> None:
    importlib.import_module("bench" if name == "__init__" else f"bench.{name}")


def test_there_are_benchmarks() -> None:
    assert {"__main__", "audit_log", "fleet", "site", "sync", "wire"} <= set(MODULES)
