"""Numbered pages, `field[op]=value` filters and `sort` (docs/upstreams/reseller.md, "Lists")."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from gateway.sandbox.clock import micros
from gateway.sandbox.reseller.errors import RefusalError
from gateway.sandbox.store import Row, Select, Store

__all__ = ["ResellerListing"]

_KEY = re.compile(r"(\w+)(?:\[(\w+)\])?(?:\[\d*\])?")  # `email[in][]` and `email[in][0]` are items of an array
_TEXT_OPERATORS = {
    "eq": "fold({0}) = fold(?)",
    "ne": "({0} IS NULL OR fold({0}) <> fold(?))",
    "sw": "substr(fold({0}), 1, length(fold(?1))) = fold(?1)",
    "ew": "(length({0}) >= length(?1) AND substr(fold({0}), 1 + length({0}) - length(?1)) = fold(?1))",
    "cn": "instr(fold({0}), fold(?)) > 0",
    "nc": "instr(fold(coalesce({0}, '')), fold(?)) = 0",
}
_TIME_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "lt": "<", "gte": ">=", "lte": "<="}
_DEFAULT_LIMIT, _MAX_LIMIT = 10, 100


@dataclass(frozen=True, slots=True)
class ResellerListing:
    """Builds the pages of one list endpoint.

    `text_columns` and `time_columns` map API names to the columns of `table`; `search` compares `search_columns`.
    Unknown parameters are ignored, as in ASP.NET; an unknown operator of a known field is a 400.
    """

    table: str
    text_columns: Mapping[str, str]
    time_columns: Mapping[str, str]
    search_columns: Sequence[str]

    def page(self, store: Store, query: str, render: Callable[[Row], Any], **fixed: str) -> list[Any]:
        """Return the page that a query string requests; `fixed` are columns with required values."""
        pairs = parse_qsl(query, keep_blank_values=True)
        select = Select("t.*", self.table)
        for column, value in fixed.items():
            select.where(f"t.{column} = ?", value)
        options: dict[str, str] = {}
        filters: dict[tuple[str, str], list[str]] = {}
        for key, value in pairs:
            match = _KEY.fullmatch(key)
            if match is None:
                continue
            if match[1] in {"page", "limit", "sort", "search"}:
                options[match[1]] = value
            else:
                filters.setdefault((match[1], match[2] or "eq"), []).append(value)
        for (name, operator), values in filters.items():
            if name in self.text_columns:
                _filter_text(select, self.text_columns[name], name, operator, values)
            elif name in self.time_columns:
                _filter_time(select, self.time_columns[name], name, operator, values[0])
        if text := options.get("search"):
            folded = text.casefold()
            condition = " OR ".join(f"instr(fold({column}), ?) > 0" for column in self.search_columns)
            select.where(condition, *[folded] * len(self.search_columns))
        page_number = _bounded_integer(options, "page", 1, 1_000_000_000)
        select.limit = _bounded_integer(options, "limit", _DEFAULT_LIMIT, _MAX_LIMIT)
        select.offset = (page_number - 1) * select.limit
        select.order = self._order(options.get("sort") or "createdAt")
        return [render(row) for row in store.select(select)]

    def _order(self, sort: str) -> str:
        name = sort.lstrip("+- ")
        column = {**self.text_columns, **self.time_columns}.get(name)
        if column is None:
            raise RefusalError(400, f"Sorting by '{name}' is not supported.")
        direction = "DESC" if sort.startswith("-") else "ASC"
        return f"{column} {direction}, t.id {direction}"


def _filter_text(select: Select, column: str, name: str, operator: str, values: Sequence[str]) -> None:
    if operator in {"in", "nin"}:
        items = [item.strip().casefold() for value in values for item in value.split(",")]
        inside = f"fold({column}) IN ({', '.join('?' * len(items))})"
        select.where(inside if operator == "in" else f"({column} IS NULL OR NOT {inside})", *items)
        return
    value = values[0]
    template = _TEXT_OPERATORS.get(operator)
    if template is None:
        raise RefusalError(400, f"The operator '{operator}' is not supported for '{name}'.")
    sql = template.format(column)
    select.where(sql.replace("?1", "?"), *[value] * sql.count("?"))


def _filter_time(select: Select, column: str, name: str, operator: str, value: str) -> None:
    comparison = _TIME_OPERATORS.get(operator)
    if comparison is None:
        raise RefusalError(400, f"The operator '{operator}' is not supported for '{name}'.")
    try:
        timestamp = micros(value)
    except ValueError:
        raise RefusalError(400, f"The value '{value}' of '{name}' is not a date.") from None
    select.where(f"{column} {comparison} ?", timestamp)


def _bounded_integer(options: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0  # noqa: PLR2004 (an int32)
    if not 1 <= number <= maximum:
        raise RefusalError(400, f"The field {name} must be between 1 and {maximum}.")
    return number
