"""The typed service for programs that embed the gateway: `gateway.users`."""

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Self

from gateway.api.python.events import watch_users
from gateway.api.python.freshness import FreshnessOptions
from gateway.api.python.operations import PythonSurface, read_plan_for, running
from gateway.api.python.pages import DepartmentPage, RolePage, UserPage
from gateway.api.python.walking import UserWalk
from gateway.events.log import UserEvent
from gateway.principal import ANYONE, Principal
from gateway.users.changes import CreateAccountUser, UpdateAccountUser, UpdateResellerUser, UpdateSoftwareOneUser
from gateway.users.fields import (
    CreateAccountUserFields,
    UpdateAccountUserFields,
    UpdateResellerUserFields,
    UpdateSoftwareOneUserFields,
    UserFilter,
)
from gateway.users.kept.stale_data import StaleData
from gateway.users.model import Department, Role, User, UserSource
from gateway.users.person import Person
from gateway.users.read_plan import View
from gateway.users.validation import member_of

__all__ = ["Users", "build_users"]


class Users:
    """Reads, creates, changes and watches the users of all sources.

    - An `id` is a global id, or a source id where the source is known.
    - `view` and `fields` state what is loaded of a user: a view, or dotted paths such as `"department.location.name"`.
      Reading a field that was not loaded raises `FieldNotLoaded`, or the error of its lookup if that failed; it is
      never None. Of roles and departments, all fields are loaded by default.
    - A change is a model of `gateway.changes`, or a mapping of its fields; an absent field stays unchanged. With an
      `idempotency_key`, a repeated call returns the result of the first one.
    - Reads may be answered by what is kept of the sources, within its lifetime (docs/freshness.md). `max_age` accepts
      only what was read at most that many seconds ago; with 0, the sources are called. `max_stale` also accepts what
      is that many seconds past its lifetime. With `only_if_cached` no source is called: what is not kept raises
      `SourceUnavailable`. `on_stale` is called for each record and each list that was given past its lifetime, also
      because its source failed.
    - `timeout` is in seconds, for everything that the call does; None means the setting `request_timeout`.
    - It acts for the embedding program, which may do everything; `by` returns it for a principal, whose scopes are
      checked.
    - All errors are of `gateway.errors`. The paths of violations begin with the name of an argument, such as
      `("filter", "email")`; those of a change with the name of its field: `("email",)`.
    """

    _surface: PythonSurface
    _principal: Principal = ANYONE

    def by(self, principal: Principal) -> Self:
        """Return the same service for a principal. Cheap enough to call for every request."""
        bound = copy.copy(self)
        bound._principal = principal  # noqa: SLF001 - an object of this class
        return bound

    async def get_user(
        self,
        id: str,
        source: UserSource | None = None,
        *,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline for calls to sources, not a cancellation
    ) -> User | None:
        """Return one user, or None if there is none."""
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached, on_stale)
        with running(self._surface, "get_user", self._principal, timeout, freshness) as method:
            read_plan = read_plan_for("User", view, fields)
            loaders = method.loaders(read_plan.plan_of_one)
            known = None if source is None else member_of(UserSource, source, "source")
            found = await method.service.get_user(id, known, loaders=loaders)
            return await method.load_one(found, read_plan, loaders)

    async def list_users(
        self,
        filter: UserFilter | None = None,
        *,
        first: int = 50,
        after: str | None = None,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> UserPage:
        """Return a page of the users of all sources, newest first: at most 200 users, after a cursor.

        Without `sources` in the filter, all sources are listed that the principal may read.
        """
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached, on_stale)
        with running(self._surface, "list_users", self._principal, timeout, freshness) as method:
            read_plan = read_plan_for("User", view, fields)
            loaders = method.loaders(read_plan.plan)
            page = await method.service.list_users(filter, first=first, after=after, loaders=loaders)
            for source in page.unavailable:
                method.report.add_failure(source)
            users = await method.load(page.nodes, read_plan, loaders)
            return UserPage(users, page.has_next_page, page.end_cursor, page.unavailable)

    def iterate(
        self,
        filter: UserFilter | None = None,
        *,
        page_size: int = 100,
        limit: int | None = None,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[User]:
        """Iterate over the users of all sources, newest first, or over at most `limit` of them.

        Pages are read when they are needed, each within `timeout`; nothing is held between them, so the loop may be
        left at any time. If a source fails, its error is raised after the users of the other sources in that page:
        what follows would be incomplete. `list_users` continues without that source.
        """
        return UserWalk(
            self,
            filter,
            page_size=page_size,
            limit=limit,
            view=view,
            fields=fields,
            timeout=timeout,
            freshness=FreshnessOptions(max_age, max_stale, only_if_cached, on_stale),
        )

    async def find_person(
        self,
        email: str,
        *,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Person:
        """Return all users with an e-mail address, whatever its case, of the sources that the principal may read."""
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached, on_stale)
        with running(self._surface, "find_person", self._principal, timeout, freshness) as method:
            read_plan = read_plan_for("User", view, fields)
            loaders = method.loaders(read_plan.plan)
            person = await method.service.find_person(email, loaders=loaders)
            for source in person.unavailable:
                method.report.add_failure(source)
            return Person(person.email, await method.load(person.users, read_plan, loaders), person.unavailable)

    async def get_role(
        self,
        id: str,
        *,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Role | None:
        """Return one role, or None if there is none."""
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached, on_stale)
        with running(self._surface, "get_role", self._principal, timeout, freshness) as method:
            read_plan = read_plan_for("Role", View.FULL, fields)
            loaders = method.loaders(read_plan.plan)
            return await method.load_one(await method.service.get_role(id, loaders=loaders), read_plan, loaders)

    async def list_roles(
        self,
        *,
        first: int = 50,
        after: str | None = None,
        search: str | None = None,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> RolePage:
        """Return a page of the roles of the account source, newest first: at most 200 roles, after a cursor."""
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached, on_stale)
        with running(self._surface, "list_roles", self._principal, timeout, freshness) as method:
            read_plan = read_plan_for("Role", View.FULL, fields)
            loaders = method.loaders(read_plan.plan)
            page = await method.service.list_roles(first=first, after=after, search=search, loaders=loaders)
            roles = await method.load(page.nodes, read_plan, loaders)
            return RolePage(roles, page.has_next_page, page.end_cursor)

    async def get_department(
        self,
        id: str,
        *,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Department | None:
        """Return one department, or None if there is none."""
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached, on_stale)
        with running(self._surface, "get_department", self._principal, timeout, freshness) as method:
            read_plan = read_plan_for("Department", View.FULL, fields)
            loaders = method.loaders(read_plan.plan)
            found = await method.service.get_department(id, loaders=loaders)
            return await method.load_one(found, read_plan, loaders)

    async def list_departments(
        self,
        *,
        first: int = 50,
        after: str | None = None,
        search: str | None = None,
        fields: Sequence[str] = (),
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
        on_stale: Callable[[StaleData], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> DepartmentPage:
        """Return a page of the departments of the account source, newest first: at most 200, after a cursor."""
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached, on_stale)
        with running(self._surface, "list_departments", self._principal, timeout, freshness) as method:
            read_plan = read_plan_for("Department", View.FULL, fields)
            loaders = method.loaders(read_plan.plan)
            page = await method.service.list_departments(first=first, after=after, search=search, loaders=loaders)
            departments = await method.load(page.nodes, read_plan, loaders)
            return DepartmentPage(departments, page.has_next_page, page.end_cursor)

    async def create_account_user(
        self,
        change: CreateAccountUser | CreateAccountUserFields,
        *,
        idempotency_key: str | None = None,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> User:
        """Create a user of the account; if the person already has a user there, it is linked or restored."""
        with running(self._surface, "create_account_user", self._principal, timeout) as method:
            read_plan = read_plan_for("User", view, fields)  # before the change, which must not follow if it is wrong
            created = await method.service.create_account_user(change, idempotency_key=idempotency_key)
            return (await method.load([created], read_plan, method.loaders(read_plan.plan)))[0]

    async def update_account_user(
        self,
        id: str,
        change: UpdateAccountUser | UpdateAccountUserFields,
        *,
        idempotency_key: str | None = None,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> User:
        """Change a user of the account; null clears the role and the department."""
        with running(self._surface, "update_account_user", self._principal, timeout) as method:
            read_plan = read_plan_for("User", view, fields)
            updated = await method.service.update_account_user(id, change, idempotency_key=idempotency_key)
            return (await method.load([updated], read_plan, method.loaders(read_plan.plan)))[0]

    async def update_software_one_user(
        self,
        id: str,
        change: UpdateSoftwareOneUser | UpdateSoftwareOneUserFields,
        *,
        idempotency_key: str | None = None,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> User:
        """Change a user of SoftwareOne; null is sent as null. What its response leaves out is read once."""
        with running(self._surface, "update_software_one_user", self._principal, timeout) as method:
            read_plan = read_plan_for("User", view, fields)
            loaders = method.loaders(read_plan.plan)
            updated = await method.service.update_software_one_user(
                id, change, idempotency_key=idempotency_key, loaders=loaders
            )
            return (await method.load([updated], read_plan, loaders))[0]

    async def update_reseller_user(
        self,
        id: str,
        change: UpdateResellerUser | UpdateResellerUserFields,
        *,
        reseller_id: str | None = None,
        idempotency_key: str | None = None,
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> User:
        """Change a user of a reseller: of `reseller_id`, else of the global id, else of the configured one."""
        with running(self._surface, "update_reseller_user", self._principal, timeout) as method:
            read_plan = read_plan_for("User", view, fields)
            updated = await method.service.update_reseller_user(
                id, change, reseller_id=reseller_id, idempotency_key=idempotency_key
            )
            return (await method.load([updated], read_plan, method.loaders(read_plan.plan)))[0]

    def subscribe(
        self,
        *,
        ids: Sequence[str] = (),
        sources: Sequence[UserSource] = (),
        view: View = View.BASIC,
        fields: Sequence[str] = (),
        resume_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[UserEvent]:
        """Iterate over the changes of users from now on: those made here, and those that the sources report.

        `ids` are those of the users to watch, else all; source ids require exactly one source. `resume_token` is the
        `id` of an event: the iteration begins after it. `timeout` is that of the lookups for one event. The
        subscription begins with the first step, and ends when the loop is left or the gateway is drained or closed.

        Raises, at a step:
            RateLimited: events were not read fast enough; continue with the `id` of the last one.
            NotFound: some events after the resume token are not stored any more.
            Unauthenticated: the principal has expired or was revoked.
        """
        return watch_users(
            self._surface,
            self._principal,
            ids=ids,
            sources=sources,
            view=view,
            fields=fields,
            resume_token=resume_token,
            timeout=timeout,
        )


def build_users(surface: PythonSurface) -> Users:
    """Build the typed service of a gateway. Its class has no constructor, which would be a part of the public API."""
    users = Users()
    users._surface = surface  # noqa: SLF001 - of this module
    return users
