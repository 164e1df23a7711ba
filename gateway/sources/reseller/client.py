"""The calls to the reseller source."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.sources.http.api import Api, Query
from gateway.sources.http.exchange import ResultObserver, Send
from gateway.sources.http.json import JsonDecoder, decode_change_response, decode_response
from gateway.sources.indexed import page_containing, window
from gateway.sources.reseller.errors import reseller_error
from gateway.sources.reseller.inferred import InferredList, InferredRead
from gateway.sources.reseller.known import KnownUsers
from gateway.sources.reseller.polling import ResellerChanges
from gateway.sources.reseller.probes import no_reseller, reseller_probes
from gateway.sources.reseller.wire import ResellerWireOrganization, ResellerWireUser
from gateway.users import model
from gateway.users.changes import UpdateResellerUser
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import User, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.source import Directory, Page, UserQuery, Window

__all__ = ["ResellerSource"]

_USER = JsonDecoder(ResellerWireUser)
_USER_LIST = JsonDecoder(list[ResellerWireUser])
_ORGANIZATION = JsonDecoder(ResellerWireOrganization)
_ORGANIZATION_LIST = JsonDecoder(list[ResellerWireOrganization])
_USERS_PATH = "/v3/resellers/{reseller}/users"
_USER_PATH = "/v3/resellers/{reseller}/users/{id}"
_MAX_LIMIT = 100  # docs/upstreams/reseller.md, "Lists"
_WIRE_NAMES = {
    "first_name": "firstName",
    "last_name": "lastName",
    "organization_id": "organizationId",
    "allow_customer_portal_access": "allowCustomerPortalAccess",
}


class ResellerSource:
    """The users of resellers over HTTP. `tenant` is the configured reseller; it is empty if there is none.

    `known` are the users that were read or changed one by one.
    """

    name = UserSource.RESELLER
    list_template = _USERS_PATH
    user_template = _USER_PATH
    recognises_keys = False  # docs/upstreams/reseller.md, "Idempotency"
    constant_needs = EVERYTHING.of(Kind.USER)

    def __init__(
        self,
        send: Send,
        base_url: str,
        headers: Mapping[str, str],
        tenant: str,
        *,
        observe: ResultObserver | None = None,
    ) -> None:
        self._api = Api(self.name, send, base_url, headers, reseller_error, observe=observe)
        self.now = self._api.clock.now
        self.tenant = tenant
        self.known = KnownUsers()
        self._users = InferredRead(self._api, _USER_PATH, lambda _: (_USERS_PATH, ()), _USER, _USER_LIST)
        organizations = _Organizations(self._api)
        self.directories: Mapping[Kind, Directory[Any]] = {Kind.ORGANIZATION: organizations}
        self.changes_since = ResellerChanges(
            self.page_users, self.fetch_user, tenant=tenant, now=self._api.clock.now
        ).changes_since
        self.probes = reseller_probes(self._api, tenant, organizations, self.page_users)

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> model.User | None:  # noqa: ARG002 - responses always contain all fields
        found = await self._users.fetch({"reseller": ref.tenant, "id": ref.source_id})
        if found is None:
            return None
        if found.id.casefold() == ref.source_id.casefold():
            self.known.add(ref)
        return found.record(ref.tenant)

    async def find_users(self, source_ids: Sequence[str]) -> list[model.User]:
        """Return the users of the configured reseller that a list filtered by at most 100 ids contains.

        How the ids are written is taken from the vendor's client; a source that ignores the filter returns other users.
        """
        params = [("page", "1"), ("limit", str(_MAX_LIMIT)), *(("id[in][]", source_id) for source_id in source_ids)]
        exchange = await self._api.call("GET", _USERS_PATH, {"reseller": self.tenant}, query=params)
        users = [row.record(self.tenant) for row in decode_response(_USER_LIST, *exchange)]
        for user in users:
            self.known.add(ref_of(user))
        return users

    async def page_users(
        self,
        query: UserQuery,
        position: str | None,
        limit: int,
        needs: frozenset[str],  # noqa: ARG002 - responses always contain all fields
    ) -> Window:
        tenant = query.tenant or self.tenant
        if not tenant:
            raise no_reseller()
        page, size = page_containing(int(position or 0), min(limit, _MAX_LIMIT))
        params = [("page", str(page)), ("limit", str(size)), ("sort", "-createdAt")]
        optional = {"email[eq]": query.email, "search": query.search}
        params += [(name, value) for name, value in optional.items() if value]
        exchange = await self._api.call("GET", _USERS_PATH, {"reseller": tenant}, query=params)
        rows = decode_response(_USER_LIST, *exchange)
        users = tuple(row.record(tenant) for row in rows)
        # There is no total: a full page may be the last one, a shorter one certainly is.
        return window(users, (page - 1) * size, size=size, has_more=len(rows) >= size)

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:  # noqa: ARG002 - responses always contain all fields
        return self.constant_needs

    def changed_needs(self, user: User) -> frozenset[str] | None:  # noqa: ARG002 - as above
        return self.constant_needs

    async def update_user(self, ref: Ref, change: UpdateResellerUser, key: str) -> model.User | None:  # noqa: ARG002 - this source has no keys
        body = orjson.dumps({_WIRE_NAMES.get(name, name): value for name, value in change.given().items()})
        path_params = {"reseller": ref.tenant, "id": ref.source_id}
        exchange = await self._api.call("PATCH", _USER_PATH, path_params, body=body)
        self.known.add(ref)
        user = decode_change_response(_USER, *exchange)
        return None if user is None else user.record(ref.tenant)


def _of_reseller(tenant: str) -> Query:
    return [("resellerId[eq]", tenant)]


class _Organizations:
    """The organizations of a reseller. The paths of these reads are inferred from those of the changes.

    The documented alternative is the list of all organizations with a filter. See docs/upstreams/reseller.md,
    "Endpoints".
    """

    _PATH = "/v3/resellers/{reseller}/organizations"
    _ALL = "/v3/organizations"

    def __init__(self, api: Api) -> None:
        self.template = f"{self._PATH}/{{id}}"
        self._api = api
        self._list = InferredList()
        self._read = InferredRead(
            api,
            self.template,
            lambda path_params: (self._ALL, _of_reseller(path_params["reseller"])),
            _ORGANIZATION,
            _ORGANIZATION_LIST,
        )

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> model.Organization | None:  # noqa: ARG002 - responses always contain all fields
        found = await self._read.fetch({"reseller": ref.tenant, "id": ref.source_id})
        return None if found is None else found.record(ref.tenant)

    async def page(
        self,
        tenant: str,
        needs: frozenset[str],  # noqa: ARG002 - responses always contain all fields
        after: str | None,
        *,
        search: str | None = None,
        limit: int | None = None,
    ) -> Page[model.Organization]:
        number, size = int(after or 1), min(limit or _MAX_LIMIT, _MAX_LIMIT)
        query = [("page", str(number)), ("limit", str(size)), *([("search", search)] if search else [])]
        exchange = await self._list.fetch(
            lambda: self._api.call("GET", self._PATH, {"reseller": tenant}, query=query),
            lambda: self._api.call("GET", self._ALL, query=[*query, *_of_reseller(tenant)]),
        )
        rows = decode_response(_ORGANIZATION_LIST, *exchange)
        # There is no total: a full page may be the last one, a shorter one certainly is.
        next_page = str(number + 1) if len(rows) >= size else None
        return Page(tuple(row.record(tenant) for row in rows), next_page)
