"""Lists inside the identity API's JSON, and what its models share on their way to ours."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from msgspec.structs import asdict

from gateway.sources.http.json import Wire
from gateway.users import model

__all__ = ["AccountListing", "AccountPageInfo", "Repeated", "listed", "next_position", "nodes", "record_of", "same"]

W = TypeVar("W")
M = TypeVar("M")


class AccountPageInfo(Wire, frozen=True):
    """Where a list goes on: a URL in the current version, a cursor in the one of April."""

    next_page_url: str | None = None
    next_cursor: str | None = None
    has_next_page: bool | None = None
    has_prev_page: bool | None = None
    has_previous_page: bool | None = None


class AccountListing(Wire, Generic[W], frozen=True):
    """A list envelope."""

    page_info: AccountPageInfo | None = None
    data: list[W] | None = None


def next_position(info: AccountPageInfo | None) -> str | None:
    """The cursor of the next page: alone in April's form, inside a URL in the current one."""
    if info is None or info.has_next_page is False:
        return None
    if info.next_page_url:
        return next(iter(parse_qs(urlsplit(info.next_page_url).query).get("cursor", ())), None)
    return info.next_cursor


def listed(listing: AccountListing[W] | list[W] | None, record: Callable[[W], M]) -> model.Listed[M] | None:
    """A list inside an object; April's plain arrays have no pages."""
    if listing is None:
        return None
    if isinstance(listing, list):
        return model.Listed(tuple(map(record, listing)))
    info = listing.page_info or AccountPageInfo()
    before = bool(info.has_prev_page or info.has_previous_page)
    return model.Listed(tuple(map(record, listing.data or ())), bool(info.has_next_page), before)


def nodes(listing: AccountListing[W] | list[W] | None, record: Callable[[W], M]) -> tuple[M, ...] | None:
    """The same where our model has no pages."""
    whole = listed(listing, record)
    return None if whole is None else whole.nodes


def record_of(wire: Any) -> Any:
    """The record that an optional object means."""
    return None if wire is None else wire.record()


def same(wire: Wire, *without: str, **instead: Any) -> dict[str, Any]:
    """The fields that mean the same in our model, others instead of some, without those that it has not."""
    fields = asdict(wire) | instead
    for name in ("id", *without):
        del fields[name]
    return fields


class Repeated:
    """Makes records of the objects of a list. What it holds again and again, as users their roles, is made once."""

    def __init__(self) -> None:
        self._made: dict[str | None, tuple[Any, Any]] = {}

    def record_of(self, wire: Any) -> Any:
        """The record that an optional object means."""
        if wire is None:
            return None
        made = self._made.get(wire.id)
        if made is None or made[0] != wire:
            made = self._made[wire.id] = (wire, wire.record())
        return made[1]
