"""What every list and every record shares: `Node` and `PageInfo`."""

from typing import Any

import strawberry

from gateway.api.graphql.fields import global_id

__all__ = ["Node", "PageInfo", "lists"]


@strawberry.interface(description="A record that can be fetched again by its id alone.")
class Node:
    id: strawberry.ID = global_id()


@strawberry.type(description="Where a list stands.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None = None
    end_cursor: str | None = None


def lists() -> Any:
    """`pageInfo` of a list that arrived inside an object: whether there is more, and no cursor to get it by."""

    def resolve(root: strawberry.Parent[Any]) -> PageInfo:
        return PageInfo(has_next_page=root.has_next_page, has_previous_page=root.has_previous_page)

    return strawberry.field(resolver=resolve, description="Whether the source has more than it sent.")
