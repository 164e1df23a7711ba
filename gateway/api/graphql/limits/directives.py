"""`@cost` and `@listSize`, as IBM's cost directives specification writes them: what the schema says of prices."""

import strawberry
from strawberry.schema_directive import Location

__all__ = ["Cost", "ListSize"]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.ARGUMENT_DEFINITION],
    description=(
        "What a field costs beside the objects that it answers, which cost 1 each. It is asked for in batches, "
        "so inside a list it costs this once, not once an item. An argument costs this for each of its items."
    ),
)
class Cost:
    weight: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description=(
        "How many objects a list counts for: what one of the slicing arguments says, else the assumed size. "
        "The sized fields are the lists, where it is not the field itself. A list without it counts for 5."
    ),
)
class ListSize:
    assumed_size: int | None = strawberry.UNSET
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET
    require_one_slicing_argument: bool | None = True
