"""UserService: the only thing that the surfaces call."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any, TypeVar

from gateway.errors import BadUserInput, Violation
from gateway.users.catalog import CatalogPage, Place, read_page
from gateway.users.changes import (
    Change,
    CreateAccountUser,
    UpdateAccountUser,
    UpdateResellerUser,
    UpdateSoftwareOneUser,
)
from gateway.users.cursor import Cursors
from gateway.users.ids import Kind, Ref, can_exist, resolve
from gateway.users.leftovers import Leftovers
from gateway.users.loaders import Loaders
from gateway.users.merge import Merge, UserPage
from gateway.users.model import Department, Role, RoleType, User, UserSource
from gateway.users.mutations import Command, Mutations, Publish
from gateway.users.once import Once
from gateway.users.person import Person, find_person
from gateway.users.planning import EVERYTHING, Plan
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources, UserQuery

__all__ = ["UserService"]

LARGEST_PAGE = 200  # what `first` may be; a source's own pages are another matter
AnyChange = TypeVar("AnyChange", bound=Change)

# Fields of a change that name a record: a global id is as good there as the source's own.
_NAMED: Mapping[str, tuple[Kind, UserSource]] = {
    "role_id": (Kind.ROLE, UserSource.ACCOUNT),
    "department_id": (Kind.DEPARTMENT, UserSource.ACCOUNT),
    "organization_id": (Kind.ORGANIZATION, UserSource.RESELLER),
}


class UserService:
    """Users of the three systems: reading them, creating them, changing them.

    Ids are global ids, or a source's own where it is plain which source is meant. A change is a model of
    `gateway.users.changes` or a mapping of its fields; an absent key is left unchanged. Reads take the
    `loaders` of the operation that they belong to; without them each call is an operation of its own.
    A mutation takes the caller's idempotency key, or makes one; `publish` hears of each that was carried out.
    All raise `gateway.errors`.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        reference: ReferenceData | None = None,
        cursors: Cursors | None = None,
        once: Once | None = None,
        publish: Publish | None = None,
    ) -> None:
        self._sources = sources
        self._reference = reference or ReferenceData(sources)
        self._cursors = cursors or Cursors(secrets.token_bytes(32))
        self._leftovers = Leftovers()
        self._merge = Merge(sources, self._cursors, self._leftovers)
        self._mutations = Mutations(sources, self._reference, once, on_change=self._leftovers.clear, publish=publish)

    def loaders(self, plan: Plan) -> Loaders:
        """Loaders for one operation: never to be kept for a second one."""
        return Loaders(self._sources, self._reference, plan)

    async def get(self, ref: Ref, *, loaders: Loaders | None = None) -> Any:
        """The record that a reference names, or None where there is none."""
        if ref.kind is Kind.ROLE and ref.source is UserSource.RESELLER:
            return Role.named(ref.source, ref.source_id)
        return await (loaders or self.loaders(EVERYTHING)).load(ref)

    async def get_user(
        self,
        id: str,
        source: UserSource | None = None,
        *,
        loaders: Loaders | None = None,
    ) -> User | None:
        """One user, or None where there is none."""
        tenant = self._sources.named(source).tenant if source else ""
        ref = resolve(id, Kind.USER, source=source, tenant=tenant)
        if ref.source is UserSource.RESELLER and not ref.tenant:
            raise _bad("id", "is not global, and no reseller is configured that it could belong to")
        user: User | None = await self.get(ref, loaders=loaders)
        return user

    async def get_role(self, id: str, *, loaders: Loaders | None = None) -> Role | None:
        """One role, or None where there is none."""
        ref = resolve(id, Kind.ROLE, default=UserSource.ACCOUNT)
        role: Role | None = await self.get(ref, loaders=loaders)
        return role

    async def get_department(self, id: str, *, loaders: Loaders | None = None) -> Department | None:
        """One department, or None where there is none."""
        ref = resolve(id, Kind.DEPARTMENT, default=UserSource.ACCOUNT)
        department: Department | None = await self.get(ref, loaders=loaders)
        return department

    async def list_users(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        first: int = 50,
        after: str | None = None,
        loaders: Loaders | None = None,
    ) -> UserPage:
        """Users of all systems, newest first, a page at a time.

        `filter` may hold `sources`, `search`, `email`, `role_type`, `include_removed` and `reseller_id`.
        """
        _check_first(first)
        query, named = _query(filter or {})
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(Kind.USER)
        return await self._merge.page(query, needs, first=first, after=after, named=named)

    async def find_person(self, email: str, *, loaders: Loaders | None = None) -> Person:
        """Every record of one human by e-mail address, in any case: one call a system."""
        if not email.strip():
            raise _bad("email", "must not be empty")
        return await find_person(self._sources, email, (loaders or self.loaders(EVERYTHING)).plan.of(Kind.USER))

    async def list_roles(
        self, *, first: int = 50, after: str | None = None, search: str | None = None, loaders: Loaders | None = None
    ) -> CatalogPage[Role]:
        """Roles of the account system, newest first."""
        return await self._catalog(Kind.ROLE, first, after, search, loaders)

    async def list_departments(
        self, *, first: int = 50, after: str | None = None, search: str | None = None, loaders: Loaders | None = None
    ) -> CatalogPage[Department]:
        """Departments of the account system, newest first."""
        return await self._catalog(Kind.DEPARTMENT, first, after, search, loaders)

    async def create_account_user(
        self,
        change: CreateAccountUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Add a user to the account; a person who has a user there already is linked or restored."""
        parsed = _parse(CreateAccountUser, change)
        command = Command("createAccountUser", parsed, None, idempotency_key, on_replay)
        return await self._mutations.carry_out(command)

    async def update_account_user(
        self,
        id: str,
        change: UpdateAccountUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Change a user of the account; null clears role and department."""
        ref = resolve(id, Kind.USER, source=UserSource.ACCOUNT)
        parsed = _parse(UpdateAccountUser, change)
        return await self._mutations.carry_out(Command("updateAccountUser", parsed, ref, idempotency_key, on_replay))

    async def update_software_one_user(
        self,
        id: str,
        change: UpdateSoftwareOneUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Change a user of the Marketplace; null is sent as null."""
        ref = resolve(id, Kind.USER, source=UserSource.SOFTWAREONE)
        parsed = _parse(UpdateSoftwareOneUser, change)
        return await self._mutations.carry_out(
            Command("updateSoftwareOneUser", parsed, ref, idempotency_key, on_replay)
        )

    async def update_reseller_user(
        self,
        id: str,
        change: UpdateResellerUser | Mapping[str, Any],
        *,
        reseller_id: str | None = None,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Change a user of a reseller: the one named, else the one in the global id, else the configured one."""
        source = self._sources.named(UserSource.RESELLER)
        if reseller_id is not None and not can_exist(reseller_id):  # it becomes a part of a URL's path, too
            raise _bad("reseller_id", "is no id that the source could have given")
        ref = resolve(id, Kind.USER, source=UserSource.RESELLER, tenant=reseller_id or source.tenant)
        if not ref.tenant:
            raise _bad("reseller_id", "is required: the id is not global and no reseller is configured")
        if reseller_id is not None and ref.tenant != reseller_id:
            raise _bad("reseller_id", "is another reseller than the one in the id")
        parsed = _parse(UpdateResellerUser, change)
        return await self._mutations.carry_out(Command("updateResellerUser", parsed, ref, idempotency_key, on_replay))

    async def drain(self) -> None:
        """Wait for the changes under way whose callers have gone."""
        await self._mutations.drain()

    async def _catalog(
        self, kind: Kind, first: int, after: str | None, search: str | None, loaders: Loaders | None
    ) -> CatalogPage[Any]:
        _check_first(first)
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(kind)
        directory = self._sources.named(UserSource.ACCOUNT).directories[kind]
        scope = f"{kind}:{search or ''}"
        place = None if after is None else Place(*self._cursors.read(scope, after))
        page = await read_page(directory, needs, first=first, after=place, search=search)
        return page.written(lambda one: self._cursors.write(scope, astuple(one)))


def _query(given: Mapping[str, Any]) -> tuple[UserQuery, list[UserSource] | None]:
    """A filter → what every source is asked, and which sources are."""
    tenant = given.get("reseller_id") or ""
    if tenant and not can_exist(tenant):
        raise BadUserInput(
            "reseller_id is no id that the source could have given.",
            violations=[Violation(("filter", "reseller_id"), "is no id that the source could have given")],
        )
    role_type, sources = given.get("role_type"), given.get("sources")
    return UserQuery(
        search=given.get("search") or None,
        email=given.get("email") or None,
        role_type=None if role_type is None else RoleType(role_type),
        include_removed=bool(given.get("include_removed")),
        tenant=tenant,
    ), None if sources is None else [UserSource(one) for one in sources]


def _check_first(first: int) -> None:
    if not 0 <= first <= LARGEST_PAGE:
        raise _bad("first", f"must be from 0 to {LARGEST_PAGE}")


def _parse(kind: type[AnyChange], given: AnyChange | Mapping[str, Any]) -> AnyChange:
    """The change, with the source's own ids in it."""
    change = kind.parse(given)
    own: dict[str, str] = {}
    broken: list[Violation] = []
    for name, value in change.given().items():
        if name in _NAMED and value:
            of, source = _NAMED[name]
            try:
                own[name] = resolve(value, of, source=source, path=("change", name)).source_id
            except BadUserInput as error:
                broken += error.violations
    if broken:
        raise BadUserInput("; ".join(f"{v.path[-1]} {v.message}" for v in broken) + ".", violations=broken)
    return change.model_copy(update=own)


def _bad(name: str, message: str) -> BadUserInput:
    return BadUserInput(f"{name} {message}.", violations=[Violation((name,), message)])
