"""The database, the fields that all models share, and the one way to change rows.

`db` is bound once per process by `use_database`. A connection belongs to one request or one job,
which opens and closes it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Self

from peewee import (
    Database,
    DatabaseProxy,
    Field,
    IntegrityError,
    Model,
    Node,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
    chunked,
    fn,
)
from playhouse import db_url

from app.models.database_errors import is_duplicate
from app.models.statements import adding, finding, readers, updating, updating_unchanged

db = DatabaseProxy()

_BUSY_SECONDS = 10
_ROWS_PER_INSERT = 50
# Any constant that no other lock of this database uses.
_WRITER_LOCK = 0x5A17E46E
# A negative cache size is in kB, of each connection.
_SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "normal",
    "foreign_keys": 1,
    "cache_size": -8000,
}


class _WholeResultCursor(sqlite3.Cursor):
    """A cursor that has read its whole result when `execute` returns, as psycopg's do.

    A statement whose rows are fetched one by one keeps its snapshot of the database open.
    SQLite refuses every write on top of one that another process's write has made old, at
    once and whatever the busy timeout (SQLITE_BUSY_SNAPSHOT, https://www.sqlite.org/isolation.html).
    """

    _rows: Iterator[Any] = iter(())

    def execute(self, sql: str, parameters: Any = ()) -> _WholeResultCursor:
        super().execute(sql, parameters)
        self._rows = iter(super().fetchall())
        return self

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return list(islice(self._rows, self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._rows)


class _Connection(sqlite3.Connection):
    """A connection whose reads are over before anything else begins."""

    def cursor(self, factory: Any = _WholeResultCursor) -> Any:
        return super().cursor(factory)


class DuplicateRow(IntegrityError):
    """A unique index or a primary key already has such a row."""


class _AuraDatabase(Database):
    """A database that runs composed queries, and that tells duplicates from other errors."""

    def execute(self, query: Any, **options: Any) -> Any:
        """Run a query; one of models/composed.py has its SQL and parameters with it."""
        composed = getattr(query, "composed", None)
        return self.execute_sql(*composed) if composed else super().execute(query, **options)

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        try:
            return super().execute_sql(sql, params)
        except IntegrityError as error:
            if is_duplicate(error):
                raise DuplicateRow(*error.args) from error
            raise


class _Sqlite(_AuraDatabase, SqliteDatabase):
    """A SQLite file."""


class _Postgresql(_AuraDatabase, PostgresqlDatabase):
    """A PostgreSQL database."""


def use_database(url: str, *, is_shared: bool = False) -> None:
    """Bind `db` to the database at `url` (sqlite:///… or postgresql://…); opens nothing yet.

    Each thread has a connection of its own. If `is_shared`, all threads use one, and the caller
    sees to it that only one of them does at a time. Raises ValueError for any other kind of
    database.
    """
    previous = db.obj
    db.initialize(_database(url, is_shared))
    if previous is not None and not previous.is_closed():
        previous.close()


def _database(url: str, is_shared: bool) -> SqliteDatabase | PostgresqlDatabase:
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return _Sqlite(
            **_connection_parameters(url),
            pragmas=_SQLITE_PRAGMAS,
            timeout=_BUSY_SECONDS,
            factory=_Connection,
            thread_safe=not is_shared,
            check_same_thread=not is_shared,
            field_types={"UTC": "DATETIME"},
        )
    if scheme in ("postgres", "postgresql"):
        return _Postgresql(
            **_connection_parameters(url),
            prefer_psycopg3=True,
            # Prepared after five runs on one connection, a report's query had a plan for any
            # period, which took ten times as long as one for its own.
            prepare_threshold=None,
            thread_safe=not is_shared,
            field_types={"UTC": "TIMESTAMPTZ"},
        )
    raise ValueError(f"DATABASE_URL must begin with sqlite: or postgresql:, not {scheme}:")


def _connection_parameters(url: str) -> dict[str, Any]:
    parameters: dict[str, Any] = db_url.parse(url, unquote_user=True, unquote_password=True)
    if not parameters.get("database"):
        raise ValueError("DATABASE_URL names no database. A local path has three slashes.")
    return parameters


def is_postgres() -> bool:
    """Whether the database in use is PostgreSQL; otherwise it is SQLite."""
    return isinstance(db.obj, PostgresqlDatabase)


def json_rows(columns: Sequence[Any]) -> Any:
    """Return the SQL expression for these columns of all rows, as arrays in a JSON array.

    Sources: https://www.sqlite.org/json1.html and
    https://www.postgresql.org/docs/current/functions-json.html.
    """
    if is_postgres():
        return fn.json_agg(fn.json_build_array(*columns)).cast("text")
    return fn.json_group_array(fn.json_array(*columns))


def utcnow() -> datetime:
    """Return the current time; passed as an argument wherever a rule depends on it."""
    return datetime.now(UTC)


class Transaction:
    """The operations of an open transaction."""

    def after_commit(self, fn: Callable[..., object], *args: Any, **options: Any) -> None:
        """Call `fn` after the outermost transaction is committed, and never otherwise."""
        db.after_commit(lambda: fn(*args, **options))


@contextmanager
def transaction() -> Iterator[Transaction]:
    """All or nothing. An inner transaction joins the outer one.

    One writer at a time on both databases, from the first statement on: each
    transaction extends the one audit chain, and two that took that lock and a row's
    in different order would wait for each other. Never call a site inside.
    """
    if not is_postgres():
        with db.transaction("IMMEDIATE"):
            yield Transaction()
        return
    with db.transaction():
        db.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_WRITER_LOCK,))
        yield Transaction()


def in_transaction() -> bool:
    """Whether the calling thread is inside `transaction()`."""
    return bool(db.in_transaction())


class UtcField(Field):
    """An aware datetime in UTC. Refuses naive ones, and sorts by time on every database."""

    field_type = "UTC"

    def db_value(self, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{self.name} needs an aware datetime")
        return value.astimezone(UTC)

    def python_value(self, value: datetime | str | None) -> datetime | None:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        # What SQLite keeps is in UTC already, and a list reads thousands of these.
        return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)


class JsonField(TextField):
    """A plain JSON value kept as text."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)


class BaseModel(Model):
    """Base class of all models."""

    _dirty: set[str]
    _meta: Any
    database: ClassVar[Any] = db
    DoesNotExist: ClassVar[type[Exception]]

    class Meta:
        database = db
        legacy_table_names = False

    @classmethod
    def get_by_id(cls, pk: Any) -> Self:
        """Return the row with this primary key. Raises DoesNotExist."""
        found = cls.fetch_one(**{cls._meta.primary_key.name: pk})
        if found is None:
            raise cls.DoesNotExist(f"{cls.__name__} {pk} does not exist")
        return found

    @classmethod
    def columns(cls) -> dict[str, Field]:
        """Return the fields by name, in the order in which a row has their values."""
        return {field.name: field for field in cls._meta.sorted_fields}

    @classmethod
    def fetch_one(cls, **values: Any) -> Self | None:
        """Return the row whose columns have these values; None if there is none.

        For unique columns. The statement is composed once, see models/statements.py.
        """
        row = finding(cls, tuple(values)).read_row(**values)
        return None if row is None else cls.from_row(row)

    @classmethod
    def insert_one(cls, **values: Any) -> Self:
        """Insert a row as `create` does, and return it; the statement is composed once."""
        # A default may be a function, which has to be called for each row.
        columns = {**cls._meta.get_default_dict(), **values}
        return cls.from_row(adding(cls, tuple(columns)).execute(**columns).fetchone())

    @classmethod
    def insert_all(cls, rows: Iterable[dict[str, Any]]) -> None:
        """Insert rows, in batches: databases limit how many values fit into one statement."""
        for some in chunked(rows, _ROWS_PER_INSERT):
            cls.insert_many(some).execute()

    @classmethod
    def insert_missing(cls, rows: Iterable[dict[str, Any]]) -> None:
        """Do the same, without those rows that the table already has."""
        for some in chunked(rows, _ROWS_PER_INSERT):
            cls.insert_many(some).on_conflict_ignore().execute()

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """Return a row of the database with the values of all columns in their order."""
        found = cls()
        found.read_from(row)
        return found

    @classmethod
    def nested(cls, is_wanted: Any) -> Any:
        """Return the rows that meet a condition as one column of another query.

        So one query reads several tables. The condition may name columns of that query, and
        `read_nested` reads the column.
        """
        return cls.nested_columns(cls._meta.sorted_fields, is_wanted)

    @classmethod
    def nested_columns(cls, columns: Sequence[Any], is_wanted: Any) -> Any:
        """Return only these columns of the rows, as arrays in a JSON array."""
        return cls.select(json_rows(columns)).where(is_wanted)

    @classmethod
    def read_nested(cls, column: str | None) -> list[Self]:
        """Return the rows in a column of `nested`, in no particular order."""
        found = []
        for values in json.loads(column or "[]"):
            columns = zip(cls._meta.sorted_fields, values, strict=True)
            found.append(cls(**{field.name: field.python_value(value) for field, value in columns}))
        return found

    def refresh(self) -> None:
        """Read the row again: another process may have written it. Raises DoesNotExist."""
        self.__data__.update(type(self).get_by_id(self.get_id()).__data__)
        self._dirty.clear()

    def update_if(self, *conditions: Any, **changes: Any) -> bool:
        """Set columns of this row in one UPDATE if all `conditions` hold, and read it again.

        Return False if they do not hold: another process was faster.
        """
        cls = type(self)
        query = cls.update(**changes).where(cls._meta.primary_key == self.get_id(), *conditions)
        sql, parameters = query.sql()
        return self._read_updated(db.execute_sql(sql + cls._returning(), parameters))

    def update_unchanged(self, unchanged: tuple[str, ...], **changes: Any) -> bool:
        """Do the same if the columns of these names, its key among them, are as this row has them.

        The statement is composed once.
        """
        empty = tuple(name for name in unchanged if self.__data__[name] is None)
        known = tuple(name for name in unchanged if name not in empty)
        statement = updating_unchanged(type(self), tuple(changes), known, empty)
        was = {f"was_{name}": self.__data__[name] for name in known}
        return self._read_updated(statement.execute(**changes, **was))

    def update_in_state(self, states: tuple[str, ...], **changes: Any) -> bool:
        """Do the same if the row's `state` is one of `states`; the statement is composed once.

        Expressions of columns are no values, so such an UPDATE is composed each time.
        """
        cls = type(self)
        if any(
            isinstance(value, Node) and not isinstance(value, Model) for value in changes.values()
        ):
            return self.update_if(cls.columns()["state"].in_(states), **changes)
        statement = updating(cls, tuple(changes), states)
        return self._read_updated(statement.execute(**changes, id=self.get_id()))

    def _read_updated(self, cursor: Any) -> bool:
        row = cursor.fetchone()
        if row is None:
            self.refresh()
            return False
        self.read_from(row)
        return True

    def read_from(self, row: Sequence[Any]) -> None:
        """Set all columns to the values in a row of the database, in their order."""
        for (name, read), value in zip(readers(type(self)), row, strict=True):
            self.__data__[name] = value if read is None or value is None else read(value)
        self._dirty.clear()

    @classmethod
    @cache
    def _returning(cls) -> str:
        columns = ", ".join(f'"{field.column_name}"' for field in cls._meta.sorted_fields)
        return f" RETURNING {columns}"
