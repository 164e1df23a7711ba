"""UserService: the only object of the domain that the surfaces call."""

import copy
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import astuple
from inspect import isawaitable
from typing import Any, Self

from gateway.calls import CallRecorder
from gateway.errors import BadUserInput, Rule
from gateway.freshness import Freshness, FreshnessReport
from gateway.kit.long_steps import LongSteps
from gateway.operation import acting_as
from gateway.principal import ANYONE, Action, Principal
from gateway.users.changes import (
    Change,
    CreateAccountUser,
    UpdateAccountUser,
    UpdateResellerUser,
    UpdateSoftwareOneUser,
)
from gateway.users.command import Command
from gateway.users.idempotency import ExecuteOnce
from gateway.users.ids import KINDS_WITH_TENANT, Kind, Ref, can_exist, resolve
from gateway.users.kept.fresh_users import FreshUser
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.directory_page import DirectoryPage, DirectoryPosition, read_directory_page
from gateway.users.listing.merge import Merge, MergedPage
from gateway.users.listing.prefetched import PrefetchedUsers
from gateway.users.loaders import Loaders
from gateway.users.model import Department, Role, User, UserChange, UserSource
from gateway.users.mutations import Mutations
from gateway.users.permitted_calls import note_unkept
from gateway.users.person import FoundPerson, find_person
from gateway.users.planning import EVERYTHING, Plan
from gateway.users.publishing import Publish, ReportAltered, RequirePublishable
from gateway.users.reading import UserReader
from gateway.users.reference import ReferenceData
from gateway.users.source import CompletingSource, Sources
from gateway.users.validation import check_after, check_first, check_icon_in, check_length, parse_change, parse_filter

__all__ = ["UserService"]

_READ, _WRITE = Action.READ, Action.WRITE  # CONTRIBUTING.md, "Speed"
_ROLE, _USER, _DEPARTMENT = Kind.ROLE, Kind.USER, Kind.DEPARTMENT
_ACCOUNT, _SOFTWAREONE, _RESELLER = UserSource.ACCOUNT, UserSource.SOFTWAREONE, UserSource.RESELLER
_FEW_USERS = 100  # whoever gets more has work for milliseconds: to complete them, and to write them as JSON


