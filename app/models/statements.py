"""Statements that peewee composes once and that run many times.

peewee takes ten times as long to compose a statement as a database takes to run it. So the
statements of each sync and of each call are composed on first use, with places for their values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from peewee import CharField, Context, Field, ForeignKeyField, IntegerField, Node, TextField


class _Place:
    """Where a value goes, and how it is converted for the database."""

    def __init__(self, name: str, convert: Callable[[Any], Any]) -> None:
        self.name, self.convert = name, convert


class _Given(Node):
    """The part of a query that stands for a value that comes with each run."""

    def __init__(self, place: _Place) -> None:
        self._place = place

    def __sql__(self, ctx: Context) -> Context:
        return ctx.value(self._place, converter=False)


def given(field: Field, name: str = "") -> Any:
    """Return a place for a value of `field` in the query of a Statement.

    The value is passed by the field's name, or by `name` if the query has several for one field.
    """
    return _Given(_Place(name or field.name, field.db_value))


class Statement:
    """A query of a model that is composed once for each kind of database."""

    def __init__(self, query: Any) -> None:
        self._query = query
        self._database = query.model.database
        # By the spelling of parameters, in which the kinds of databases differ.
        self._composed: dict[str, tuple[str, list[Any]]] = {}

    def read_rows(self, **values: Any) -> list[Any]:
        """Return the rows of a SELECT with a value for each place."""
        rows: list[Any] = self._run(values).fetchall()
        return rows

    def read_row(self, **values: Any) -> Any:
        """Return the first row of a SELECT with a value for each place; None without rows."""
        return self._run(values).fetchone()

    def execute(self, **values: Any) -> Any:
        """Write with a value for each place, and return the cursor with the rows it returns."""
        return self._run(values)

    def _run(self, values: dict[str, Any]) -> Any:
        spelling = self._database.param
        if spelling not in self._composed:
            self._composed[spelling] = self._query.sql()
        sql, places = self._composed[spelling]
        return self._database.execute_sql(sql, filled(places, values))


def filled(places: list[Any], values: dict[str, Any]) -> list[Any]:
    """Return the parameters of a statement, with these values where it has places."""
    return [
        place.convert(values[place.name]) if type(place) is _Place else place for place in places
    ]


@cache
def finding(model: Any, names: tuple[str, ...]) -> Statement:
    """Return the statement that reads the rows whose columns of these names have given values."""
    columns = model.columns()
    conditions = [columns[name] == given(columns[name]) for name in names]
    return Statement(model.select().where(*conditions))


@cache
def adding(model: Any, names: tuple[str, ...]) -> Statement:
    """Return the statement that inserts a row with these columns given, and returns the row."""
    columns = model.columns()
    insert = model.insert({name: given(columns[name]) for name in names})
    return Statement(insert.returning(*columns.values()))


@cache
def adding_unless_there(model: Any, names: tuple[str, ...]) -> Statement:
    """Return the statement that inserts a row with these columns given, if there is none yet."""
    columns = model.columns()
    insert = model.insert({name: given(columns[name]) for name in names})
    return Statement(insert.on_conflict_ignore())


@cache
def updating(model: Any, names: tuple[str, ...], states: tuple[str, ...]) -> Statement:
    """Return the statement that sets these columns of row `id` if it is in one of `states`.

    It returns the row.
    """
    columns = model.columns()
    update = model.update({name: given(columns[name]) for name in names})
    update = update.where(model.id == given(model.id), model.state.in_(states))
    return Statement(update.returning(*columns.values()))


@cache
def updating_unchanged(
    model: Any, names: tuple[str, ...], unchanged: tuple[str, ...], empty: tuple[str, ...]
) -> Statement:
    """Return the statement that sets columns of the row in which others are as they were.

    What each of the `unchanged` was is given as `was_` with its name; the `empty` ones were NULL,
    which equals nothing, not even NULL. It returns the row.
    """
    columns = model.columns()
    update = model.update({name: given(columns[name]) for name in names})
    are_same = [columns[name] == given(columns[name], f"was_{name}") for name in unchanged]
    update = update.where(*are_same, *(columns[name].is_null() for name in empty))
    return Statement(update.returning(*columns.values()))


@cache
def readers(model: Any) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    """Return the name of each column, and what converts its values; None if nothing has to."""
    return tuple(
        (name, None if _is_read_as_it_is(field) else field.python_value)
        for name, field in model.columns().items()
    )


def _is_read_as_it_is(field: Field) -> bool:
    """Whether both databases return the values of a field as its model has them."""
    is_plain_text = type(field) is TextField
    return is_plain_text or isinstance(field, IntegerField | CharField | ForeignKeyField)
