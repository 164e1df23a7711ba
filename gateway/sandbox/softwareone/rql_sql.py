"""Converts RQL syntax trees and orders to SQL over the table of users."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.clock import micros
from gateway.sandbox.softwareone.problems import ProblemError
from gateway.sandbox.softwareone.rql_text import Comparison, Node, Value

__all__ = ["condition", "ordering"]

Condition = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class _Column:
    sql: str
    convert: Callable[[str], Any] = str


_COLUMNS = {
    "id": _Column("u.id"),
    "revision": _Column("u.revision", int),
    "name": _Column("u.name"),
    "firstname": _Column("u.first_name"),
    "lastname": _Column("u.last_name"),
    "email": _Column("u.email"),
    "status": _Column("u.status"),
    "lastloginat": _Column("u.last_login_at", micros),
    "phone.prefix": _Column("u.phone_prefix"),
    "phone.number": _Column("u.phone_number"),
    "settings.culturecode": _Column("u.culture_code"),
    "settings.languagecode": _Column("u.language_code"),
    "currentaccount.id": _Column("u.current_account_id"),
    "currentaccount.name": _Column("a.name"),
    "currentaccount.type": _Column("a.type"),
    "currentaccount.status": _Column("a.status"),
    "audit.created.at": _Column("u.created_at", micros),
    "audit.updated.at": _Column("u.updated_at", micros),
    "audit.invitationacceptedat": _Column("u.invitation_accepted_at", micros),
}
_MAX_INT = 2**63 - 1
_COMPARISONS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def condition(node: Node, *, audit: bool) -> Condition:
    """Return the SQL of a tree; `audit` is whether `audit` is selected, so that its fields may be used."""
    if isinstance(node, Comparison):
        return _comparison(node, audit=audit)
    parts = [condition(part, audit=audit) for part in node.nodes]
    values = [value for _, part_values in parts for value in part_values]
    if node.operator == "not":
        # coalesce: NOT of NULL must be true, as it is for the objects of the real API.
        return f"NOT coalesce({parts[0][0]}, 0)", values
    return f"({f' {node.operator.upper()} '.join(sql for sql, _ in parts)})", values


def ordering(text: str, *, audit: bool) -> str:
    """Return the SQL of an order such as `name,-audit.created.at`; it ends with the id, so that pages never overlap."""
    parts = []
    for item in text.split(","):
        path = item.strip()
        descending = path.startswith("-")
        column = _column(path.lstrip("+-"), audit=audit)
        parts.append(f"{column.sql} {'DESC' if descending else 'ASC'}")
    direction = "DESC" if parts[0].endswith("DESC") else "ASC"
    return ", ".join([*parts, f"u.id {direction}"])


def _column(path: str, *, audit: bool) -> _Column:
    column = _COLUMNS.get(path.lower())
    if column is None or (path.lower().startswith("audit.") and not audit):
        raise ProblemError(400, "The RQL query is invalid.", {"rql": ["Invalid property path."]})
    return column


def _comparison(node: Comparison, *, audit: bool) -> Condition:
    column = _column(node.path, audit=audit)
    if node.operator in {"in", "out"}:
        values = [_convert(column, value) for value in node.values]
        placeholders = ", ".join("?" * len(values))
        sql = f"{column.sql} IN ({placeholders})"
        return (sql, values) if node.operator == "in" else (f"({column.sql} IS NULL OR NOT {sql})", values)
    value = node.values[0]
    if value.special is not None:
        return _special(node, column, value)
    if node.operator in {"like", "ilike"}:
        return _like(column, value.text, fold=node.operator == "ilike")
    sql = f"{column.sql} {_COMPARISONS[node.operator]} ?"
    if node.operator == "ne":
        sql = f"({column.sql} IS NULL OR {sql})"
    return sql, [_convert(column, value)]


def _special(node: Comparison, column: _Column, value: Value) -> Condition:
    if node.operator not in {"eq", "ne"}:
        raise ProblemError(400, "The RQL query is invalid.", {"rql": [f"Invalid {value.special}() expression."]})
    sql = f"{column.sql} IS NULL" if value.special == "null" else f"coalesce({column.sql}, '') = ''"
    return (sql if node.operator == "eq" else f"NOT ({sql})"), []


def _like(column: _Column, pattern: str, *, fold: bool) -> Condition:
    # A star is a wildcard, and a backslash before a star an escape, at the two ends only; without a wildcard, `like` is
    # equality (docs/upstreams/softwareone.md, "RQL").
    before, escaped_before = pattern.startswith("*"), pattern.startswith("\\*")
    escaped_after = pattern.endswith("\\*")
    after = pattern.endswith("*") and not escaped_after
    start = 1 if before or escaped_before else 0
    end = max(start, len(pattern) - (2 if escaped_after else 1 if after else 0))
    text = pattern[start:end] + ("*" if escaped_after else "")
    sql, placeholder = (f"fold({column.sql})", "fold(?)") if fold else (column.sql, "?")
    if before and after:
        return f"instr({sql}, {placeholder}) > 0", [text]
    if after:
        return f"substr({sql}, 1, length({placeholder})) = {placeholder}", [text, text]
    if before:
        tail = f"substr({sql}, 1 + length({sql}) - length({placeholder}))"
        return f"(length({sql}) >= length({placeholder}) AND {tail} = {placeholder})", [text, text, text]
    return f"{sql} = {placeholder}", [text]


def _convert(column: _Column, value: Value) -> Any:
    if value.special is not None:
        return None
    try:
        converted = column.convert(value.text)
        if isinstance(converted, int) and abs(converted) > _MAX_INT:
            raise ValueError  # noqa: TRY301 (the same error as for a text that is not a number)
    except ValueError:
        message = f"The value '{value.text}' cannot be converted."
        raise ProblemError(400, "The RQL query is invalid.", {"rql": [message]}) from None
    return converted
