"""The calls of the Marketplace."""

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from gateway.errors import BadUserInput
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Multipart, Part, Send
from gateway.sources.http.json import Shape, read, read_changed
from gateway.sources.indexed import window
from gateway.sources.softwareone import rql
from gateway.sources.softwareone.errors import softwareone_refusal
from gateway.sources.softwareone.polling import SoftwareOneChanges
from gateway.sources.softwareone.wire import ListMeta, MarketplaceWireUser, MarketplaceWireUsers
from gateway.users import model
from gateway.users.changes import Icon, PhoneNumberChange, UpdateSoftwareOneUser, UserSettingsChange
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource
from gateway.users.source import Directory, UserQuery, Window

__all__ = ["SoftwareOneSource"]

_USER = Shape(MarketplaceWireUser)
_USERS = Shape(MarketplaceWireUsers)
_LIST = "/public/v1/accounts/users"
_ONE = "/public/v1/accounts/users/{id}"
# What the source may leave out unless it is asked for (softwareone.md, 3: `$meta.omitted`).
_SELECTABLE = ("audit", "accounts")
_PAGE = 100  # the largest that the source gives
_NAMES = {"first_name": "firstName", "last_name": "lastName", "current_account_id": "currentAccount"}


class SoftwareOneSource:
    """Marketplace users over HTTP. `icon_bytes` is the largest picture that is sent on, `icon_types` the kinds."""

    name = UserSource.SOFTWAREONE
    tenant = ""
    directories: Mapping[Kind, Directory[Any]] = {}

    def __init__(
        self, send: Send, base_url: str, headers: Mapping[str, str], icon_bytes: int, icon_types: Collection[str]
    ) -> None:
        self._api = Api(self.name, send, base_url, headers, softwareone_refusal)
        self._base_url = base_url.rstrip("/")
        self._icon_bytes = icon_bytes
        self._icon_types = icon_types
        self.news = SoftwareOneChanges(self._api, base_url).news

    async def probe(self) -> str | None:
        await self._api.call("GET", _LIST, query=[("limit", "1")])
        return None

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> model.User | None:
        select = _select(needs)
        answer = await self._api.find(_ONE, {"id": ref.source_id}, query=[("select", select)] if select else ())
        return read(_USER, *answer).record(self._base_url) if answer else None

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        start, size = int(position or 0), min(limit, _PAGE)
        asked = [
            ("limit", str(size)),
            ("offset", str(start)),
            ("order", "-audit.created.at"),
            ("select", _select(needs | {"audit"})),  # sorting by it takes selecting it
        ]
        listing = read(_USERS, *await self._api.call("GET", _LIST, query=asked, raw_query=_condition(query)))
        meta = listing.meta or ListMeta()
        users = tuple(one.record(self._base_url, tuple(meta.omitted or ())) for one in listing.data)
        return window(users, start, size=size, more=listing.goes_on(start, size))

    async def update_user(self, ref: Ref, change: UpdateSoftwareOneUser, key: str) -> model.User | None:  # noqa: ARG002 - none known here
        answer = await self._api.call("PUT", _ONE, {"id": ref.source_id}, body=self._form(change))
        user = read_changed(_USER, *answer)
        return None if user is None else user.record(self._base_url)

    def _form(self, change: UpdateSoftwareOneUser) -> Multipart:
        """The form as the vendor's own client sends it: the picture, then `user` with plain camelCase JSON."""
        given = change.given()
        parts: list[Part] = []
        if change.icon is not None:
            del given["icon"]
            parts.append(self._picture(change.icon))
        user = {_NAMES.get(name, name): _spelled(name, value) for name, value in given.items()}
        return Multipart((*parts, Part("user", orjson.dumps(user), "application/json")))

    def _picture(self, icon: Icon) -> Part:
        """The picture's part; which ones the source takes is documented nowhere (softwareone.md, what is not known)."""
        message = None
        if icon.content.size > self._icon_bytes:
            message = f"must not be larger than {self._icon_bytes} bytes"
        elif icon.content_type.lower() not in self._icon_types:
            message = f"must be a picture of one of the types {', '.join(self._icon_types)}, not {icon.content_type}"
        if message is not None:
            raise BadUserInput.at(("change", "icon"), message)
        return Part("icon", icon.content, icon.content_type, icon.filename)


def _select(needs: frozenset[str]) -> str:
    return ",".join(name for name in _SELECTABLE if name in needs)


def _condition(query: UserQuery) -> str:
    conditions: list[str] = []
    if query.search:
        conditions.append(rql.either(*(rql.contains(field, query.search) for field in ("name", "email"))))
    if query.email:
        conditions.append(rql.same("email", query.email))
    return rql.both(*conditions) if conditions else ""


def _spelled(name: str, value: Any) -> Any:
    if isinstance(value, PhoneNumberChange):
        return value.given()
    if isinstance(value, UserSettingsChange):
        names = {"culture_code": "cultureCode", "language_code": "languageCode"}
        return {names[field]: text for field, text in value.given().items()}
    if name == "current_account_id" and value is not None:
        return {"id": value}
    return value
