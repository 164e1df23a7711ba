"""Iterates over all pages of a list of users."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Protocol

from gateway import errors
from gateway.api.python.freshness import FreshnessOptions, OnStale
from gateway.api.python.pages import UserPage
from gateway.errors import BadUserInput, Code, GatewayError, Origin, Rule
from gateway.users.fields import UserFilter
from gateway.users.model import User
from gateway.users.read_plan import View
from gateway.users.unavailable import Unavailable
from gateway.users.validation import check_first

__all__ = ["UserWalk"]

_CLASSES: dict[Code, type[GatewayError]] = {
    kind.code: kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, GatewayError) and "code" in vars(kind)
    if kind is not errors.FieldNotLoaded
}


class _ListsUsers(Protocol):
    async def list_users(
        self,
        filter: UserFilter | None = None,
        *,
        first: int,
        after: str | None,
        view: View,
        fields: Sequence[str],
        max_age: float | None,
        max_stale: float,
        only_if_cached: bool,
        on_stale: OnStale | None,
        timeout: float | None,  # noqa: ASYNC109 - a deadline for calls to sources, not a cancellation
    ) -> UserPage: ...


class UserWalk(AsyncIterator[User]):
    """Iterates over the users of a list, at most `limit`, page by page. It holds nothing between two pages.

    No generator: one that is left before its end is closed by another task, later.
    """

    def __init__(
        self,
        users: _ListsUsers,
        filter: UserFilter | None,
        *,
        page_size: int,
        limit: int | None,
        view: View,
        fields: Sequence[str],
        timeout: float | None,
        freshness: FreshnessOptions,
    ) -> None:
        if page_size < 1:
            raise BadUserInput.at(("page_size",), "must be at least 1", Rule.RANGE, min=1)
        check_first(page_size, "page_size")
        if limit is not None and limit < 0:
            raise BadUserInput.at(("limit",), "must not be negative", Rule.RANGE, min=0)
        self._read = partial(
            users.list_users,
            filter,
            view=view,
            fields=fields,
            max_age=freshness.max_age,
            max_stale=freshness.max_stale,
            only_if_cached=freshness.only_if_cached,
            on_stale=freshness.on_stale,
            timeout=timeout,
        )
        self._page_size = page_size
        self._left = limit
        self._after: str | None = None
        self._has_more = True
        self._users: Iterator[User] = iter(())
        self._failure: GatewayError | None = None

    async def __anext__(self) -> User:
        """Return the next user.

        Raises:
            GatewayError: a source failed, or as `list_users`.
        """
        while (user := next(self._users, None)) is None:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if not self._has_more or self._left == 0:
                raise StopAsyncIteration
            await self._read_page()
        return user

    async def _read_page(self) -> None:
        first = self._page_size if self._left is None else min(self._page_size, self._left)
        page = await self._read(first=first, after=self._after)
        self._users, self._after, self._has_more = iter(page.users), page.end_cursor, page.has_next_page
        if self._left is not None:
            self._left -= len(page.users)
        missing = [source for source in page.unavailable if source.as_of is None]
        if missing:
            self._failure, self._has_more = _error_of(missing[0]), False


def _error_of(source: Unavailable) -> GatewayError:
    """Return the error because of which a source is missing."""
    return _CLASSES[source.code](
        source.message,
        origin=Origin(source=source.source),
        retry_after=source.retry_after,
        failed_call=source.failed_call,
    )
