"""The calls of the reseller API."""

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.errors import Origin, SourceNotConfigured
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Send
from gateway.sources.http.json import Shape, read, read_changed
from gateway.sources.indexed import covering, window
from gateway.sources.reseller.errors import reseller_refusal
from gateway.sources.reseller.wire import ResellerWireOrganization, ResellerWireUser
from gateway.users import model
from gateway.users.changes import UpdateResellerUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource
from gateway.users.source import Directory, Page, UserQuery, Window

__all__ = ["ResellerSource"]

_USER = Shape(ResellerWireUser)
_USERS = Shape(list[ResellerWireUser])
_ORGANIZATION = Shape(ResellerWireOrganization)
_ORGANIZATIONS = Shape(list[ResellerWireOrganization])
_LIST = "/v3/resellers/{reseller}/users"
_ONE = "/v3/resellers/{reseller}/users/{id}"
_PAGE = 100  # the largest that the source gives
_NAMES = {
    "first_name": "firstName",
    "last_name": "lastName",
    "organization_id": "organizationId",
    "allow_customer_portal_access": "allowCustomerPortalAccess",
}


class ResellerSource:
    """Users of resellers over HTTP; `tenant` is the configured reseller, else empty."""

    name = UserSource.RESELLER

    def __init__(self, send: Send, base_url: str, headers: Mapping[str, str], tenant: str) -> None:
        self._api = Api(self.name, send, base_url, headers, reseller_refusal)
        self.tenant = tenant
        self.directories: Mapping[Kind, Directory[Any]] = {
            Kind.ORGANIZATION: _Organizations(self._api),
        }

    async def probe(self) -> str | None:
        if not self.tenant:
            raise _unnamed(self.name)  # every path of this API names one
        query = [("page", "1"), ("limit", "1")]
        _, response = await self._api.call("GET", _LIST, {"reseller": self.tenant}, query=query)
        return response.headers.get("X-Rate-Limit-Remaining")

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> model.User | None:  # noqa: ARG002 - it sends all it has
        answer = await self._api.find(_ONE, {"reseller": ref.tenant, "id": ref.source_id})
        return read(_USER, *answer).record(ref.tenant) if answer else None

    async def page_users(
        self,
        query: UserQuery,
        position: str | None,
        limit: int,
        needs: frozenset[str],  # noqa: ARG002 - it sends all it has
    ) -> Window:
        tenant = query.tenant or self.tenant
        if not tenant:
            raise _unnamed(self.name)
        page, size = covering(int(position or 0), min(limit, _PAGE))
        asked = [("page", str(page)), ("limit", str(size)), ("sort", "-createdAt")]
        optional = {"email[eq]": query.email, "search": query.search}
        asked += [(name, value) for name, value in optional.items() if value]
        rows = read(_USERS, *await self._api.call("GET", _LIST, {"reseller": tenant}, query=asked))
        # No total is told: a full page may be the last one, a shorter one is.
        users = tuple(row.record(tenant) for row in rows)
        return window(users, (page - 1) * size, size=size, more=len(rows) >= size)

    async def update_user(self, ref: Ref, change: UpdateResellerUser, key: str) -> model.User | None:  # noqa: ARG002 - none known here
        body = orjson.dumps({_NAMES.get(name, name): value for name, value in change.given().items()})
        parts = {"reseller": ref.tenant, "id": ref.source_id}
        headers = {"Content-Type": "application/json"}
        answer = await self._api.call("PATCH", _ONE, parts, headers=headers, body=body)
        user = read_changed(_USER, *answer)
        return None if user is None else user.record(ref.tenant)


def _unnamed(source: UserSource) -> SourceNotConfigured:
    return SourceNotConfigured("No reseller is configured here, and none is named.", origin=Origin(source=source))


class _Organizations:
    """A reseller's organizations. The paths of these reads are inferred from those of the writes (reseller.md, 2)."""

    _LIST = "/v3/resellers/{reseller}/organizations"

    def __init__(self, api: Api) -> None:
        self._api = api

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> model.Organization | None:  # noqa: ARG002 - it sends all it has
        answer = await self._api.find(f"{self._LIST}/{{id}}", {"reseller": ref.tenant, "id": ref.source_id})
        return read(_ORGANIZATION, *answer).record(ref.tenant) if answer else None

    async def page(
        self,
        tenant: str,
        needs: frozenset[str],  # noqa: ARG002 - it sends all it has
        after: str | None,
        *,
        search: str | None = None,
        limit: int | None = None,
    ) -> Page[model.Organization]:
        number, size = int(after or 1), min(limit or _PAGE, _PAGE)
        query = [("page", str(number)), ("limit", str(size)), *([("search", search)] if search else [])]
        rows = read(_ORGANIZATIONS, *await self._api.call("GET", self._LIST, {"reseller": tenant}, query=query))
        # No total is told: a full page may be the last one, a shorter one is.
        more = str(number + 1) if len(rows) >= size else None
        return Page(tuple(row.record(tenant) for row in rows), more)
