"""The calls to the softwareone source."""

from collections.abc import Collection, Coroutine, Mapping
from typing import Any

import orjson
from msgspec.structs import replace

from gateway.errors import BadUserInput, GatewayError
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Multipart, Part, ResultObserver, Send
from gateway.sources.http.json import JsonDecoder, decode_change_response, decode_response
from gateway.sources.indexed import window
from gateway.sources.softwareone import rql
from gateway.sources.softwareone.errors import softwareone_error
from gateway.sources.softwareone.polling import SoftwareOneChanges
from gateway.sources.softwareone.probes import softwareone_probes
from gateway.sources.softwareone.wire import ListMeta, MarketplaceWireUser, MarketplaceWireUsers
from gateway.users import model
from gateway.users.changes import PhoneNumberChange, UpdateSoftwareOneUser, UserSettingsChange
from gateway.users.icons import IconRules
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.source import Directory, UserQuery, Window

__all__ = ["SoftwareOneSource"]

_USER = JsonDecoder(MarketplaceWireUser)
_USER_LIST = JsonDecoder(MarketplaceWireUsers)
_USERS_PATH = "/public/v1/accounts/users"
_USER_PATH = "/public/v1/accounts/users/{id}"
# The fields that a response may omit unless they are selected (docs/upstreams/softwareone.md, "Include").
_SELECTABLE = ("audit", "accounts")
_AUDIT_FIELDS = ("created_at", "updated_at", "created_by", "updated_by", "invitation_accepted_at")
# By need: the field of the source that a response to a change may omit, and what the gateway makes of it.
_OMITTABLE = {
    "audit": ("audit", _AUDIT_FIELDS),
    "accounts": ("accounts", ("accounts",)),
    "phone": ("phone", ("phone",)),
    "settings": ("settings", ("settings",)),
    "current_account": ("currentAccount", ("current_account",)),
}
_OMITTABLE_NAMES = frozenset(name for name, _ in _OMITTABLE.values())
_MAX_LIMIT = 100  # docs/upstreams/softwareone.md, "Lists"
_WIRE_NAMES = {"first_name": "firstName", "last_name": "lastName", "current_account_id": "currentAccount"}


class SoftwareOneSource:
    """Marketplace users over HTTP.

    An icon may have at most `icon_bytes` bytes, and a media type of `icon_types`; the limits of the source are not
    documented.
    """

    name = UserSource.SOFTWAREONE
    list_template = _USERS_PATH
    user_template = _USER_PATH
    recognises_keys = False  # docs/upstreams/softwareone.md, "Idempotency"
    tenant = ""
    directories: Mapping[Kind, Directory[Any]] = {}
    constant_needs = EVERYTHING.of(Kind.USER) - frozenset(_SELECTABLE)

    def __init__(
        self,
        send: Send,
        base_url: str,
        headers: Mapping[str, str],
        icon_bytes: int,
        icon_types: Collection[str],
        *,
        observe: ResultObserver | None = None,
    ) -> None:
        self._api = Api(self.name, send, base_url, headers, softwareone_error, observe=observe)
        self.now = self._api.clock.now
        self._base_url = base_url.rstrip("/")
        self.icon_rules = IconRules(icon_bytes, icon_types)
        self.changes_since = SoftwareOneChanges(self._api, base_url).changes_since
        self.probes = softwareone_probes(self._api, self._base_url, self.changes_since)

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> model.User | None:
        select = _select(needs)
        user = await self._read_user(ref.source_id, select)
        # By an e-mail address, the source returns a few fields only (docs/upstreams/softwareone.md, "Endpoints").
        by_address = user is not None and "@" in ref.source_id and "@" not in user.id
        if user is not None and by_address:
            user = await self._read_user(user.id, select)
        return None if user is None else user.record(self._base_url)

    def _read_user(self, source_id: str, select: str) -> Coroutine[Any, Any, MarketplaceWireUser | None]:
        query = [("select", select)] if select else ()
        return self._api.find_record(_USER, _USER_PATH, {"id": source_id}, query=query)

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        start, size = int(position or 0), min(limit, _MAX_LIMIT)
        params = [
            ("limit", str(size)),
            ("offset", str(start)),
            ("order", "-audit.created.at"),
            ("select", _select(needs | {"audit"})),  # required for sorting by it
        ]
        exchange = await self._api.call("GET", _USERS_PATH, query=params, raw_query=_condition(query))
        listing = decode_response(_USER_LIST, *exchange)
        meta = listing.meta or ListMeta()
        users = tuple(user.record(self._base_url, tuple(meta.omitted or ())) for user in listing.data)
        return window(users, start, size=size, has_more=listing.has_more(start, size))

    def missing(self, user: model.User, needs: frozenset[str]) -> frozenset[str]:
        """Return those of the needs that the response left out."""
        return frozenset(name for name in needs & _OMITTABLE.keys() if _OMITTABLE[name][0] in user.omitted_fields)

    async def complete(self, user: model.User, missing: frozenset[str]) -> model.User:
        """Return the user with what is missing, by one call: a PUT has no `select`.

        See docs/upstreams/softwareone.md, "Include".
        """
        left_out = [name for need, (name, _) in _OMITTABLE.items() if need in missing]
        try:
            response = await self._read_user(user.source_id, ",".join(left_out))
        except GatewayError:
            response = None
        if response is None or response.id != user.source_id:
            return user
        found = response.record(self._base_url)
        read = {field: getattr(found, field) for need in missing for field in _OMITTABLE[need][1]}
        omitted = (name for name in user.omitted_fields if name not in left_out or name in found.omitted_fields)
        return replace(user, omitted_fields=tuple(omitted), **read)

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:
        # A list is always read with `audit`. A field that is null is absent and not among the omitted ones.
        return _needs_read(user, self.constant_needs | needs | {"audit"})

    def changed_needs(self, user: User) -> frozenset[str] | None:
        return _needs_read(user, EVERYTHING.of(Kind.USER))

    async def update_user(self, ref: Ref, change: UpdateSoftwareOneUser, key: str) -> model.User | None:  # noqa: ARG002 - this source has no keys
        exchange = await self._api.call("PUT", _USER_PATH, {"id": ref.source_id}, body=_form(change))
        user = decode_change_response(_USER, *exchange)
        return None if user is None else _with_absent_fields(user.record(self._base_url))


