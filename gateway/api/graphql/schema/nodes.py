"""What every list and every record shares: `NodeInterface` and `PageInfoObject`."""

from typing import Any

import strawberry

from gateway.api.graphql.schema.fields import computed, global_id

__all__ = ["NodeInterface", "PageInfoObject", "lists"]


@strawberry.interface(name="Node", description="A record that can be fetched again by its id alone.")
class NodeInterface:
    id: strawberry.ID = global_id()


@strawberry.type(name="PageInfo", description="Where a list stands.")
class PageInfoObject:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None = None
    end_cursor: str | None = None


def lists() -> Any:
    """`pageInfo` of a list that arrived inside an object: whether there is more, and no cursor to get it by."""

    def of(listed: Any) -> PageInfoObject:
        return PageInfoObject(has_next_page=listed.has_next_page, has_previous_page=listed.has_previous_page)

    return computed(of, PageInfoObject, "Whether the source has more than it sent.")
