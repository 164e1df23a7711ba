"""UserService: the only thing that the surfaces call."""

import copy
import secrets
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any, Self

from gateway.errors import BadUserInput
from gateway.operation import ANYONE, Action, Principal, acting_as
from gateway.users.changes import (
    Change,
    CreateAccountUser,
    UpdateAccountUser,
    UpdateResellerUser,
    UpdateSoftwareOneUser,
)
from gateway.users.idempotency import Once
from gateway.users.ids import Kind, Ref, can_exist, resolve
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.directory_page import DirectoryPage, DirectoryPosition, read_page
from gateway.users.listing.merge import Merge, UserPage
from gateway.users.listing.prefetched import PrefetchedUsers
from gateway.users.loaders import Loaders
from gateway.users.model import Department, Role, User, UserSource
from gateway.users.mutations import Command, Mutations, Publish
from gateway.users.person import Person, find_person
from gateway.users.planning import EVERYTHING, Plan
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources
from gateway.users.validation import check_first, check_length, parse, query_of

__all__ = ["UserService"]


class UserService:
    """Users of the three systems: reading them, creating them, changing them.

    Ids are global ids, or a source's own where it is plain which source is meant. A change is a model of
    `gateway.users.changes` or a mapping of its fields; an absent key is left unchanged. Reads take the
    `loaders` of the operation that they belong to; without them each call is an operation of its own.
    A mutation takes the caller's idempotency key, or makes one; `publish` hears of each that was carried out.
    It serves the program that it is part of, which may do all; `by` gives it to a caller, and says who that is
    wherever something is kept or shared. A change's own answer takes no scope to read.
    All raise `gateway.errors`.
    """

    _principal = ANYONE

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
        self._leftovers = PrefetchedUsers()
        self._merge = Merge(sources, self._cursors, self._leftovers)
        self._mutations = Mutations(sources, self._reference, once, on_change=self._leftovers.clear, publish=publish)

    def by(self, principal: Principal) -> Self:
        """The same service, for a caller: it does what the caller's scopes allow. Cheap enough for every request."""
        if principal is self._principal:
            return self
        bound = copy.copy(self)
        bound._principal = principal  # noqa: SLF001 - its own copy
        return bound

    def loaders(self, plan: Plan) -> Loaders:
        """Loaders for one operation: never to be kept for a second one."""
        return Loaders(self._sources, self._reference, plan, self._principal)

    async def get(self, ref: Ref, *, loaders: Loaders | None = None) -> Any:
        """The record that a reference names, or None where there is none."""
        self._principal.require(Action.READ, ref.source)
        if ref.kind is Kind.ROLE and ref.source is UserSource.RESELLER:
            return Role.named(ref.source, ref.source_id)
        loaders = loaders or self.loaders(EVERYTHING)
        return await (loaders.load_alone(ref) if loaders.plan.alone and ref.kind is Kind.USER else loaders.load(ref))

    async def get_user(
        self,
        id: str,
        source: UserSource | None = None,
        *,
        loaders: Loaders | None = None,
    ) -> User | None:
        """One user, or None where there is none."""
        user: User | None = await self.get(self.user_ref(id, source), loaders=loaders)
        return user

    def user_ref(self, id: str, source: UserSource | None = None, *, path: tuple[str | int, ...] = ("id",)) -> Ref:
        """The user that an id means, whether there is one or not; `path` is the argument that it was given by."""
        if source is not None:
            self._principal.require(Action.READ, source)
        tenant = self._sources.named(source).tenant if source else ""
        ref = resolve(id, Kind.USER, source=source, tenant=tenant, path=path)
        if ref.source is UserSource.RESELLER and not ref.tenant:
            message = "is not global, and no reseller is configured that it could belong to"
            raise BadUserInput.at(path, message)
        return ref

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

        `filter` may hold `sources`, `search`, `email`, `role_type`, `include_removed` and `reseller_id`. Without
        `sources` those are meant that the caller may read.
        """
        principal = self._principal
        query, named = query_of(filter or {})
        for source in named or ():
            principal.require(Action.READ, source)
        if query.role_type is not None:  # only the account system's users have one
            principal.require(Action.READ, UserSource.ACCOUNT)
        among = principal.readable(UserSource)
        check_first(first)
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(Kind.USER)
        with acting_as(principal):
            return await self._merge.page(
                query, needs, first=first, after=after, named=named, among=among, principal=principal.identity
            )

    async def find_person(self, email: str, *, loaders: Loaders | None = None) -> Person:
        """Every record of one human by e-mail address, in any case: one call a system that the caller may read."""
        readable = self._principal.readable(UserSource)
        if not email.strip():
            raise BadUserInput.at(("email",), "must not be empty")
        check_length("email", email)
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(Kind.USER)
        with acting_as(self._principal):
            return await find_person([one for one in self._sources if one.name in readable], email, needs)

    async def list_roles(
        self, *, first: int = 50, after: str | None = None, search: str | None = None, loaders: Loaders | None = None
    ) -> DirectoryPage[Role]:
        """Roles of the account system, newest first."""
        return await self._catalog(Kind.ROLE, first, after, search, loaders)

    async def list_departments(
        self, *, first: int = 50, after: str | None = None, search: str | None = None, loaders: Loaders | None = None
    ) -> DirectoryPage[Department]:
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
        self._principal.require(Action.WRITE, UserSource.ACCOUNT)
        parsed = parse(CreateAccountUser, change)
        return await self._carry_out("createAccountUser", parsed, None, idempotency_key, on_replay)

    async def update_account_user(
        self,
        id: str,
        change: UpdateAccountUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Change a user of the account; null clears role and department."""
        self._principal.require(Action.WRITE, UserSource.ACCOUNT)
        ref = resolve(id, Kind.USER, source=UserSource.ACCOUNT)
        parsed = parse(UpdateAccountUser, change)
        return await self._carry_out("updateAccountUser", parsed, ref, idempotency_key, on_replay)

    async def update_software_one_user(
        self,
        id: str,
        change: UpdateSoftwareOneUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Change a user of the Marketplace; null is sent as null."""
        self._principal.require(Action.WRITE, UserSource.SOFTWAREONE)
        ref = resolve(id, Kind.USER, source=UserSource.SOFTWAREONE)
        parsed = parse(UpdateSoftwareOneUser, change)
        return await self._carry_out("updateSoftwareOneUser", parsed, ref, idempotency_key, on_replay)

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
        self._principal.require(Action.WRITE, UserSource.RESELLER)
        source = self._sources.named(UserSource.RESELLER)
        if reseller_id is not None and not can_exist(reseller_id):  # it becomes a part of a URL's path, too
            raise BadUserInput.at(("reseller_id",), "is no id that the source could have given")
        ref = resolve(id, Kind.USER, source=UserSource.RESELLER, tenant=reseller_id or source.tenant)
        if not ref.tenant:
            raise BadUserInput.at(("reseller_id",), "is required: the id is not global and no reseller is configured")
        if reseller_id is not None and ref.tenant != reseller_id:
            raise BadUserInput.at(("reseller_id",), "is another reseller than the one in the id")
        parsed = parse(UpdateResellerUser, change)
        return await self._carry_out("updateResellerUser", parsed, ref, idempotency_key, on_replay)

    async def drain(self) -> None:
        """Wait for the changes under way whose callers have gone."""
        await self._mutations.drain()

    async def _carry_out(
        self, name: str, change: Change, target: Ref | None, key: str | None, on_replay: Callable[[], None] | None
    ) -> User:
        who = self._principal
        with acting_as(who):  # the change's task has it from here, and to its end
            return await self._mutations.carry_out(Command(name, change, target, key, on_replay, who.identity))

    async def _catalog(
        self, kind: Kind, first: int, after: str | None, search: str | None, loaders: Loaders | None
    ) -> DirectoryPage[Any]:
        self._principal.require(Action.READ, UserSource.ACCOUNT)
        check_first(first)
        check_length("search", search)
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(kind)
        directory = self._sources.named(UserSource.ACCOUNT).directories[kind]
        scope = f"{kind}:{search or ''}"
        place = None if after is None else DirectoryPosition(*self._cursors.read(scope, after))
        with acting_as(self._principal):
            page = await read_page(directory, needs, first=first, after=place, search=search)
        return page.written(lambda one: self._cursors.write(scope, astuple(one)))
