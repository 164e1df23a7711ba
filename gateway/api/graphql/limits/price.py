"""What an operation costs: worked out once a document, then a sum over its variables.

A call to a source costs its `@cost`, once: what is looked up inside a list is looked up in one batch. Each
object of the answer costs 1, and lists inside lists multiply. Scalars cost nothing. The price is an upper
bound: a list counts for as many as were asked for, and what is asked of several types behind an interface
is added up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Conditions", "Price", "Size", "Term", "Varying", "count"]

_MOST = 10**9  # as good as any larger number

Conditions = frozenset[tuple[str, bool]]  # variables, and what each must be; all of them


@dataclass(frozen=True, slots=True)
class Size:
    """How many: what the variable says if it is given, else so many."""

    known: int
    variable: str | None = None

    def __call__(self, variables: Mapping[str, Any]) -> int:
        return self.known if self.variable is None else count(variables.get(self.variable), self.known)


@dataclass(frozen=True, slots=True)
class Varying:
    """A part of the price that depends on variables: so many times, where one of the conditions holds."""

    term: "Term"
    size: Size
    when: tuple[Conditions, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A price in two parts: calls, and objects, which alone multiply with the lists around them."""

    calls: int = 0
    objects: int = 0
    varying: tuple[Varying, ...] = ()

    def times(self, size: int) -> "Term":
        """The price inside a list of that many."""
        return Term(
            self.calls,
            min(_MOST, self.objects * size),
            tuple(Varying(one.term.times(size), one.size, one.when) for one in self.varying),
        )

    def __add__(self, other: "Term") -> "Term":
        return Term(
            min(_MOST, self.calls + other.calls),
            min(_MOST, self.objects + other.objects),
            self.varying + other.varying,
        )

    def priced(self, variables: Mapping[str, Any]) -> tuple[int, int]:
        """Calls and objects, with these variables."""
        calls, objects = self.calls, self.objects
        for one in self.varying:
            if one.when and not any(_holds(conditions, variables) for conditions in one.when):
                continue
            more_calls, more_objects = one.term.priced(variables)
            calls += more_calls
            objects += more_objects * one.size(variables)
        return min(_MOST, calls), min(_MOST, objects)


class Price:
    """The price of one operation of one document."""

    def __init__(self, term: Term, defaults: Mapping[str, Any]) -> None:
        self._term = term
        self._defaults = defaults
        self._fixed = None if term.varying else min(_MOST, sum(term.priced({})))

    def __call__(self, variables: Mapping[str, Any] | None = None) -> int:
        """The price with these variables, which may be as the client sent them: a wrong one is never an error here."""
        if self._fixed is not None:
            return self._fixed
        return min(_MOST, sum(self._term.priced({**self._defaults, **(variables or {})})))


def count(value: Any, otherwise: int) -> int:
    """How many a value asks for: a number itself, a list its length; one that is not given, the other."""
    if value is None:
        return otherwise
    if isinstance(value, int | float):  # 5.0 is an Int too, as JSON writes it
        return int(min(_MOST, max(0, value)))
    return len(value) if isinstance(value, list | tuple) else 1


def _holds(conditions: Conditions, variables: Mapping[str, Any]) -> bool:
    return all(variables.get(name) is wanted for name, wanted in conditions)
