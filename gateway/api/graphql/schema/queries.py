"""The root of queries. The resolvers convert arguments; `UserService` does the rest."""

import asyncio
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Annotated, Any

import strawberry
from graphql.pyutils import Path

from gateway.api.graphql.limits.directives import Cost, ListSize
from gateway.api.graphql.schema.connections import (
    DepartmentConnectionObject,
    PageConnection,
    PersonObject,
    RoleConnectionObject,
    UserConnectionObject,
    UserFilterInput,
)
from gateway.api.graphql.schema.departments import DepartmentObject
from gateway.api.graphql.schema.directives import SemanticNonNull
from gateway.api.graphql.schema.fields import Info
from gateway.api.graphql.schema.inputs import to_plain
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.roles import RoleObject
from gateway.api.graphql.schema.scalars import UserSource
from gateway.api.graphql.schema.users import UserObject
from gateway.errors import BadUserInput, Rule
from gateway.users.ids import Kind, Ref, decode, resolve

__all__ = ["QueryObject"]

_MAX_NODES = 100
_USER = Kind.USER  # CONTRIBUTING.md, "Speed"
_CALL = Cost(weight="10")
_CALLS = Cost(weight="30")  # one for each source
_PAGE = ListSize(
    assumed_size=50,
    slicing_arguments=["first"],
    sized_fields=["edges", "nodes"],
    require_one_slicing_argument=False,
)
_ONLY_WITH_ERROR = SemanticNonNull()
"""The field is nullable, so that its error leaves the other fields of the response as they are."""

_BY_ID = ListSize(slicing_arguments=["ids"])

_First = Annotated[int | None, strawberry.argument(description="How many records the page has at most: 0 to 200.")]
_After = Annotated[
    str | None,
    strawberry.argument(
        description="The page begins after this cursor, which must be of a page with the same search or filter."
    ),
]
_Filter = Annotated[
    UserFilterInput | None, strawberry.argument(description="Which users to list; by default all but removed ones.")
]
_Search = Annotated[str | None, strawberry.argument(description="Text to search for in the names.")]
_GlobalId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the record.")]
_Id = Annotated[strawberry.ID, strawberry.argument(description="The global id of the record, or its id in the source.")]


