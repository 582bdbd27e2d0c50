"""Queries of pages that peewee composes once; `statements` does the same for single rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

from app.models.base import db
from app.models.statements import filled

# How many queries are kept of one function: one for each way in which it is asked.
_MOST_KEPT = 128


def composed_once(build: Callable[..., Any]) -> Callable[..., Any]:
    """Return `build`, which returns a SELECT, so that peewee composes its query once.

    The query is that of the positional arguments, which have to be hashable. Named arguments are
    the values for its places (`statements.given`). Each call returns a query of its own, to be
    read as it is: what is added to it, such as another `where`, has no effect.
    """

    @lru_cache(maxsize=_MOST_KEPT)
    def made(_spelling: str, *arguments: Any) -> tuple[Any, str, list[Any]]:
        query = build(*arguments)
        return query, *query.sql()

    @wraps(build)
    def bound(*arguments: Any, **values: Any) -> Any:
        # The kinds of databases differ in how they spell parameters, and in functions.
        query, sql, places = made(db.param, *arguments)
        found = query.clone()
        found.composed = sql, filled(places, values)
        return found

    return bound
