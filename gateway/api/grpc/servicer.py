"""The methods of the gRPC service: each reads its request, calls `UserService`, and builds the response."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from gateway.api.grpc.calls import Call
from gateway.api.grpc.changes import change_of
from gateway.api.grpc.enums import ROLE_TYPES, SOURCES, sources_of
from gateway.api.grpc.messages import Messages, source_error
from gateway.api.grpc.paging import page_of
from gateway.api.grpc.read_mask import read_plan_of_department, read_plan_of_role, read_plan_of_user
from gateway.errors import NotFound
from gateway.users.filling import Filler
from gateway.users.ids import Kind
from gateway.users.loaders import Loaders
from gateway.users.model import User
from gateway.users.read_plan import ReadPlan
from gateway.users.service import UserService
from usergateway.v1 import users_pb2

__all__ = ["Respond", "UserServicer"]

Respond = Callable[[Any, Call], Awaitable[Any]]
"""Executes a unary method: from a request message, and its call, to the response message."""

Resource = TypeVar("Resource", users_pb2.User, users_pb2.Role, users_pb2.Department)


class UserServicer:
    """Executes all methods except WatchUsers, with the service and loaders that GraphQL uses too."""

    def __init__(self, service: UserService, messages: Messages) -> None:
        self._service = service
        self._messages = messages

    def method(self, name: str) -> Respond:
        """Return the function of a method by its name in the .proto, e.g. `GetUser`."""
        function: Respond = getattr(self, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        return function

    async def get_user(self, request: users_pb2.GetUserRequest, call: Call) -> users_pb2.User:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_user(request.view, request.read_mask)
        source = SOURCES.value(request.source, ("source",))
        loaders = call.track(service.loaders(read_plan.plan_of_one))
        found = service.read(service.ref(Kind.USER, request.id, source), loaders=loaders)
        user = found if found is None or isinstance(found, User) else await found
        if user is None or read_plan.lookups.fields:
            return await self._resource(users_pb2.User, user, read_plan, loaders, call)
        message: users_pb2.User = self._messages.of(user, read_plan.only)
        return message

    async def list_users(self, request: users_pb2.ListUsersRequest, call: Call) -> users_pb2.ListUsersResponse:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_user(request.view, request.read_mask)
        first, after = page_of(request)
        loaders = call.track(service.loaders(read_plan.plan))
        page = await service.list_users(_filter(request.filter), first=first, after=after, loaders=loaders)
        call.report_missing(page.unavailable)
        filler = Filler(loaders)
        users = await filler.fill(page.nodes, read_plan.lookups, "users")
        return users_pb2.ListUsersResponse(
            users=[self._messages.of(user, read_plan.only) for user in users],
            next_page_token=_next_page_token(page),
            unavailable=[source_error(source) for source in page.unavailable],
            partial_errors=call.partial_errors(filler.failures),
        )

    async def find_person(self, request: users_pb2.FindPersonRequest, call: Call) -> users_pb2.Person:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_user(request.view, request.read_mask)
        loaders = call.track(service.loaders(read_plan.plan))
        person = await service.find_person(request.email, loaders=loaders)
        call.report_missing(person.unavailable)
        filler = Filler(loaders)
        users = await filler.fill(tuple(person.users), read_plan.lookups, "users")
        return users_pb2.Person(
            email=person.email,
            users=[self._messages.of(user, read_plan.only) for user in users],
            unavailable=[source_error(source) for source in person.unavailable],
            partial_errors=call.partial_errors(filler.failures),
        )

    async def create_account_user(self, request: users_pb2.CreateAccountUserRequest, call: Call) -> users_pb2.User:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_user(request.view, request.read_mask)  # first: if it is not valid, nothing is changed
        created = await service.create_account_user(
            change_of(request.user), idempotency_key=request.request_id or None, on_replay=call.mark_replayed
        )
        return await self._resource(
            users_pb2.User, created, read_plan, call.track(service.loaders(read_plan.plan)), call
        )

    async def update_account_user(self, request: users_pb2.UpdateAccountUserRequest, call: Call) -> users_pb2.User:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_user(request.view, request.read_mask)
        changed = await service.update_account_user(
            request.id,
            change_of(request.user, request.update_mask.paths),
            idempotency_key=request.request_id or None,
            on_replay=call.mark_replayed,
        )
        return await self._resource(
            users_pb2.User, changed, read_plan, call.track(service.loaders(read_plan.plan)), call
        )

    async def update_software_one_user(
        self, request: users_pb2.UpdateSoftwareOneUserRequest, call: Call
    ) -> users_pb2.User:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_user(request.view, request.read_mask)
        loaders = call.track(service.loaders(read_plan.plan))
        changed = await service.update_software_one_user(
            request.id,
            change_of(request.user, request.update_mask.paths),
            idempotency_key=request.request_id or None,
            on_replay=call.mark_replayed,
            loaders=loaders,
        )
        return await self._resource(users_pb2.User, changed, read_plan, loaders, call)

    async def update_reseller_user(self, request: users_pb2.UpdateResellerUserRequest, call: Call) -> users_pb2.User:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_user(request.view, request.read_mask)
        changed = await service.update_reseller_user(
            request.id,
            change_of(request.user, request.update_mask.paths),
            reseller_id=_given(request, "reseller_id"),
            idempotency_key=request.request_id or None,
            on_replay=call.mark_replayed,
        )
        return await self._resource(
            users_pb2.User, changed, read_plan, call.track(service.loaders(read_plan.plan)), call
        )

    async def get_role(self, request: users_pb2.GetRoleRequest, call: Call) -> users_pb2.Role:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_role(request.read_mask)
        loaders = call.track(service.loaders(read_plan.plan))
        found = await service.get_role(request.id, loaders=loaders)
        return await self._resource(users_pb2.Role, found, read_plan, loaders, call)

    async def list_roles(self, request: users_pb2.ListRolesRequest, call: Call) -> users_pb2.ListRolesResponse:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_role(request.read_mask)
        first, after = page_of(request)
        loaders = call.track(service.loaders(read_plan.plan))
        page = await service.list_roles(first=first, after=after, search=_given(request, "search"), loaders=loaders)
        filler = Filler(loaders)
        roles = await filler.fill(page.nodes, read_plan.lookups, "roles")
        return users_pb2.ListRolesResponse(
            roles=[self._messages.of(role, read_plan.only) for role in roles],
            next_page_token=_next_page_token(page),
            partial_errors=call.partial_errors(filler.failures),
        )

    async def get_department(self, request: users_pb2.GetDepartmentRequest, call: Call) -> users_pb2.Department:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_department(request.read_mask)
        loaders = call.track(service.loaders(read_plan.plan))
        found = await service.get_department(request.id, loaders=loaders)
        return await self._resource(users_pb2.Department, found, read_plan, loaders, call)

    async def list_departments(
        self, request: users_pb2.ListDepartmentsRequest, call: Call
    ) -> users_pb2.ListDepartmentsResponse:
        service = self._service.by(call.principal)
        read_plan = read_plan_of_department(request.read_mask)
        first, after = page_of(request)
        loaders = call.track(service.loaders(read_plan.plan))
        page = await service.list_departments(
            first=first, after=after, search=_given(request, "search"), loaders=loaders
        )
        filler = Filler(loaders)
        departments = await filler.fill(page.nodes, read_plan.lookups, "departments")
        return users_pb2.ListDepartmentsResponse(
            departments=[self._messages.of(department, read_plan.only) for department in departments],
            next_page_token=_next_page_token(page),
            partial_errors=call.partial_errors(filler.failures),
        )

    async def _resource(
        self, kind: type[Resource], record: Any, read_plan: ReadPlan, loaders: Loaders, call: Call
    ) -> Resource:
        """Return the message of a record, its lookups done; failed ones are in a trailer: the message has no room.

        Raises:
            NotFound: the record is None.
        """
        if record is None:
            raise NotFound(f"This {kind.DESCRIPTOR.name.lower()} does not exist.")
        if read_plan.lookups.fields:
            filler = Filler(loaders)
            record = await filler.fill(record, read_plan.lookups)
            call.add_partial_errors(filler.failures)
        message: Resource = self._messages.of(record, read_plan.only)
        return message


def _next_page_token(page: Any) -> str:
    return (page.end_cursor or "") if page.has_next_page else ""


def _filter(given: users_pb2.UserFilter) -> Mapping[str, Any] | None:
    texts = {name: _given(given, name) for name in ("search", "email", "reseller_id")}
    criteria = {name: value for name, value in texts.items() if value is not None}
    if given.sources:
        criteria["sources"] = sources_of(given.sources, ("filter", "sources"))
    if given.role_type:
        criteria["role_type"] = ROLE_TYPES.value(given.role_type, ("filter", "role_type"))
    if given.include_removed:
        criteria["include_removed"] = True
    return criteria or None


def _given(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None
