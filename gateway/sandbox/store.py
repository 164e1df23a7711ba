"""The one SQLite database behind the three systems."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Row", "Select", "Store"]

Row = dict[str, Any]
"""A stored record by column name."""

_SEEDED = 1


@dataclass(slots=True)
class Select:
    """A query under construction. Its SQL texts come from this package, the values travel as parameters."""

    columns: str
    source: str
    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    order: str = ""
    limit: int = -1
    offset: int = 0

    def where(self, condition: str, *values: Any) -> "Select":
        """Add a condition that must hold too."""
        self.conditions.append(f"({condition})")
        self.values.extend(values)
        return self

    @property
    def sql(self) -> str:
        """The text to execute with `values`."""
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        order = f" ORDER BY {self.order}" if self.order else ""
        tail = f" LIMIT {self.limit:d} OFFSET {self.offset:d}"
        return f"SELECT {self.columns} FROM {self.source}{where}{order}{tail}"  # noqa: S608 (see the class)


class Store:
    """Synchronous access: a statement takes microseconds here, and one loop is the only caller."""

    def __init__(self, path: Path | None) -> None:
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._connection.row_factory = _as_dict
        self._connection.create_function("fold", 1, _fold, deterministic=True)
        if path is not None:
            # A demo's data should survive a restart, not a power cut.
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;")

    def close(self) -> None:
        """Close the database; an in-memory one is gone then."""
        self._connection.close()

    def create(self, schema: str) -> None:
        """Execute a script of `CREATE … IF NOT EXISTS` statements."""
        self._connection.executescript(schema)

    @property
    def seeded(self) -> bool:
        """Whether a file already holds its people."""
        return bool(self.rows("PRAGMA user_version")[0]["user_version"] == _SEEDED)

    def mark_seeded(self) -> None:
        """Remember in the file that its people are there."""
        self._connection.execute(f"PRAGMA user_version={_SEEDED}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Every row."""
        return list(self._connection.execute(sql, values))

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row, if there is one."""
        found: Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def select(self, query: Select) -> list[Row]:
        """Every row of a built query."""
        return self.rows(query.sql, query.values)

    def run(self, sql: str, *values: Any) -> int:
        """Execute a change; the number of rows it touched."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows that all have the columns of the first."""
        rows = list(rows)
        if not rows:
            return
        names = ", ".join(rows[0])
        marks = ", ".join(f":{name}" for name in rows[0])
        self._connection.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 (names are ours)
            rows,
        )

    def update(self, table: str, key: str, values: Mapping[str, Any]) -> None:
        """Set columns of the row with this `id`."""
        if values:
            names = ", ".join(f"{name} = ?" for name in values)
            self._connection.execute(
                f"UPDATE {table} SET {names} WHERE id = ?",  # noqa: S608 (names are ours)
                [*values.values(), key],
            )


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _fold(text: Any) -> Any:
    # SQLite's own lower() and LIKE know ASCII only; the real databases fold accented letters too.
    return text.casefold() if isinstance(text, str) else text
