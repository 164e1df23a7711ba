"""The SQLite database of the three simulated APIs."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.sandbox.clock import SandboxClock

__all__ = ["Row", "Select", "Store"]

Row = dict[str, Any]
"""A stored row by column name."""

_SEEDED = 1


@dataclass(slots=True)
class Select:
    """Builds a SELECT query. Its SQL texts come from this package; values are passed as parameters."""

    columns: str
    from_clause: str
    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    order: str = ""
    limit: int = -1
    offset: int = 0

    def where(self, condition: str, *values: Any) -> "Select":
        """Add a condition; all conditions must hold."""
        self.conditions.append(f"({condition})")
        self.values.extend(values)
        return self

    @property
    def sql(self) -> str:
        """The SQL text, to be executed with `values`."""
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        order = f" ORDER BY {self.order}" if self.order else ""
        limit = f" LIMIT {self.limit:d} OFFSET {self.offset:d}"
        return f"SELECT {self.columns} FROM {self.from_clause}{where}{order}{limit}"  # noqa: S608 (see the class)


class Store:
    """Gives synchronous access to the database: a statement takes microseconds, and only one event loop uses it.

    `clock` has the time that the three APIs store and compare.
    """

    def __init__(self, path: Path | None, clock: SandboxClock) -> None:
        self.clock = clock
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._connection.row_factory = _as_dict
        self._connection.create_function("fold", 1, _fold, deterministic=True)
        if path is not None:
            # The data of a demonstration has to survive a restart, but not a power failure.
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;")

    def close(self) -> None:
        """Close the database; data in memory is lost."""
        self._connection.close()

    def create(self, schema: str) -> None:
        """Execute a script of `CREATE … IF NOT EXISTS` statements."""
        self._connection.executescript(schema)

    @property
    def seeded(self) -> bool:
        """Whether the database was seeded already."""
        return bool(self.rows("PRAGMA user_version")[0]["user_version"] == _SEEDED)

    def mark_seeded(self) -> None:
        """Mark the database as seeded."""
        self._connection.execute(f"PRAGMA user_version={_SEEDED}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the changes of the block; roll them back if it raises."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""
        return list(self._connection.execute(sql, values))

    def row(self, sql: str, *values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        found: Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def select(self, query: Select) -> list[Row]:
        """Return all rows of a `Select`."""
        return self.rows(query.sql, query.values)

    def execute(self, sql: str, *values: Any) -> int:
        """Execute a statement and return the number of changed rows."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows that all have the same columns as the first one."""
        rows = list(rows)
        if not rows:
            return
        names = ", ".join(rows[0])
        placeholders = ", ".join(f":{name}" for name in rows[0])
        self._connection.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({placeholders})",  # noqa: S608 (the names come from this package)
            rows,
        )

    def update(self, table: str, key: str, values: Mapping[str, Any]) -> None:
        """Set columns of the row with the id `key`."""
        if values:
            names = ", ".join(f"{name} = ?" for name in values)
            self._connection.execute(
                f"UPDATE {table} SET {names} WHERE id = ?",  # noqa: S608 (the names come from this package)
                [*values.values(), key],
            )


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _fold(text: Any) -> Any:
    # lower() and LIKE of SQLite fold ASCII only; the real databases fold accented letters too.
    return text.casefold() if isinstance(text, str) else text
