"""Numbered pages, `field[op]=value` filters and `sort` (reseller.md, sections 2 and 3)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from gateway.sandbox.clock import micros
from gateway.sandbox.reseller.errors import RefusalError
from gateway.sandbox.store import Row, Select, Store

__all__ = ["ResellerListing"]

_KEY = re.compile(r"(\w+)(?:\[(\w+)\])?")
_TEXT_OPERATORS = {
    "eq": "fold({0}) = fold(?)",
    "ne": "({0} IS NULL OR fold({0}) <> fold(?))",
    "sw": "substr(fold({0}), 1, length(fold(?1))) = fold(?1)",
    "ew": "(length({0}) >= length(?1) AND substr(fold({0}), 1 + length({0}) - length(?1)) = fold(?1))",
    "cn": "instr(fold({0}), fold(?)) > 0",
    "nc": "instr(fold(coalesce({0}, '')), fold(?)) = 0",
}
_TIME_OPERATORS = {"eq": "=", "gt": ">", "lt": "<", "gte": ">=", "lte": "<="}
_DEFAULT_LIMIT, _HIGHEST_LIMIT = 10, 100


@dataclass(frozen=True, slots=True)
class ResellerListing:
    """What one list endpoint can do: its columns by API name, and what `search` looks at.

    Unknown parameters are ignored, as ASP.NET does; an unknown operator of a known field is a 400.
    """

    source: str
    texts: Mapping[str, str]
    times: Mapping[str, str]
    searched: Sequence[str]

    def documents(self, store: Store, query: str, write: Callable[[Row], Any], **fixed: str) -> list[Any]:
        """The page that a query string asks for."""
        pairs = parse_qsl(query, keep_blank_values=True)
        select = Select("t.*", self.source)
        for column, value in fixed.items():
            select.where(f"t.{column} = ?", value)
        options: dict[str, str] = {}
        for key, value in pairs:
            found = _KEY.fullmatch(key)
            if found is None:
                continue
            name, operator = found[1], found[2]
            if name in {"page", "limit", "sort", "search"}:
                options[name] = value
            elif name in self.texts:
                _filter_text(select, self.texts[name], name, operator or "eq", value)
            elif name in self.times:
                _filter_time(select, self.times[name], name, operator or "eq", value)
        if text := options.get("search"):
            folded = text.casefold()
            either = " OR ".join(f"instr(fold({column}), ?) > 0" for column in self.searched)
            select.where(either, *[folded] * len(self.searched))
        page = _bounded(options, "page", 1, 1_000_000_000)
        select.limit = _bounded(options, "limit", _DEFAULT_LIMIT, _HIGHEST_LIMIT)
        select.offset = (page - 1) * select.limit
        select.order = self._order(options.get("sort") or "createdAt")
        return [write(row) for row in store.select(select)]

    def _order(self, sort: str) -> str:
        name = sort.lstrip("+- ")
        column = {**self.texts, **self.times}.get(name)
        if column is None:
            raise RefusalError(400, f"Sorting by '{name}' is not supported.")
        direction = "DESC" if sort.startswith("-") else "ASC"
        return f"{column} {direction}, t.id {direction}"


def _filter_text(select: Select, column: str, name: str, operator: str, value: str) -> None:
    if operator in {"in", "nin"}:
        values = [item.strip() for item in value.split(",")]
        inside = f"{column} IN ({', '.join('?' * len(values))})"
        select.where(inside if operator == "in" else f"{column} IS NULL OR NOT {inside}", *values)
        return
    template = _TEXT_OPERATORS.get(operator)
    if template is None:
        raise RefusalError(400, f"The operator '{operator}' is not supported for '{name}'.")
    sql = template.format(column)
    select.where(sql.replace("?1", "?"), *[value] * sql.count("?"))


def _filter_time(select: Select, column: str, name: str, operator: str, value: str) -> None:
    sign = _TIME_OPERATORS.get(operator)
    if sign is None:
        raise RefusalError(400, f"The operator '{operator}' is not supported for '{name}'.")
    try:
        at = micros(value)
    except ValueError:
        raise RefusalError(400, f"The value '{value}' of '{name}' is not a date.") from None
    select.where(f"{column} {sign} ?", at)


def _bounded(options: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0  # noqa: PLR2004 (an int32)
    if not 1 <= number <= most:
        raise RefusalError(400, f"The field {name} must be between 1 and {most}.")
    return number
