"""Which kept records a read of the embedding program accepts, and how it learns of those past their lifetime."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadUserInput, Rule
from gateway.freshness import ANY_FRESHNESS, Freshness, FreshnessReport
from gateway.users.kept.stale_data import StaleData, stale_data

__all__ = ["FreshnessOptions", "OnStale"]

OnStale = Callable[[StaleData], None]
"""Receives each record and each list that was given although its lifetime had ended."""


@dataclass(frozen=True, slots=True)
class FreshnessOptions:
    """The arguments of a read: what it accepts (`Freshness`; a `max_age` of None is none), and `on_stale`."""

    max_age: float | None = None
    max_stale: float = 0.0
    only_if_cached: bool = False
    on_stale: OnStale | None = None

    def wanted(self) -> Freshness:
        """Return what is accepted.

        Raises:
            BadUserInput: an argument is not valid.
        """
        if self.max_age is not None:
            _check_seconds("max_age", self.max_age)
        _check_seconds("max_stale", self.max_stale)
        if not isinstance(self.only_if_cached, bool):
            raise BadUserInput.at(("only_if_cached",), "must be true or false", Rule.TYPE, type="boolean")
        return Freshness.of(max_age=self.max_age, max_stale=self.max_stale, only_if_cached=self.only_if_cached)

    def new_report(self) -> FreshnessReport | None:
        """Return the report of one operation; None where nobody reads it.

        Raises:
            BadUserInput: an argument is not valid.
        """
        wanted = self.wanted()
        return None if wanted is ANY_FRESHNESS and self.on_stale is None else FreshnessReport(wanted)

    def notify(self, report: FreshnessReport | None) -> None:
        """Pass what was given past its lifetime to `on_stale`."""
        if self.on_stale is not None and report is not None:
            for stale in stale_data(report):
                self.on_stale(stale)


def _check_seconds(name: str, seconds: Any) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise BadUserInput.at((name,), "must be a number of seconds", Rule.TYPE, type="number")
    if not seconds >= 0:  # nor NaN
        raise BadUserInput.at((name,), "must not be negative", Rule.RANGE, min=0)
