"""Lists of the API: Relay connections, and one person's records."""

from dataclasses import dataclass
from typing import Any

import strawberry

from gateway.api.graphql.schema.departments import DepartmentObject
from gateway.api.graphql.schema.fields import attribute
from gateway.api.graphql.schema.nodes import PageInfoObject
from gateway.api.graphql.schema.roles import RoleObject
from gateway.api.graphql.schema.scalars import RoleType, UserSource
from gateway.api.graphql.schema.users import UserObject

__all__ = [
    "Connection",
    "DepartmentConnectionObject",
    "PersonObject",
    "RoleConnectionObject",
    "UserConnectionObject",
    "UserFilter",
]


@dataclass(frozen=True, slots=True)
class Connection:
    """A page of the service, and whether it is not the first one."""

    page: Any
    has_previous_page: bool

    @property
    def edges(self) -> Any:
        return self.page.edges

    @property
    def nodes(self) -> Any:
        return [edge.node for edge in self.page.edges]

    @property
    def unavailable(self) -> Any:
        return self.page.unavailable

    @property
    def page_info(self) -> PageInfoObject:
        edges = self.page.edges
        return PageInfoObject(
            has_next_page=self.page.has_next_page,
            has_previous_page=self.has_previous_page,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=self.page.end_cursor,
        )


@strawberry.type(name="SourceError", description="A system that could not be asked: its records are missing here.")
class SourceErrorObject:
    source: UserSource
    code: str
    message: str
    retry_after: float | None = attribute("Seconds until asking again may help.")


@strawberry.type(name="UserEdge")
class UserEdgeObject:
    node: UserObject
    cursor: str


@strawberry.type(name="UserConnection", description="Users of all systems, newest first.")
class UserConnectionObject:
    edges: list[UserEdgeObject]
    nodes: list[UserObject]
    page_info: PageInfoObject
    unavailable: list[SourceErrorObject] = attribute(
        "Systems that are missing on this page. The cursor lets a later page go on with them: nothing is lost."
    )


@strawberry.type(name="RoleEdge")
class RoleEdgeObject:
    node: RoleObject
    cursor: str


@strawberry.type(name="RoleConnection", description="Roles of the account system, newest first.")
class RoleConnectionObject:
    edges: list[RoleEdgeObject]
    nodes: list[RoleObject]
    page_info: PageInfoObject


@strawberry.type(name="DepartmentEdge")
class DepartmentEdgeObject:
    node: DepartmentObject
    cursor: str


@strawberry.type(name="DepartmentConnection", description="Departments of the account system, newest first.")
class DepartmentConnectionObject:
    edges: list[DepartmentEdgeObject]
    nodes: list[DepartmentObject]
    page_info: PageInfoObject


@strawberry.type(name="Person", description="One human: the records that share an e-mail address, over every system.")
class PersonObject:
    email: str
    users: list[UserObject]
    unavailable: list[SourceErrorObject] = attribute("Systems that could not be asked; never silently left out.")


@strawberry.input(description="What narrows a list of users.")
class UserFilter:
    sources: list[UserSource] | None = strawberry.field(
        default=None, description="The systems to list; by default every one that is configured."
    )
    search: str | None = strawberry.field(default=None, description="Part of a name or an e-mail address.")
    email: str | None = strawberry.field(default=None, description="Exactly this address, in any case.")
    role_type: RoleType | None = strawberry.field(default=None, description="account only: narrows the list to it.")
    include_removed: bool | None = False
    reseller_id: strawberry.ID | None = strawberry.field(
        default=None, description="By default the configured reseller."
    )