def _form(change: UpdateSoftwareOneUser) -> Multipart:
    """Return the form as the vendor's client sends it: a part `icon`, then a part `user` with camelCase JSON."""
    given = change.given()
    parts: list[Part] = []
    icon = change.icon
    if icon is not None:
        del given["icon"]
        parts.append(Part("icon", icon.content, icon.content_type, icon.filename))
    user = {_WIRE_NAMES.get(name, name): _encode(name, value) for name, value in given.items()}
    return Multipart((*parts, Part("user", orjson.dumps(user), "application/json")))


def _with_absent_fields(user: model.User) -> model.User:
    """Return the user of a response without `select`, with what is absent among its omitted fields.

    Every user has accounts and a time of creation: if they are absent, they were left out, whether `$meta` states it
    or not.
    """
    absent = {"audit": user.created_at is None, "accounts": user.accounts is None}
    omitted = [*user.omitted_fields, *(name for name, is_absent in absent.items() if is_absent)]
    return replace(user, omitted_fields=tuple(dict.fromkeys(omitted)))


def _needs_read(user: User, needs: frozenset[str]) -> frozenset[str] | None:
    """Return those of the needs that a user was read with; None if it lacks fields that every user has."""
    omitted = set(user.omitted_fields)
    if not omitted <= _OMITTABLE_NAMES:
        return None
    absent = {need for need, (name, _) in _OMITTABLE.items() if name in omitted}
    if user.created_at is None:  # every user has it: the source left it out
        absent.add("audit")
    if user.accounts is None:  # so are they, unless the token may not see them
        absent.add("accounts")
    return needs - absent


def _select(needs: frozenset[str]) -> str:
    return ",".join(name for name in _SELECTABLE if name in needs)


def _condition(query: UserQuery) -> str:
    """Return the filter as RQL.

    Raises:
        BadUserInput: a text cannot be expressed.
    """
    conditions: list[str] = []
    field = "search"
    try:
        if query.search:
            conditions.append(rql.any_of(*(rql.contains(name, query.search) for name in ("name", "email"))))
        field = "email"
        if query.email:
            conditions.append(rql.equals_ignoring_case("email", query.email))
    except ValueError as error:
        raise BadUserInput.at(("filter", field), str(error)) from None
    return rql.all_of(*conditions) if conditions else ""


def _encode(name: str, value: Any) -> Any:
    if isinstance(value, PhoneNumberChange):
        return value.given()
    if isinstance(value, UserSettingsChange):
        names = {"culture_code": "cultureCode", "language_code": "languageCode"}
        return {names[field]: text for field, text in value.given().items()}
    if name == "current_account_id" and value is not None:
        return {"id": value}
    return value
