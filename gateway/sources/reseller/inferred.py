"""Reads by paths that no page of the vendor documents, and by documented lists where these paths do not exist.

See docs/upstreams/reseller.md, "Endpoints".
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from gateway.errors import Origin, SourceInvalidResponse
from gateway.kit.source_titles import titled
from gateway.sources.http.api import Api, Query
from gateway.sources.http.json import JsonDecoder, decode_response

__all__ = ["InferredList", "InferredRead"]

T = TypeVar("T")
_NO_SUCH_ROUTE = frozenset({404, 405})  # 405: the path exists for other methods


class _WithId(Protocol):
    @property
    def id(self) -> str | None: ...


R = TypeVar("R", bound=_WithId)


class InferredRead(Generic[R]):
    """GET of one record below `path`, or of `listing` with a filter by its id.

    A record, or a 404 with the documented error body, shows that the path exists. A 404 or 405 with another body may
    mean that it does not, or be how the source answers for a missing record: the list decides whether the record
    exists, and if it does, the path does not, and only the list is used from then on. `listing` makes the path and the
    query of the list for the parameters of the path.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        listing: Callable[[Mapping[str, str]], tuple[str, Query]],
        decoder: JsonDecoder[R],
        list_decoder: JsonDecoder[list[R]],
    ) -> None:
        self._api = api
        self._path = path
        self._listing = listing
        self._decoder = decoder
        self._list_decoder = list_decoder
        self._path_exists: bool | None = None  # None: not known yet

    async def fetch(self, path_params: Mapping[str, str]) -> R | None:
        """Return the record with the `id` of the parameters, None if there is none.

        Raises:
            SourceInvalidResponse: the response is not documented, and the list does not decide either.
        """
        if self._path_exists is False:
            return await self._find_in_list(path_params)
        try:
            found = await self._api.find(self._path, path_params)
        except SourceInvalidResponse as error:
            if error.origin.http_status not in _NO_SUCH_ROUTE:
                raise
            record = await self._find_in_list(path_params)
            if record is not None:
                if self._path_exists:  # so the response comes from something on the way
                    raise
                self._path_exists = False
            return record
        self._path_exists = True
        return decode_response(self._decoder, *found) if found else None

    async def _find_in_list(self, path_params: Mapping[str, str]) -> R | None:
        path, query = self._listing(path_params)
        record_id = path_params["id"]
        query = [("page", "1"), ("limit", "1"), ("id[eq]", record_id), *query]
        request, response = await self._api.call("GET", path, path_params, query=query)
        rows = decode_response(self._list_decoder, request, response)
        for row in rows:
            if (row.id or "").casefold() == record_id.casefold():
                return row
        if rows:  # of other records: the filter was ignored
            raise SourceInvalidResponse(
                f"The {titled(request.source)} source did not filter its list by id.",
                origin=Origin(source=request.source, http_status=response.status),
            )
        return None


class InferredList:
    """Chooses between the list at an inferred path and its documented alternative."""

    def __init__(self) -> None:
        self._path_exists: bool | None = None

    async def fetch(self, inferred: Callable[[], Awaitable[T]], documented: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the list at the inferred path, unless that path does not exist."""
        if self._path_exists is not False:
            try:
                found = await inferred()
            except SourceInvalidResponse as error:
                if self._path_exists or error.origin.http_status not in _NO_SUCH_ROUTE:
                    raise
            else:
                self._path_exists = True
                return found
        found = await documented()
        self._path_exists = False
        return found
