"""The records of the account source to which users refer, directly or by way of others.

These are roles with the account that owns them, and departments with what is in them.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from msgspec import Raw

from gateway.errors import SourceInvalidResponse
from gateway.sources.account import departments, ownership, wire
from gateway.sources.account.include import MAX_LIMIT, include_query
from gateway.sources.account.listing import AccountListing, next_position
from gateway.sources.http.api import Api, Query
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import FastDecoder, FoundByBytes, JsonDecoder, decode_response
from gateway.users.ids import Kind, Ref
from gateway.users.source import Directory, Page

__all__ = ["account_directories"]

M = TypeVar("M")

# By kind: the path, the type of the JSON, and the names that `include[]` takes there.
_ENDPOINTS: Mapping[Kind, tuple[str, Any, tuple[str, ...]]] = {
    Kind.ROLE: ("/v1/identity/roles", wire.AccountWireRole, ("owner", "owner.account", "permissions")),
    Kind.ACCOUNT: ("/v1/identity/accounts", ownership.AccountWireAccount, ownership.ACCOUNT_INCLUDES),
    Kind.DEPARTMENT: (
        "/v1/operations/departments",
        departments.AccountWireDepartment,
        ("location", "scanning_stations", "machines"),
    ),
    Kind.LOCATION: ("/v1/operations/locations", departments.AccountWireLocation, ("parent", "children")),
    Kind.SCANNING_STATION: (
        "/v1/operations/scanning-stations",
        departments.AccountWireScanningStation,
        ("department", "production_steps"),
    ),
    Kind.MACHINE: ("/v1/operations/machines", departments.AccountWireMachine, ("department",)),
    Kind.PRODUCTION_STEP: (
        "/v1/operations/production-steps",
        departments.AccountWireProductionStep,
        (
            *("production", "production.produced_item"),
            *("consumptions", "consumptions.consumed_item", "consumptions.quantity", "consumptions.waste_quantity"),
            *("machines", "scanning_station", "in_steps", "out_steps", "department"),
        ),
    ),
}
_ALWAYS_THERE = frozenset({Kind.ROLE, Kind.DEPARTMENT})
_JSON = frozenset({"production", "consumptions"})  # given to callers as JSON, with all that can be included in them
_NO_SUCH_ENDPOINT = frozenset({"resource_not_found", "method_not_allowed"})  # the latter: only for changes
_LISTING: Any = AccountListing  # whose parameter is a type in a table
_MAX_LOADED = 4  # combinations of includes of one kind, each of which makes other records of the same bytes
_MAX_KNOWN = 1_024  # records of a combination


def account_directories(api: Api) -> Mapping[Kind, Directory[Any]]:
    """Return the directories of the account source by the kind of their records."""
    return {
        kind: _Directory(
            api,
            template,
            includes,
            wire_type,
            may_be_missing=kind not in _ALWAYS_THERE,
        )
        for kind, (template, wire_type, includes) in _ENDPOINTS.items()
    }


class _Directory(Generic[M]):
    """The records of one kind. `includes` are the names that `include[]` takes at its endpoints.

    `may_be_missing`: a server of another version may not have the endpoints. It has no such records then.
    """

    def __init__(
        self,
        api: Api,
        template: str,
        includes: tuple[str, ...],
        wire_type: Any,
        *,
        may_be_missing: bool,
    ) -> None:
        self._api = api
        self.template = f"{template}/{{id}}"
        self._list_template = template
        self._includes = includes
        self._wire_type = wire_type
        self._decoder = JsonDecoder[Any](wire_type)
        self._page_decoder = lru_cache(_MAX_LOADED)(self._new_page_decoder)
        self._may_be_missing = may_be_missing

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> M | None:
        included = self._included(needs)
        found = await self._find(self.template, {"id": ref.source_id}, (), included)
        record: M | None = decode_response(self._decoder, *found).record(needs & {*included}) if found else None
        return record

    async def page(
        self,
        tenant: str,  # noqa: ARG002 - this source has no tenants
        needs: frozenset[str],
        after: str | None,
        *,
        search: str | None = None,
        limit: int | None = None,
    ) -> Page[M]:
        included = self._included(needs)
        optional: dict[str, str | None] = {"q": search, "cursor": after}
        query = [("limit", str(limit or MAX_LIMIT)), *((name, value) for name, value in optional.items() if value)]
        found = await self._find(self._list_template, {}, query, included)
        if found is None:
            return Page(())
        return decode_response(self._page_decoder(needs & {*included}), *found)

    def _new_page_decoder(
        self, loaded: frozenset[str]
    ) -> FastDecoder[AccountListing[Raw], AccountListing[Any], Page[M]]:
        """Return the decoder of a page: as records rarely change, most of them are known from an earlier page."""
        records = FoundByBytes[M](lambda body: self._decoder.decode(body).record(loaded), max_known=_MAX_KNOWN)
        return FastDecoder(
            AccountListing[Raw],
            lambda listing: _page([records[bytes(item)] for item in listing.data or ()], listing),
            _LISTING[self._wire_type],
            lambda listing: _page([item.record(loaded) for item in listing.data or ()], listing),
        )

    async def _find(
        self, template: str, path_params: Mapping[str, str], query: Query, included: tuple[str, ...]
    ) -> tuple[Request, Response] | None:
        try:
            return await self._api.find(template, path_params, query=query, raw_query=include_query(included))
        except SourceInvalidResponse as error:
            if self._may_be_missing and error.origin.code in _NO_SUCH_ENDPOINT:
                return None  # the source refused the path itself
            raise

    def _included(self, needs: frozenset[str]) -> tuple[str, ...]:
        inside = needs & _JSON
        return tuple(name for name in self._includes if name in needs or name.partition(".")[0] in inside)


def _page(records: Sequence[M], listing: AccountListing[Any]) -> Page[M]:
    return Page(tuple(records), next_position(listing.page_info))
