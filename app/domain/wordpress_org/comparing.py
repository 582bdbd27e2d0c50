"""Find out whether the directory says that a plugin or theme has another source than before. Pure.

What one release changes every day is no news: the case and the order of names, a contributor who
comes or goes, markup. What the directory does not say is no news either.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from app.domain.provenance import Part
from app.models.provenance import AUTHOR, CLOSED, CONTRIBUTORS, GONE, LISTED_AGAIN, OWNER
from app.models.wordpress_org import CLOSED as IS_CLOSED
from app.models.wordpress_org import GONE as IS_GONE
from app.models.wordpress_org import LISTED, UNKNOWN, DirectoryEntry

_BETWEEN_NAMES = re.compile(r"[,;&/+]|\band\b")
_NO_LETTER = re.compile(r"[\W_]+")
# More would not be read.
_NAMED = 10


def differences(entry: DirectoryEntry, facts: Mapping[str, Any]) -> list[Part]:
    """Return what is another after an answer; `facts` are the columns that it sets."""
    found = _of_state(entry, facts)
    if "owner" not in facts:  # closed, or not in the directory
        return found
    if _is_other(entry.owner, facts["owner"]):
        found.append(Part(OWNER, entry.owner, facts["owner"]))
    known, present = set(entry.known_contributors or ()), set(facts["contributors"])
    if known and present and not known & present:
        found.append(Part(CONTRIBUTORS, _listed(known), _listed(present)))
    before, after = names_in(entry.author), names_in(facts["author"])
    if before and after and before != after:
        found.append(Part(AUTHOR, entry.author, facts["author"]))
    return found


def known_contributors(entry: DirectoryEntry, facts: Mapping[str, Any]) -> list[str] | None:
    """Return the contributors that later ones are compared with.

    They stay as they were first, so that they cannot all be replaced one by one unnoticed.
    """
    known: list[str] | None = entry.known_contributors
    if "contributors" not in facts:
        return known
    present: list[str] = facts["contributors"]
    if known is None or not known or (present and not set(known) & set(present)):
        return present
    return known


def names_in(author: str) -> frozenset[str]:
    """Return the names in an author's name, without case, punctuation and order."""
    text = unicodedata.normalize("NFKC", author).casefold()
    names = (_NO_LETTER.sub(" ", name).strip() for name in _BETWEEN_NAMES.split(text))
    return frozenset(name for name in names if name)


def _of_state(entry: DirectoryEntry, facts: Mapping[str, Any]) -> list[Part]:
    before, after = entry.state, facts["state"]
    if after == before:
        return []
    if after == IS_CLOSED:
        return [Part(CLOSED, _state_in_words(before), closing_in_words(facts))]
    if after == IS_GONE:
        return [Part(GONE, _state_in_words(before), "not in the directory")]
    if after == LISTED and before != UNKNOWN:
        return [Part(LISTED_AGAIN, _state_in_words(before), "listed")]
    return []


def closing_in_words(facts: Mapping[str, Any]) -> str:
    """Return since when and why it is closed, as far as the directory says so."""
    closed_on: date | None = facts["closed_on"]
    since = f"closed on {closed_on.day} {closed_on:%b %Y}" if closed_on else "closed"
    return f"{since}, reason: {facts['closed_reason']}" if facts["closed_reason"] else since


def _state_in_words(state: str) -> str:
    return {UNKNOWN: "not asked before", IS_CLOSED: "closed", IS_GONE: "gone"}.get(state, "listed")


def _is_other(old: str, new: str) -> bool:
    return bool(old and new) and old.casefold() != new.casefold()


def _listed(accounts: set[str]) -> str:
    names = sorted(accounts)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