class UserService:
    """Reads, creates and changes users of all sources.

    - Ids are global ids, or source ids where the source is unambiguous.
    - A change is a model of `gateway.users.changes` or a mapping of its fields; an absent field stays unchanged.
    - Reads take the `loaders` of their operation; without them, each call is a separate operation.
    - A mutation takes the caller's idempotency key; without one nothing is stored, and the source gets a random key.
      `publish` is called for each change that was executed, and `require_publishable` before one without a key.
    - The service acts for the embedding program, which may do everything; `by` returns it for a principal, whose
      scopes are checked, and from whom results of other principals are kept apart. Reading the result of a change
      requires no scope.
    - All methods raise the errors of `gateway.errors`.
    - `gives_at_once`: there are users that `read` returns without waiting.
    """

    _principal = ANYONE

    def __init__(
        self,
        sources: Sources,
        *,
        reads: UserReader | None = None,
        reference: ReferenceData | None = None,
        cursors: Cursors | None = None,
        execute_once: ExecuteOnce | None = None,
        publish: Publish | None = None,
        require_publishable: RequirePublishable | None = None,
        report_altered: ReportAltered | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._reads = reads or UserReader(sources)
        self.gives_at_once = self._reads.fresh_users.exist
        self._reference = reference or ReferenceData(sources)
        self._cursors = cursors or Cursors(secrets.token_bytes(32))
        self._prefetched = PrefetchedUsers(clock=clock)
        self._long_steps = LongSteps()
        self._merge = Merge(sources, self._reads, self._cursors, self._prefetched)
        self._mutations = Mutations(
            sources,
            self._reads.kept_users,
            self._reference,
            execute_once,
            on_change=self._prefetched.clear,
            publish=publish,
            require_publishable=require_publishable,
            report_altered=report_altered,
        )

    def by(self, principal: Principal) -> Self:
        """Return the same service for a principal; it checks the scopes. Cheap enough to call for every request."""
        if principal is self._principal:
            return self
        bound = copy.copy(self)
        bound._principal = principal  # noqa: SLF001 - an object of this class
        return bound

    @property
    def principal(self) -> Principal:
        """The principal for which it acts."""
        return self._principal

    def user_changed(self, user: User, change: UserChange) -> None:
        """Drop what was read before a change of a user; `user` is the user after it, or as it was deleted."""
        self._reads.kept_users.user_changed(user, change)
        self._prefetched.clear(user.source)

    def user_reported(self, user: Ref, fingerprint: str) -> None:
        """Drop what was read of a user unless it is as it was reported."""
        self._reads.kept_users.user_reported(user, fingerprint)

    def source_changed(self, source: UserSource | None) -> None:
        """Drop what was read of a source, None for all: it has changed, and how is not known."""
        self._reads.kept_users.source_changed(source)
        self._reference.drop(source)
        self._prefetched.clear(source)

    def credential_refused(self, principal: Principal, source: UserSource) -> None:
        """Drop what was read with the credential of a principal that a source has refused."""
        self._reads.kept_users.credential_refused(principal, source)
        if principal.brings_credential(source):
            self._reference.separate(principal.credential(source))
            self._prefetched.drop(principal.identity)

    def caller_revoked(self, name: str) -> None:
        """Drop what was read with credentials that the principals of this name bring."""
        self._reads.kept_users.caller_revoked(name)
        self._prefetched.clear()

    def loaders(self, plan: Plan) -> Loaders:
        """Return the loaders of one operation; do not reuse them for another one."""
        return Loaders(self._reads, self._reference, plan, self._principal)

    def find_fresh_user(self, ref: Ref, plan: Plan, wanted: Freshness) -> FreshUser | None:
        """Return the user that `read` returns without waiting, for a query of one user. Nothing is counted.

        Call `count_hit` when it is given.
        """
        principal = self._principal
        if _READ not in principal.scopes and not principal.may(_READ, ref.source):
            return None
        return self._reads.fresh_users.find(ref, plan.of(_USER), principal, wanted)

    def count_hit(self, user: FreshUser, report: FreshnessReport, calls: CallRecorder | None) -> None:
        """Report that a user was given that `find_fresh_user` has found; `report` and `calls` are of the operation."""
        self._reads.fresh_users.count(user, report, calls)

    def read(self, ref: Ref, *, loaders: Loaders | None = None) -> Any | Awaitable[Any]:
        """Return the record of a reference, None if there is none; an awaitable of it where it has to be waited for.

        A record that is returned at once is fresh. An awaitable has to be awaited: the call begins there.
        """
        principal = self._principal
        if _READ not in principal.scopes:  # saves a call, as below
            principal.require(_READ, ref.source)
        if ref.kind is _ROLE and ref.source is _RESELLER:
            return Role.named(ref.source, ref.source_id)
        if loaders is None:
            loaders = self.loaders(EVERYTHING)
        if loaders.plan.single_user and ref.kind is _USER:
            return loaders.load_single(ref)
        return loaders.load(ref)

    async def get(self, ref: Ref, *, loaders: Loaders | None = None) -> Any:
        """Return the record of a reference, or None if there is none."""
        found = self.read(ref, loaders=loaders)
        return await found if isawaitable(found) else found

    async def get_user(
        self,
        id: str,
        source: UserSource | None = None,
        *,
        loaders: Loaders | None = None,
    ) -> User | None:
        """Return one user, or None if there is none."""
        found = self.read(self.user_ref(id, source), loaders=loaders)
        user: User | None = await found if isawaitable(found) else found
        return user

    def user_ref(self, id: str, source: UserSource | None = None, *, path: tuple[str | int, ...] = ("id",)) -> Ref:
        """Return the reference for the id of a user, which need not exist; `path` is that of the argument."""
        return self.ref(_USER, id, source, path=path)

    def ref(
        self, kind: Kind, id: str, source: UserSource | None = None, *, path: tuple[str | int, ...] = ("id",)
    ) -> Ref:
        """Return the reference for the id of a record, which need not exist; `path` is that of the argument."""
        if source is not None and _READ not in self._principal.scopes:
            self._principal.require(_READ, source)
        tenant = self._sources.named(source).tenant if source and kind in KINDS_WITH_TENANT else ""
        ref = resolve(id, kind, source=source, tenant=tenant, path=path)
        if ref.source is _RESELLER and kind in KINDS_WITH_TENANT and not ref.tenant:
            message = "is not a global id, and no reseller is configured to which it could belong"
            raise BadUserInput.at(path, message, Rule.FORMAT, format="globalId")
        return ref

    async def get_role(self, id: str, *, loaders: Loaders | None = None) -> Role | None:
        """Return one role, or None if there is none."""
        ref = resolve(id, _ROLE, default=_ACCOUNT)
        role: Role | None = await self.get(ref, loaders=loaders)
        return role

    async def get_department(self, id: str, *, loaders: Loaders | None = None) -> Department | None:
        """Return one department, or None if there is none."""
        ref = resolve(id, _DEPARTMENT, default=_ACCOUNT)
        department: Department | None = await self.get(ref, loaders=loaders)
        return department

    async def list_users(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        first: int = 50,
        after: str | None = None,
        loaders: Loaders | None = None,
    ) -> MergedPage:
        """Return a page of the users of all sources, newest first.

        `filter` may have `sources`, `search`, `email`, `role_type`, `include_removed` and `reseller_id`. Without
        `sources`, all sources are listed that the principal may read.
        """
        principal = self._principal
        query, requested = parse_filter(filter or {})
        for source in requested or ():
            principal.require(_READ, source)
        if query.role_type is not None:  # only users of the account source have one
            principal.require(_READ, _ACCOUNT)
        readable = principal.readable(UserSource)
        check_first(first)
        check_after(after)
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(_USER)
        with acting_as(principal):
            page = await self._merge.page(
                query,
                needs,
                first=first,
                after=after,
                requested=requested,
                readable=readable,
                principal=principal.identity,
            )
        if len(page.nodes) > _FEW_USERS:
            await self._long_steps.wait(principal.identity)
        return page

    async def find_person(self, email: str, *, loaders: Loaders | None = None) -> FoundPerson:
        """Return all users with an e-mail address, whatever its case, of the sources that the principal may read."""
        readable = self._principal.readable(UserSource)
        check_length("email", email)
        if not email or not email.strip():
            raise BadUserInput.at(("email",), "must not be empty", Rule.MIN_LENGTH, min=1)
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(_USER)
        with acting_as(self._principal):
            sources = [source for source in self._sources if source.name in readable]
            return await find_person(self._reads, sources, email, needs)

    async def list_roles(
        self, *, first: int = 50, after: str | None = None, search: str | None = None, loaders: Loaders | None = None
    ) -> DirectoryPage[Role]:
        """Return a page of the roles of the account source, newest first."""
        return await self._directory_page(_ROLE, first, after, search, loaders)

    async def list_departments(
        self, *, first: int = 50, after: str | None = None, search: str | None = None, loaders: Loaders | None = None
    ) -> DirectoryPage[Department]:
        """Return a page of the departments of the account source, newest first."""
        return await self._directory_page(_DEPARTMENT, first, after, search, loaders)

    async def create_account_user(
        self,
        change: CreateAccountUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Create a user of the account; if the person already has a user there, it is linked or restored."""
        self._principal.require(_WRITE, _ACCOUNT)
        parsed = parse_change(CreateAccountUser, change)
        return await self._execute("createAccountUser", parsed, None, idempotency_key, on_replay)

    async def update_account_user(
        self,
        id: str,
        change: UpdateAccountUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Update a user of the account; null clears the role and the department."""
        self._principal.require(_WRITE, _ACCOUNT)
        ref = resolve(id, _USER, source=_ACCOUNT)
        parsed = parse_change(UpdateAccountUser, change)
        return await self._execute("updateAccountUser", parsed, ref, idempotency_key, on_replay)

    async def update_software_one_user(
        self,
        id: str,
        change: UpdateSoftwareOneUser | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
        loaders: Loaders | None = None,
    ) -> User:
        """Update a user of SoftwareOne; null is sent as null.

        What SoftwareOne leaves out of its response is read once, as far as the plan of `loaders` needs it.
        """
        self._principal.require(_WRITE, _SOFTWAREONE)
        ref = resolve(id, _USER, source=_SOFTWAREONE)
        parsed = parse_change(UpdateSoftwareOneUser, change)
        check_icon_in(parsed, self._sources.named(_SOFTWAREONE))
        updated = await self._execute("updateSoftwareOneUser", parsed, ref, idempotency_key, on_replay)
        completed = self.complete(updated, loaders=loaders)
        return completed if isinstance(completed, User) else await completed

    async def update_reseller_user(
        self,
        id: str,
        change: UpdateResellerUser | Mapping[str, Any],
        *,
        reseller_id: str | None = None,
        idempotency_key: str | None = None,
        on_replay: Callable[[], None] | None = None,
    ) -> User:
        """Update a user of a reseller: of `reseller_id`, else of the global id, else of the configured one."""
        self._principal.require(_WRITE, _RESELLER)
        source = self._sources.named(_RESELLER)
        if reseller_id is not None and not can_exist(reseller_id):  # it becomes a part of the path of a URL
            raise BadUserInput.at(("reseller_id",), "is not a valid source id", Rule.FORMAT, format="id")
        ref = resolve(id, _USER, source=_RESELLER, tenant=reseller_id or source.tenant)
        if not ref.tenant:
            message = "is required: the id is not global and no reseller is configured"
            raise BadUserInput.at(("reseller_id",), message, Rule.REQUIRED)
        if reseller_id is not None and ref.tenant != reseller_id:
            raise BadUserInput.at(("reseller_id",), "differs from the reseller in the id", Rule.MISMATCH)
        parsed = parse_change(UpdateResellerUser, change)
        return await self._execute("updateResellerUser", parsed, ref, idempotency_key, on_replay)

    def complete(self, user: User, *, loaders: Loaders | None = None) -> User | Awaitable[User]:
        """Return the user after a change, or an awaitable that reads what its source left out of the response.

        See `CompletingSource.complete`.
        """
        source = next((source for source in self._sources if source.name is user.source), None)
        if not isinstance(source, CompletingSource):
            return user
        missing = source.missing(user, (loaders or self.loaders(EVERYTHING)).plan.of(_USER))
        return self._read_missing(source, user, missing) if missing else user

    async def drain(self) -> None:
        """Wait for the changes under way, also those whose callers have gone away, and drop what is kept."""
        await self._reads.aclose()
        await self._mutations.drain()
        self._prefetched.clear()

    async def _read_missing(self, source: CompletingSource, user: User, missing: frozenset[str]) -> User:
        with acting_as(self._principal):
            return await self._reads.kept_users.complete(source, user, missing)

    def _execute(
        self, name: str, change: Change, target: Ref | None, key: str | None, on_replay: Callable[[], None] | None
    ) -> Coroutine[Any, Any, User]:
        principal = self._principal
        # By name where there is one: a caller may forward as many credentials as it likes.
        caller = principal.name or principal.identity
        command = Command(name, change, target, key or None, on_replay, principal.identity, caller)
        return self._mutations.execute(command, principal)

    async def _directory_page(
        self, kind: Kind, first: int, after: str | None, search: str | None, loaders: Loaders | None
    ) -> DirectoryPage[Any]:
        self._principal.require(_READ, _ACCOUNT)
        check_first(first)
        check_after(after)
        check_length("search", search)
        note_unkept(_ACCOUNT)
        needs = (loaders or self.loaders(EVERYTHING)).plan.of(kind)
        directory = self._sources.named(_ACCOUNT).directories[kind]
        scope = f"{kind}:{search or ''}"
        position = None if after is None else DirectoryPosition(*self._cursors.read(scope, after))
        with acting_as(self._principal):
            page = await read_directory_page(directory, needs, first=first, after=position, search=search)
        return page.to_page(lambda position: self._cursors.write(scope, astuple(position)))
