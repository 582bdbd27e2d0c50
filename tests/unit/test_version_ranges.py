"""Version ranges, with versions compared as PHP does."""

from __future__ import annotations

import json
import subprocess
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.inventory.versions import version_key
from app.domain.vulnerabilities.ranges import (
    AFFECTED,
    UNAFFECTED,
    UNKNOWN,
    VersionRange,
    first_fixed_version,
    match_version,
)

# In the order of releases; versions of one line are the same release.
RELEASES = (
    ("0.9",),
    ("1.0-dev",),
    ("1.0-alpha1", "1.0.0-alpha1", "1.0a1"),
    ("1.0-beta", "1.0.beta"),
    ("1.0-RC1", "1.0rc1", "1.0-rc.1"),
    ("1.0", "1", "1.0.0"),
    ("1.0-pl1",),
    ("1.0.1", "1.0.1.0"),
    ("1.2",),
    ("1.10", "1.10.0"),
    ("2.0.0.1",),
    ("10",),
    ("2026.11.30",),
)
ORDER = {version: place for place, line in enumerate(RELEASES) for version in line}
VERSIONS = st.sampled_from(sorted(ORDER))
BOUNDS = VERSIONS | st.just("*")


def oracle(version: str, low: str, low_in: bool, high: str, high_in: bool) -> str:
    """Apply the same rule to the positions of releases in a list."""
    bottom = -1 if low == "*" else ORDER[low] + (0 if low_in else 1)
    top = len(RELEASES) if high == "*" else ORDER[high] - (0 if high_in else 1)
    if low != "*" and high != "*":
        is_empty = ORDER[low] > ORDER[high] or (ORDER[low] == ORDER[high] and not low_in & high_in)
        if is_empty:
            return UNKNOWN
    return AFFECTED if bottom <= ORDER[version] <= top else UNAFFECTED


@given(VERSIONS, BOUNDS, st.booleans(), BOUNDS, st.booleans())
def test_a_range_contains_the_releases_between_its_bounds(
    version: str, low: str, low_in: bool, high: str, high_in: bool
) -> None:
    found = match_version(version, [VersionRange(low, low_in, high, high_in)])
    assert found == oracle(version, low, low_in, high, high_in)


@given(VERSIONS, VERSIONS)
def test_versions_sort_by_release(one: str, other: str) -> None:
    keys = version_key(one), version_key(other)
    assert (keys[0] < keys[1], keys[0] == keys[1]) == (
        ORDER[one] < ORDER[other],
        ORDER[one] == ORDER[other],
    )


def test_php_agrees_unless_only_zeros_differ() -> None:
    # For PHP, 1.0-pl1 is newer than 1.0.1.
    pairs = list(product([line[0] for line in RELEASES if "pl" not in line[0]], repeat=2))
    script = (
        "foreach (json_decode(stream_get_contents(STDIN)) as $p)"
        " { $all[] = version_compare($p[0], $p[1]); } echo json_encode($all);"
    )
    done = subprocess.run(
        ["php", "-r", script], input=json.dumps(pairs), capture_output=True, text=True, check=True
    )
    ours = [(version_key(a) > version_key(b)) - (version_key(a) < version_key(b)) for a, b in pairs]
    assert ours == json.loads(done.stdout)


@pytest.mark.parametrize("version", ["", "trunk", "nightly", "v2.3", "-1", "1" * 101])
def test_an_invalid_version_is_unknown(version: str) -> None:
    assert match_version(version, [VersionRange("1.0", True, "2.0", True)]) == UNKNOWN
    # If every version is affected, it need not be compared.
    assert match_version(version, [VersionRange("*", True, "*", True)]) == AFFECTED


def test_a_reversed_range_is_unknown() -> None:
    wrong = VersionRange("2.0", True, "1.0", True)
    assert match_version("1.5", [wrong]) == UNKNOWN
    assert match_version("1.5", [wrong, VersionRange("1.0", True, "1.9", True)]) == AFFECTED
    assert match_version("1.5", [VersionRange("one", True, "two", True)]) == UNKNOWN


def test_no_ranges_mean_unknown() -> None:
    assert match_version("1.5", []) == UNKNOWN


def test_the_first_fix_is_newer_and_not_affected_itself() -> None:
    affected = [VersionRange("*", True, "1.2.9", True), VersionRange("2.0", True, "2.1", False)]
    patched = ["2.1", "1.3", "2.0", "1.2", "unknown"]
    assert first_fixed_version("1.2", patched, affected) == "1.3"
    assert first_fixed_version("2.0.5", patched, affected) == "2.1"
    assert first_fixed_version("3.0", patched, affected) == ""
    assert first_fixed_version("1.0", [], affected) == ""
