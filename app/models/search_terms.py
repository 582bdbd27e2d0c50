"""The words of an entry, as full text stores them on either database.

They are split and spelled only here, so both databases find the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

_WHOLE = re.compile(r"[\w.-]+")
_PART = re.compile(r"[._-]+")
_MAX_WORDS = 200
_MAX_CHARS = 64


def words_of(body: dict[str, Any], detail: dict[str, Any] | None) -> str:
    """Return each word of an entry once: of its name, its facts and its private details.

    `detail` is None for erased details.
    """
    texts = [body["event"], *_texts(body["facts"])]
    if detail is not None:
        texts += [*_texts(detail["actor"]), *_texts(detail["facts"])]
    return " ".join(sorted(set(_words(texts)))[:_MAX_WORDS])


def search_words(text: str) -> list[str]:
    """Return the words to search for in a typed text; each may be the beginning of a longer one."""
    return [word for word in (_clean(whole) for whole in _WHOLE.findall(_plain(text))) if word]


def _texts(facts: dict[str, Any]) -> Iterator[str]:
    return (value for value in facts.values() if isinstance(value, str))


def _words(texts: Iterable[str]) -> Iterator[str]:
    """Yield each whole word, and what a dot, a dash or an underscore connects.

    A version number stays whole.
    """
    for text in texts:
        for whole in _WHOLE.findall(_plain(text)):
            if word := _clean(whole):
                yield word
                yield from (part for part in _PART.split(word) if part.isalpha() and part != word)


def _plain(text: str) -> str:
    """Without case and accents: who searches types neither."""
    spelt = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in spelt if not unicodedata.combining(char))


def _clean(word: str) -> str:
    return word.strip("._-")[:_MAX_CHARS].rstrip("._-")
