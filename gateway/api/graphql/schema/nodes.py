"""The interface of records with a global id, and the page information of lists."""

from typing import Any

import strawberry

from gateway.api.graphql.schema.fields import attribute, computed, global_id

__all__ = ["NodeInterface", "PageInfoObject", "nested_page_info"]


@strawberry.interface(name="Node", description="A record that can be fetched by its global id: see `Query.node`.")
class NodeInterface:
    id: strawberry.ID = global_id()


@strawberry.type(
    name="PageInfo", description="The position of a page in its list, and where the pages before and after it begin."
)
class PageInfoObject:
    has_next_page: bool = attribute("Whether there are records after this page.")
    has_previous_page: bool = attribute("Whether there are records before this page.")
    start_cursor: str | None = attribute(
        "The cursor of the first record of the page; null if it is empty.", default=None
    )
    end_cursor: str | None = attribute("The cursor to get the next page with, as the argument `after`.", default=None)
    next_cursor: str | None = attribute(
        "Of a list inside a record: the cursor with which the API of its source continues. It is no argument here.",
        default=None,
    )
    previous_cursor: str | None = attribute(
        "Of a list inside a record: the cursor of the page before, in the API of its source.", default=None
    )


def nested_page_info() -> Any:
    """Declare the `pageInfo` of a list inside a record, of which the source sent one page."""

    def of(listed: Any) -> PageInfoObject:
        return PageInfoObject(
            has_next_page=listed.has_next_page,
            has_previous_page=listed.has_previous_page,
            next_cursor=listed.next_cursor,
            previous_cursor=listed.previous_cursor,
        )

    return computed(of, PageInfoObject, "Whether the source has more records than it sent.")
