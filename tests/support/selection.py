"""Decide which tests a run selects and which worker runs them.

A run leaves out the tests marked `nightly`, unless it is given `--all`. Each file runs on one
worker, because fixtures of a module are expensive. Files that use the WordPress of the `wp` fixture
also share a worker, so that few start in a whole run: one for each version, and another for the
tests of changes, which take as long as all others together.

On a new machine the images that tests need are built while other tests run already, so those
that need none come first; the slowest groups come early, or one worker would wait for the other.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

OPTION = "--all"
_LONGEST_NAME = 24
_LONGEST_TEXT = 300
_NEED_AN_IMAGE = tuple(
    f"tests/{name}/" for name in ("containers", "e2e", "matrix", "plugin", "rigs", "wordpress")
)
_NEED_NONE = "tests/matrix/test_syntax.py"
_LAST = ("tests/domain/", "tests/repository/", "tests/unit/")


def add_option(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="run the tests marked nightly, too")


def nightly(*values: object) -> list[ParameterSet]:
    """Return these parameters, each with the marker `nightly`, for `params` of a fixture."""
    return [pytest.param(value, marks=pytest.mark.nightly, id=str(value)) for value in values]


# For fixtures that start their own WordPress: tests on the oldest one are nightly.
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
            group = f"wp-{which}{_of_changes(item)}" if which else _file_of(item) + _php_of(item)
            item.add_marker(pytest.mark.xdist_group(group))


def name_of_parameter(value: object) -> str | None:
    """Return the name of a test's parameter; None for what pytest names itself.

    All workers must give a test the same name. The content of a file may contain the time at which
    it was made. The name is part of the environment of each process that the test starts, which
    has a limit.
    """
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{len(value)} characters"
    if isinstance(value, bytes) and len(value) > _LONGEST_NAME:
        return f"{len(value)} bytes"
    return None


def order(items: list[pytest.Item]) -> None:
    """Sort the tests: pages and protocol, then what needs an image, then all others."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    path = _file_of(item)
    if path.startswith(_NEED_AN_IMAGE) and not path.startswith(_NEED_NONE):
        return 1 if _wordpress_of(item) == "newest" else 2
    return 3 if path.startswith(_LAST) else 0


def _wordpress_of(item: pytest.Item) -> str:
    """Return which WordPress the `wp` fixture gives this test, or ""."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("wp", "")) if callspec else ""


def _of_changes(item: pytest.Item) -> str:
    """Return "-changes" where the test is one of those that change a site, or ""."""
    return "-changes" if Path(item.path).name.startswith("test_change_") else ""


def _php_of(item: pytest.Item) -> str:
    """Return the PHP that the `php` fixture gives this test after a hyphen, or ""."""
    callspec = getattr(item, "callspec", None)
    return f"-{callspec.params['php']}" if callspec and "php" in callspec.params else ""


def _file_of(item: pytest.Item) -> str:
    return Path(item.path).relative_to(item.config.rootpath).as_posix()
