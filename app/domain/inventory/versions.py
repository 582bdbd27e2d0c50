"""Compare version numbers, and classify the size of an update. Pure functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

# The size of an update, by the first number that changes. Auto-update rules use these.
PATCH = "patch"
MINOR = "minor"
MAJOR = "major"
UNCLEAR = "unclear"
RELEASE_TYPES = (PATCH, MINOR, MAJOR)
_PLAIN_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}", re.ASCII)


def is_above(required: str, present: str) -> bool:
    """Whether version `required` is newer than `present`; compares the leading numbers only."""
    wanted, had = numbers(required), numbers(present)
    return bool(wanted and had) and wanted > had + (0,) * len(wanted)


def is_not_newer(available: str, present: str) -> bool:
    """Whether `available` equals `present` or is certainly older; False if unclear.

    Only the leading numbers are compared: 1.0 may follow 1.0-beta.
    """
    wanted, had = numbers(available), numbers(present)
    if not wanted or not had:
        return False
    size = max(len(wanted), len(had))
    return available == present or wanted + (0,) * (size - len(wanted)) < had + (0,) * (
        size - len(had)
    )


def release_type_between(present: str, available: str) -> str:
    """Return PATCH, MINOR or MAJOR; UNCLEAR if it cannot be parsed or does not go up."""
    had, gets = numbers(present), numbers(available)
    size = max(len(had), len(gets), 3)
    had, gets = had + (0,) * (size - len(had)), gets + (0,) * (size - len(gets))
    if not numbers(present) or gets <= had:
        return UNCLEAR
    if gets[0] != had[0]:
        return MAJOR
    return MINOR if gets[1] != had[1] else PATCH


def is_patch_release(present: str, available: str) -> bool | None:
    """Whether an update leaves the first two numbers as they are and raises the third or fourth.

    None if that cannot be decided: for a pre-release, and for one number or more than four. A site
    decides the same way (class-siteagent-release-type.php).
    """
    if not (_PLAIN_VERSION.fullmatch(present) and _PLAIN_VERSION.fullmatch(available)):
        return None
    had, gets = ((*numbers(version), 0, 0)[:4] for version in (present, available))
    return had[:2] == gets[:2] and had[2:] < gets[2:]


def branch(version: str) -> tuple[int, ...]:
    """Return the WordPress branch of a version: 6.8 for 6.8.1."""
    return (*numbers(version), 0, 0)[:2]


# Sites share few versions, and lists read those of each site several times.
@lru_cache(maxsize=4096)
def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers with which a version begins."""
    found = re.match(r"\d+(\.\d+)*", version, re.ASCII)
    return tuple(int(part[:9]) for part in found.group().split(".")) if found else ()


# The order of PHP's version_compare(), by the beginning of a word. Numbers are between rc and pl.
_STAGES = (
    ("dev", 0), ("alpha", 1), ("a", 1), ("beta", 2), ("b", 2), ("rc", 3), ("pl", 5), ("p", 5),
)  # fmt: skip
_UNKNOWN_STAGE, _NUMBER = -1, 4
# Where one version ends and the other continues: before each number, after each pre-release.
_END = (_NUMBER, -1)
_MOST_VERSION_CHARS = 100


VersionKey = tuple[tuple[int, ...], tuple[tuple[int, int], ...]]


def version_key(version: str) -> VersionKey | None:
    """Return a key that sorts versions as PHP's version_compare() does; None if it is no version.

    Unlike PHP, zeros at the end of the first numbers do not count, because 9.3 and 9.3.0 are one
    release, and these numbers come before any word.
    Source: https://www.php.net/version_compare
    """
    first = numbers(version)
    if len(version) > _MOST_VERSION_CHARS or not first:
        return None
    while len(first) > 1 and first[-1] == 0:
        first = first[:-1]
    rest = re.sub(r"^[0-9]+(\.[0-9]+)*", "", version)
    return first, (*map(_part_key, re.findall(r"[0-9]+|[A-Za-z]+", rest)), _END)


def _part_key(part: str) -> tuple[int, int]:
    if part.isdigit():
        return _NUMBER, int(part)
    word = part.lower()
    stages = (stage for name, stage in _STAGES if word.startswith(name))
    return next(stages, _UNKNOWN_STAGE), 0


class AvailableUpdate(Protocol):
    """A component, with its available version if there is one."""

    @property
    def kind(self) -> str: ...
    @property
    def ident(self) -> str: ...
    @property
    def available(self) -> str | None: ...


def available_updates(components: Iterable[AvailableUpdate]) -> dict[str, int]:
    """Return the number of available updates by kind, the same for all pages and entries.

    A component counts once, also a WordPress with two available versions.
    """
    found = {(component.kind, component.ident) for component in components if component.available}
    return dict(Counter(kind for kind, _ in found))
