"""The calls to the account source."""

from collections import deque
from collections.abc import Coroutine, Mapping
from functools import lru_cache
from typing import Any

import orjson

from gateway.sources.account import wire
from gateway.sources.account.directories import account_directories
from gateway.sources.account.errors import account_error
from gateway.sources.account.include import MAX_LIMIT, include_query
from gateway.sources.account.listing import AnyListing
from gateway.sources.account.polling import AccountChanges
from gateway.sources.account.probes import account_probes
from gateway.sources.account.versions import APRIL, AccountVersion, version_of_server
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import ResultObserver, Send
from gateway.sources.http.json import JsonDecoder, decode_response
from gateway.users import model
from gateway.users.changes import CreateAccountUser, UpdateAccountUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.source import Directory, UserQuery, Window

__all__ = ["AccountSource"]

_ANY_LIST = JsonDecoder(AnyListing)
_USERS_PATH = "/v1/identity/account-users"
_USER_PATH = "/v1/identity/account-users/{id}"
# The order is fixed, because only the first value of a parameter is compared when an idempotency key is repeated
# (docs/upstreams/account.md, "Idempotency").
_INCLUDES = ("user", "role", "department")
_REPLAYED = "Idempotent-Replayed"
_REPLAYS = 64  # responses that can arrive before the one before them is used
_INCLUDED_NEEDS = frozenset({"profile", "role", "department"})
_CONSTANT_NEEDS = EVERYTHING.of(Kind.USER) - _INCLUDED_NEEDS


class AccountSource:
    """Account users over HTTP. `headers` contain the credential, the API version and the account.

    Without `version`, that of the server is found out by a small list before the first call that depends on it.
    """

    name = UserSource.ACCOUNT
    list_template = _USERS_PATH
    user_template = _USER_PATH
    recognises_keys = True  # docs/upstreams/account.md, "Idempotency"
    tenant = ""
    constant_needs = _CONSTANT_NEEDS  # everything else is in each response, or in none

    def __init__(
        self,
        send: Send,
        base_url: str,
        headers: Mapping[str, str],
        version: AccountVersion | None,
        *,
        observe: ResultObserver | None = None,
    ) -> None:
        self._api = Api(self.name, send, base_url, headers, account_error, observe=observe)
        self.now = self._api.clock.now
        self._version = version
        self._replays: deque[User] = deque(maxlen=_REPLAYS)
        self.changes_since = AccountChanges(self._api, self.fetch_user, self.page_users).changes_since
        self.directories: Mapping[Kind, Directory[Any]] = account_directories(self._api)
        self.probes = account_probes(self._api, self.directories, self.changes_since)

    def fetch_user(self, ref: Ref, needs: frozenset[str]) -> Coroutine[Any, Any, model.User | None]:
        version = self._version or APRIL  # which takes a part of what the others take, and gets the profile anyhow
        include = _include_needed(needs, version.get_includes)
        return self._api.find_record(wire.USER_DECODER, _USER_PATH, {"id": ref.source_id}, raw_query=include)

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        # There is no filter by e-mail address: `q` finds it, and longer ones that contain it
        # (docs/upstreams/account.md, "Lists").
        optional = {"q": query.search or query.email, "role_type": query.role_type, "cursor": position}
        params = [("limit", str(min(limit, MAX_LIMIT))), *((name, value) for name, value in optional.items() if value)]
        version = self._version or await self._version_of_server()
        if query.include_removed:
            params.append(version.removed)
        include = _include_needed(needs | {"profile"} if query.email else needs, version.list_includes)
        exchange = await self._api.call("GET", _USERS_PATH, query=params, raw_query=include)
        return decode_response(wire.USER_LIST_DECODER, *exchange)

    def create_user(self, change: CreateAccountUser, key: str) -> Coroutine[Any, Any, model.User]:
        return self._write("POST", _USERS_PATH, {}, change, key)

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:
        # Null was sent for a role or department that was not included (docs/upstreams/account.md, "Include").
        version = self._version or APRIL
        return _shown_needs(user) | (needs & version.list_includes) | _CONSTANT_NEEDS

    def changed_needs(self, user: User) -> frozenset[str] | None:
        # The source may have stored the response to a repeated change long ago.
        if any(user is replayed for replayed in self._replays):
            return None
        version = self._version or APRIL
        return _shown_needs(user) | (version.create_includes & version.update_includes) - {"user"} | _CONSTANT_NEEDS

    def update_user(self, ref: Ref, change: UpdateAccountUser, key: str) -> Coroutine[Any, Any, model.User]:
        return self._write("PATCH", _USER_PATH, {"id": ref.source_id}, change, key)

    async def _version_of_server(self) -> AccountVersion:
        exchange = await self._api.call("GET", _USERS_PATH, query=[("limit", "1")])
        self._version = version_of_server(decode_response(_ANY_LIST, *exchange).page_info or {})
        return self._version

    async def _write(
        self,
        method: str,
        template: str,
        path_params: Mapping[str, str],
        change: CreateAccountUser | UpdateAccountUser,
        key: str,
    ) -> model.User:
        version = self._version or await self._version_of_server()
        # Always with all includes: they cost no further call, and a change that is repeated under its key has to be
        # the same request, whatever the caller selects this time.
        include = _include_all(version.create_includes if method == "POST" else version.update_includes)
        body = orjson.dumps(change.given(), default=version.encode)
        exchange = await self._api.call(method, template, path_params, raw_query=include, key=key, body=body)
        user = decode_response(wire.USER_DECODER, *exchange)
        if _REPLAYED in exchange[1].headers:
            self._replays.append(user)
        return user


def _shown_needs(user: User) -> frozenset[str]:
    """Return the needs that a user shows to have: what is not null was sent, whether it was requested or not.

    A user without e-mail address and user name is none, so that one of them is in every profile.
    """
    shown = (user.email or user.username, user.role, user.department)
    return frozenset(name for name, value in zip(("profile", "role", "department"), shown, strict=True) if value)


@lru_cache(maxsize=256)
def _include_needed(needs: frozenset[str], allowed: frozenset[str]) -> str:
    """Return the `include[]` parameters for these needs, as far as the endpoint allows them."""
    wanted = {"user" if need == "profile" else need for need in needs}
    return _include_all(allowed & wanted)


@lru_cache(maxsize=16)
def _include_all(includes: frozenset[str]) -> str:
    """Return the `include[]` parameters for these includes."""
    return include_query(name for name in _INCLUDES if name in includes)
