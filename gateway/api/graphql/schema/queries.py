"""The root of queries: what is fetched by id. The service does the rest."""

import asyncio
from typing import Annotated, Any

import strawberry

from gateway.api.graphql.limits.directives import Cost, ListSize
from gateway.api.graphql.schema.connections import (
    Connection,
    DepartmentConnectionObject,
    PersonObject,
    RoleConnectionObject,
    UserConnectionObject,
    UserFilter,
)
from gateway.api.graphql.schema.departments import DepartmentObject
from gateway.api.graphql.schema.fields import Info
from gateway.api.graphql.schema.inputs import given
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.roles import RoleObject
from gateway.api.graphql.schema.scalars import UserSource
from gateway.api.graphql.schema.users import UserObject
from gateway.errors import BadUserInput
from gateway.users.ids import decode

__all__ = ["QueryObject"]

_MOST_NODES = 100
_CALL = Cost(weight="10")
_CALLS = Cost(weight="30")  # one a system
_PAGE = ListSize(
    assumed_size=50,
    slicing_arguments=["first"],
    sized_fields=["edges", "nodes"],
    require_one_slicing_argument=False,
)
_BY_ID = ListSize(slicing_arguments=["ids"])


@strawberry.type(name="Query")
class QueryObject:
    @strawberry.field(description="Any record by its global id; null where there is none.", directives=[_CALL])
    async def node(self, info: Info, id: strawberry.ID) -> NodeInterface | None:
        return await _node(info, id)

    @strawberry.field(
        description="Records by their global ids, in that order; null where there is none.", directives=[_BY_ID]
    )
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(directives=[_CALL])]
    ) -> list[NodeInterface | None]:
        if len(ids) > _MOST_NODES:
            message = f"may name {_MOST_NODES} records at most"
            raise BadUserInput.at(("ids",), message)
        # An exception in the list fails its own item alone.
        found: Any = await asyncio.gather(*(_node(info, one) for one in ids), return_exceptions=True)
        return found

    @strawberry.field(
        description=(
            "A user by global id, or by a source and the id that the source uses; null where there is none. "
            "One call to the source, role and department included."
        ),
        directives=[_CALL],
    )
    async def user(self, info: Info, id: strawberry.ID, source: UserSource | None = None) -> UserObject | None:
        found: Any = await info.context.service.get_user(id, source, loaders=info.context.loaders)
        return found

    @strawberry.field(
        description="A role by global id, or by the account system's own id; null where there is none.",
        directives=[_CALL],
    )
    async def role(self, info: Info, id: strawberry.ID) -> RoleObject | None:
        found: Any = await info.context.service.get_role(id, loaders=info.context.loaders)
        return found

    @strawberry.field(
        description="A department by global id, or by the account system's own id; null where there is none.",
        directives=[_CALL],
    )
    async def department(self, info: Info, id: strawberry.ID) -> DepartmentObject | None:
        found: Any = await info.context.service.get_department(id, loaders=info.context.loaders)
        return found

    @strawberry.field(
        description=(
            "Newest first over all systems: one cursor, however many systems are behind it. A system that cannot be "
            "asked is named in `unavailable`, and the cursor lets a later page go on with it."
        ),
        directives=[_CALLS, _PAGE],
    )
    async def users(
        self, info: Info, first: int | None = 50, after: str | None = None, filter: UserFilter | None = None
    ) -> UserConnectionObject:
        page = await info.context.service.list_users(
            given(filter), first=_first(first), after=after, loaders=info.context.loaders
        )
        return _connection(page, after)

    @strawberry.field(
        description="Every record of one human, by e-mail address in any case: one call a system.", directives=[_CALLS]
    )
    async def person(self, info: Info, email: str) -> PersonObject:
        found: Any = await info.context.service.find_person(email, loaders=info.context.loaders)
        return found

    @strawberry.field(description="Roles of the account system, newest first.", directives=[_CALL, _PAGE])
    async def roles(
        self, info: Info, first: int | None = 50, after: str | None = None, search: str | None = None
    ) -> RoleConnectionObject:
        page = await info.context.service.list_roles(
            first=_first(first), after=after, search=search, loaders=info.context.loaders
        )
        return _connection(page, after)

    @strawberry.field(description="Departments of the account system, newest first.", directives=[_CALL, _PAGE])
    async def departments(
        self, info: Info, first: int | None = 50, after: str | None = None, search: str | None = None
    ) -> DepartmentConnectionObject:
        page = await info.context.service.list_departments(
            first=_first(first), after=after, search=search, loaders=info.context.loaders
        )
        return _connection(page, after)


def _first(given_first: int | None) -> int:
    return 50 if given_first is None else given_first


def _connection(page: Any, after: str | None) -> Any:
    return Connection(page, has_previous_page=after is not None)


async def _node(info: Info, id: str) -> Any:
    ref = decode(id)
    return None if ref is None else await info.context.service.get(ref, loaders=info.context.loaders)
