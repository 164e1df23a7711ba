"""What every list and every record shares: `Node` and `PageInfo`."""

from typing import Any

import strawberry

from gateway.api.graphql.schema.fields import computed, global_id

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

    def of(listed: Any) -> PageInfo:
        return PageInfo(has_next_page=listed.has_next_page, has_previous_page=listed.has_previous_page)

    return computed(of, PageInfo, "Whether the source has more than it sent.")