@strawberry.type(name="Query", description="What can be read: users, and the records that users refer to.")
class QueryObject:
    @strawberry.field(description="Get any record by its global id; null if there is none.", directives=[_CALL])
    def node(self, info: Info, id: _GlobalId) -> NodeInterface | None:
        return _node(info, id)

    @strawberry.field(
        description=(
            f"Get up to {_MAX_NODES} records by their global ids, in the order of the ids; null for each id that has "
            "no record."
        ),
        directives=[_BY_ID],
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(
                description=f"The global ids of the records, at most {_MAX_NODES}.", directives=[_CALL]
            ),
        ],
    ) -> list[NodeInterface | None]:
        if len(ids) > _MAX_NODES:
            raise BadUserInput.at(("ids",), f"must not have more than {_MAX_NODES} ids", Rule.MAX_ITEMS, max=_MAX_NODES)
        # An exception in the list becomes the error of one item only.
        calls = (_node_at(info, node_id, index) for index, node_id in enumerate(ids))
        found: Any = await asyncio.gather(*calls, return_exceptions=True)
        return found

    @strawberry.field(
        description=(
            "Get a user by its global id, or by its source and its id there; null if there is none. Takes one call to "
            "the source, which includes the role and the department."
        ),
        directives=[_CALL],
    )
    def user(
        self,
        info: Info,
        id: _Id,
        source: Annotated[
            UserSource | None, strawberry.argument(description="The source of the user. Not needed with a global id.")
        ] = None,
    ) -> UserObject | None:
        return _record(info, info.context.service.ref(_USER, id, source), info.path)

    @strawberry.field(description="Get a role of the `ACCOUNT` source; null if there is none.", directives=[_CALL])
    def role(self, info: Info, id: _Id) -> RoleObject | None:
        return _record(info, resolve(id, Kind.ROLE, default=UserSource.ACCOUNT), info.path)

    @strawberry.field(
        description="Get a department of the `ACCOUNT` source; null if there is none.", directives=[_CALL]
    )
    def department(self, info: Info, id: _Id) -> DepartmentObject | None:
        return _record(info, resolve(id, Kind.DEPARTMENT, default=UserSource.ACCOUNT), info.path)

    @strawberry.field(
        description=(
            "List users, the newest first over all sources. A source that is not available is listed in `unavailable`; "
            "later pages contain its users once it is available again."
        ),
        directives=[_CALLS, _PAGE, _ONLY_WITH_ERROR],
    )
    async def users(
        self, info: Info, first: _First = 50, after: _After = None, filter: _Filter = None
    ) -> UserConnectionObject | None:
        page = await info.context.service.list_users(
            to_plain(filter), first=_page_size(first), after=after, loaders=info.context.loaders
        )
        _report_missing(info, page)
        _mark_stale(info, page)
        return _connection(page, after)

    @strawberry.field(
        description="Get all user records that have one e-mail address. Takes one call to each source.",
        directives=[_CALLS, _ONLY_WITH_ERROR],
    )
    async def person(
        self,
        info: Info,
        email: Annotated[str, strawberry.argument(description="The e-mail address, whatever the case of its letters.")],
    ) -> PersonObject | None:
        found: Any = await info.context.service.find_person(email, loaders=info.context.loaders)
        _report_missing(info, found)
        _mark_stale(info, found)
        return found

    @strawberry.field(
        description="List the roles of the `ACCOUNT` source, newest first.", directives=[_CALL, _PAGE, _ONLY_WITH_ERROR]
    )
    async def roles(
        self, info: Info, first: _First = 50, after: _After = None, search: _Search = None
    ) -> RoleConnectionObject | None:
        page = await info.context.service.list_roles(
            first=_page_size(first), after=after, search=search, loaders=info.context.loaders
        )
        return _connection(page, after)

    @strawberry.field(
        description="List the departments of the `ACCOUNT` source, newest first.",
        directives=[_CALL, _PAGE, _ONLY_WITH_ERROR],
    )
    async def departments(
        self, info: Info, first: _First = 50, after: _After = None, search: _Search = None
    ) -> DepartmentConnectionObject | None:
        page = await info.context.service.list_departments(
            first=_page_size(first), after=after, search=search, loaders=info.context.loaders
        )
        return _connection(page, after)


def _page_size(first: int | None) -> int:
    return 50 if first is None else first


def _report_missing(info: Info, found: Any) -> None:
    """Report the sources that are missing from a result, which are no errors of the operation."""
    for unavailable in found.unavailable:
        info.context.incoming.report.add_failure(unavailable)


def _mark_stale(info: Info, found: Any) -> None:
    """Mark the lists of sources that a result contains although their lifetime had ended."""
    for read in found.stale:
        info.context.stale.mark_read(read, info.path)


def _connection(page: Any, after: str | None) -> Any:
    return PageConnection(page, has_previous_page=after is not None)


def _node(info: Info, id: str) -> Any:
    """Return the record of a global id, or an awaitable of it."""
    ref = decode(id)
    return None if ref is None else _record(info, ref, info.path)


async def _node_at(info: Info, id: str, index: int) -> Any:
    """Return the record for an item of a list."""
    ref = decode(id)
    if ref is None:
        return None
    found = _record(info, ref, info.path.add_key(index, None))
    return await found if isawaitable(found) else found


def _record(info: Info, ref: Ref, path: Path) -> Any:
    """Return the record at a position of the response, or an awaitable of it; it is marked if it is stale."""
    context = info.context
    loaders = context.loaders
    found = context.service.read(ref, loaders=loaders)
    return _marked(info, ref, path, found) if loaders.may_be_stale(ref) and isawaitable(found) else found


async def _marked(info: Info, ref: Ref, path: Path, reading: Awaitable[Any]) -> Any:
    found = await reading
    if info.context.stale.report.stale:
        info.context.stale.mark(ref, path)
    return found
