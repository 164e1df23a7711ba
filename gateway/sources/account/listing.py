"""The list format of the account source, and what its wire types use to make records."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from msgspec.structs import asdict

from gateway.sources.http.json import Wire
from gateway.users import model
from gateway.users.model import Timestamp

__all__ = [
    "AccountListing",
    "AccountPageInfo",
    "AnyListing",
    "common_fields",
    "next_position",
    "sent_time",
    "to_listed",
    "to_record",
    "to_tuple",
]

W = TypeVar("W")
M = TypeVar("M")


class AccountPageInfo(Wire, frozen=True):
    """Where a list continues: a URL in current API versions, a cursor in preview.1."""

    next_page_url: str | None = None
    previous_page_url: str | None = None
    next_cursor: str | None = None
    prev_cursor: str | None = None
    has_next_page: bool | None = None
    has_prev_page: bool | None = None
    has_previous_page: bool | None = None


class AccountListing(Wire, Generic[W], frozen=True):
    """The object around the items of a list."""

    page_info: AccountPageInfo | None = None
    data: list[W] | None = None


class AnyListing(Wire, frozen=True):
    """A list of which only the names in `page_info` are of interest."""

    page_info: dict[str, Any] | None = None


def next_position(info: AccountPageInfo | None) -> str | None:
    """Return the cursor of the next page: a field in preview.1, a parameter of a URL in current versions."""
    if info is None or info.has_next_page is False:
        return None
    return _cursor(info.next_page_url) if info.next_page_url else info.next_cursor


def _cursor(url: str) -> str | None:
    return next(iter(parse_qs(urlsplit(url).query).get("cursor", ())), None)


def sent_time(time: Timestamp | None) -> Timestamp | None:
    """Return a time, but None for the zero time of Go, which the source sends in short records without times."""
    return None if time is not None and time.startswith("0001-01-01T") else time


def to_listed(listing: AccountListing[W] | list[W] | None, record: Callable[[W], M]) -> model.Listed[M] | None:
    """Convert a list inside a record; the plain arrays of preview.1 have no further pages."""
    if listing is None:
        return None
    if isinstance(listing, list):
        return model.Listed(tuple(map(record, listing)))
    info = listing.page_info or AccountPageInfo()
    return model.Listed(
        tuple(map(record, listing.data or ())),
        bool(info.has_next_page),
        bool(info.has_prev_page or info.has_previous_page),
        next_position(info),
        _cursor(info.previous_page_url) if info.previous_page_url else info.prev_cursor,
    )


def to_tuple(listing: AccountListing[W] | list[W] | None, record: Callable[[W], M]) -> tuple[M, ...] | None:
    """Convert a list inside a record where the model of the gateway has no pages."""
    listed = to_listed(listing, record)
    return None if listed is None else listed.nodes


def to_record(wire: Any) -> Any:
    """Return the record of an optional object."""
    return None if wire is None else wire.record()


def common_fields(wire: Wire, *without: str, **replaced: Any) -> dict[str, Any]:
    """Return the fields that mean the same in the model.

    `without` names fields that the model does not have; `replaced` are the fields with another value there.
    """
    fields = asdict(wire) | replaced
    for name in ("id", *without):
        del fields[name]
    return fields
