"""The lists of the API: Relay connections, and the user records of one person."""

from dataclasses import dataclass
from typing import Any

import strawberry

from gateway.api.graphql.schema.departments import DepartmentObject
from gateway.api.graphql.schema.fields import attribute
from gateway.api.graphql.schema.nodes import PageInfoObject
from gateway.api.graphql.schema.roles import RoleObject
from gateway.api.graphql.schema.scalars import DateTime, ErrorCode, RoleType, UserSource
from gateway.api.graphql.schema.users import UserObject

__all__ = [
    "DepartmentConnectionObject",
    "PageConnection",
    "PersonObject",
    "RoleConnectionObject",
    "UserConnectionObject",
    "UserFilterInput",
]


@dataclass(frozen=True, slots=True)
class PageConnection:
    """A page of the service as a Relay connection; `has_previous_page`: it is not the first page of a walk."""

    page: Any
    has_previous_page: bool

    @property
    def edges(self) -> Any:
        return self.page.edges

    @property
    def nodes(self) -> Any:
        return self.page.nodes

    @property
    def unavailable(self) -> Any:
        return self.page.unavailable

    @property
    def page_info(self) -> PageInfoObject:
        return PageInfoObject(
            has_next_page=self.page.has_next_page,
            has_previous_page=self.has_previous_page,
            start_cursor=self.page.start_cursor,
            end_cursor=self.page.end_cursor,
        )


@strawberry.type(
    name="SourceError",
    description="An error of a source. Its records are missing in this response, or are as they were at `asOf`.",
)
class SourceErrorObject:
    source: UserSource = attribute("The source that could not be read.")
    code: ErrorCode = attribute("The error code; the same codes as in `extensions.code` of `errors`.")
    message: str = attribute("What happened, in a sentence for developers and logs.")
    retry_after: float | None = attribute("The number of seconds after which a repeated request may succeed.")
    as_of: DateTime | None = attribute(
        "When the users of the source were read that this response has in spite of the error: they were kept, and are "
        "shown because the source failed. Null if its users are missing."
    )


@strawberry.type(name="UserEdge", description="A user in a list, and the position of the user there.")
class UserEdgeObject:
    node: UserObject = attribute("The user at this position.")
    cursor: str = attribute(
        "The position of this record: a list with it as the argument `after` begins behind the record."
    )


@strawberry.type(name="UserConnection", description="A page of the users of all sources, newest first.")
class UserConnectionObject:
    edges: list[UserEdgeObject] = attribute("The users of the page, each with its position.")
    nodes: list[UserObject] = attribute("The users of the page, without their positions.")
    page_info: PageInfoObject = attribute("Whether there are more pages, and the positions at which they begin.")
    unavailable: list[SourceErrorObject] = attribute(
        "The sources that could not be read. Later pages contain their users once they are available again; with "
        "`asOf`, this page contains them as they were then."
    )


@strawberry.type(name="RoleEdge", description="A role in a list, and the position of the role there.")
class RoleEdgeObject:
    node: RoleObject = attribute("The role at this position.")
    cursor: str = attribute(
        "The position of this record: a list with it as the argument `after` begins behind the record."
    )


@strawberry.type(name="RoleConnection", description="A page of the roles of the `ACCOUNT` source, newest first.")
class RoleConnectionObject:
    edges: list[RoleEdgeObject] = attribute("The roles of the page, each with its position.")
    nodes: list[RoleObject] = attribute("The roles of the page, without their positions.")
    page_info: PageInfoObject = attribute("Whether there are more pages, and the positions at which they begin.")


@strawberry.type(name="DepartmentEdge", description="A department in a list, and its position there.")
class DepartmentEdgeObject:
    node: DepartmentObject = attribute("The department at this position.")
    cursor: str = attribute(
        "The position of this record: a list with it as the argument `after` begins behind the record."
    )


@strawberry.type(
    name="DepartmentConnection", description="A page of the departments of the `ACCOUNT` source, newest first."
)
class DepartmentConnectionObject:
    edges: list[DepartmentEdgeObject] = attribute("The departments of the page, each with its position.")
    nodes: list[DepartmentObject] = attribute("The departments of the page, without their positions.")
    page_info: PageInfoObject = attribute("Whether there are more pages, and the positions at which they begin.")


@strawberry.type(name="Person", description="All user records that have one e-mail address, over all sources.")
class PersonObject:
    email: str = attribute("The e-mail address of the request, as the client spelled it.")
    users: list[UserObject] = attribute("The users with this e-mail address, of all sources.")
    unavailable: list[SourceErrorObject] = attribute(
        "The sources that could not be read. Their users are missing, or are as they were at the time `asOf`."
    )


@strawberry.input(name="UserFilter", description="Restricts a list of users. A user is listed if all conditions hold.")
class UserFilterInput:
    sources: list[UserSource] | None = strawberry.field(
        default=None,
        description="The sources to list. By default all that are configured and that the caller may read.",
    )
    search: str | None = strawberry.field(default=None, description="Text to search for in names and e-mail addresses.")
    email: str | None = strawberry.field(
        default=None,
        description=(
            "Exactly this e-mail address, whatever the case of its letters. A page may have fewer users than `first` "
            "although there are more, since a source may return users whose address only contains this one."
        ),
    )
    role_type: RoleType | None = strawberry.field(
        default=None, description="The type of the role of the users. Only users of the `ACCOUNT` source have one."
    )
    include_removed: bool | None = strawberry.field(
        default=False, description="Whether to list users with the status `REMOVED` too."
    )
    reseller_id: strawberry.ID | None = strawberry.field(
        default=None, description="The reseller whose users are listed; by default the configured one."
    )
