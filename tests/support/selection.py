"""Decide which tests a run selects and which worker runs them.

A run leaves out the tests marked `nightly`, unless it is given `--all`. Each file runs on one
worker, because fixtures of a module are expensive. All tests on the WordPress that the `wp`
fixture provides also run on one worker, so that each version starts once in a whole run.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

OPTION = "--all"


def add_option(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="run the tests marked nightly, too")


def nightly(*values: object) -> list[ParameterSet]:
    """Return these parameters, each with the marker `nightly`, for `params` of a fixture."""
    return [pytest.param(value, marks=pytest.mark.nightly, id=str(value)) for value in values]


# For fixtures that start a WordPress of their own: tests on the oldest one are nightly.
WORDPRESSES = [*nightly("oldest"), pytest.param("newest")]


def deselect_nightly(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remove the nightly tests from `items`, unless the run is given `--all`.

    On the oldest WordPress, every test of a file without the marker `smoke` is nightly.
    """
    for item in items:
        if _wordpress_of(item) == "oldest" and not item.get_closest_marker("smoke"):
            item.add_marker("nightly")
    if config.getoption(OPTION):
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


def group_by_worker(items: list[pytest.Item]) -> None:
    """Name the group of each test for `pytest --dist loadgroup`, unless it has one."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            which = _wordpress_of(item)
            group = f"wp-{which}" if which else _file_of(item)
            item.add_marker(pytest.mark.xdist_group(group))


def _wordpress_of(item: pytest.Item) -> str:
    """Return which WordPress the `wp` fixture gives this test, or ""."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("wp", "")) if callspec else ""


def _file_of(item: pytest.Item) -> str:
    return Path(item.path).relative_to(item.config.rootpath).as_posix()
