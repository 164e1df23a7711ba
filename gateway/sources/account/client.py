"""The calls of the identity API."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

import orjson

from gateway.sources.account import departments, wire
from gateway.sources.account.errors import account_refusal
from gateway.sources.account.listing import AccountListing, Repeated, next_position
from gateway.sources.account.polling import AccountChanges
from gateway.sources.account.versions import AccountVersion
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Send
from gateway.sources.http.json import Shape, read
from gateway.users import model
from gateway.users.changes import CreateAccountUser, NotificationPreference, UpdateAccountUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource
from gateway.users.source import Directory, Page, UserQuery, Window

__all__ = ["AccountSource"]

M = TypeVar("M", model.Role, model.Department)

_USER = Shape(wire.AccountWireUser)
_LISTED = Shape(AccountListing[wire.AccountWireUser])
_USERS = "/v1/identity/account-users"
_ONE = "/v1/identity/account-users/{id}"
# In this order: only the first value of a parameter is part of an idempotency key's match (account.md, 6).
_INCLUDES = ("user", "role", "department")
_PAGE = 1000  # the largest that the source gives


class AccountSource:
    """Account users over HTTP. `headers` carry credentials, version and account."""

    name = UserSource.ACCOUNT
    tenant = ""

    def __init__(self, send: Send, base_url: str, headers: Mapping[str, str], dialect: AccountVersion) -> None:
        self._api = Api(self.name, send, base_url, headers, account_refusal)
        self._dialect = dialect
        self.news = AccountChanges(self._api, self.fetch_user).news
        self.directories: Mapping[Kind, Directory[Any]] = {
            Kind.ROLE: _Directory[model.Role](
                self._api,
                "/v1/identity/roles",
                ("owner", "owner.account", "permissions"),
                Shape(wire.AccountWireRole),
                Shape(AccountListing[wire.AccountWireRole]),
            ),
            Kind.DEPARTMENT: _Directory[model.Department](
                self._api,
                "/v1/operations/departments",
                ("location", "scanning_stations", "machines"),
                Shape(departments.AccountWireDepartment),
                Shape(AccountListing[departments.AccountWireDepartment]),
            ),
        }

    async def probe(self) -> str | None:
        _, response = await self._api.call("GET", _USERS, query=[("limit", "1")])
        return response.headers.get("RateLimit-Remaining")

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> model.User | None:
        included = _included(needs, self._dialect.get_includes)
        answer = await self._api.find(_ONE, {"id": ref.source_id}, raw_query=included)
        return read(_USER, *answer).record() if answer else None

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        # An e-mail address is looked for by `q`, which also finds longer ones (account.md, 3.1.1).
        optional = {"q": query.search or query.email, "role_type": query.role_type, "cursor": position}
        asked = [("limit", str(min(limit, _PAGE))), *((name, value) for name, value in optional.items() if value)]
        if query.include_removed:
            asked.append(self._dialect.removed)
        included = _included(needs | {"profile"} if query.email else needs, self._dialect.list_includes)
        listing = read(_LISTED, *await self._api.call("GET", _USERS, query=asked, raw_query=included))
        record_of = Repeated().record_of
        users = tuple([one.record(record_of) for one in listing.data or ()])
        return Window(users, next_position(listing.page_info))

    async def create_user(self, change: CreateAccountUser, key: str) -> model.User:
        return await self._write("POST", _USERS, {}, change, key=key, includes=self._dialect.create_includes)

    async def update_user(self, ref: Ref, change: UpdateAccountUser, key: str) -> model.User:
        parts, includes = {"id": ref.source_id}, self._dialect.update_includes
        return await self._write("PATCH", _ONE, parts, change, key=key, includes=includes)

    async def _write(
        self,
        method: str,
        template: str,
        parts: Mapping[str, str],
        change: CreateAccountUser | UpdateAccountUser,
        *,
        key: str,
        includes: frozenset[str],
    ) -> model.User:
        # Always all includes: they cost no call, and a change sent again under its key is the same
        # request whatever its caller selects this time.
        included = _include(name for name in _INCLUDES if name in includes)
        body = orjson.dumps(change.given(), default=self._spelled)
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        answer = await self._api.call(method, template, parts, raw_query=included, headers=headers, body=body)
        return read(_USER, *answer).record()

    def _spelled(self, value: object) -> dict[str, Any]:
        if not isinstance(value, NotificationPreference):
            raise TypeError
        return {self._dialect.notification_type: value.notification_type, "enabled": value.enabled}


class _Directory(Generic[M]):
    """Roles or departments."""

    def __init__(
        self,
        api: Api,
        template: str,
        includes: tuple[str, ...],
        one: Shape[Any],
        many: Shape[AccountListing[Any]],
    ) -> None:
        self._api = api
        self._template = template
        self._includes = includes
        self._one = one
        self._many = many

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> M | None:
        asked = self._asked(needs)
        answer = await self._api.find(f"{self._template}/{{id}}", {"id": ref.source_id}, raw_query=_include(asked))
        record: M | None = read(self._one, *answer).record(frozenset(asked)) if answer else None
        return record

    async def page(
        self,
        tenant: str,  # noqa: ARG002 - there is one
        needs: frozenset[str],
        after: str | None,
        *,
        search: str | None = None,
        limit: int | None = None,
    ) -> Page[M]:
        asked: tuple[str, ...] = self._asked(needs)
        optional: dict[str, str | None] = {"q": search, "cursor": after}
        query = [("limit", str(limit or _PAGE)), *((name, value) for name, value in optional.items() if value)]
        answer = await self._api.call("GET", self._template, query=query, raw_query=_include(asked))
        listing = read(self._many, *answer)
        loaded = frozenset(asked)
        records = tuple([one.record(loaded) for one in listing.data or ()])
        return Page(records, next_position(listing.page_info))

    def _asked(self, needs: frozenset[str]) -> tuple[str, ...]:
        return tuple(name for name in self._includes if name in needs)


@lru_cache(maxsize=256)
def _included(needs: frozenset[str], allowed: frozenset[str]) -> str:
    """What an endpoint is to include, as a query's end."""
    wanted = {"user" if need == "profile" else need for need in needs}
    return _include(name for name in _INCLUDES if name in wanted & allowed)


def _include(names: Iterable[str]) -> str:
    """As account.md spells it, brackets bare."""
    return "&".join(f"include[]={name}" for name in names)
