"""The schema directives `@cost` and `@listSize` of IBM's cost directives specification."""

import strawberry
from strawberry.schema_directive import Location

__all__ = ["Cost", "ListSize"]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.ARGUMENT_DEFINITION],
    description=(
        "The cost of a field, in addition to its objects, which cost 1 each. Inside a list it is charged once, not "
        "once per item, since lookups are made in batches. On an argument: the cost of each of its items."
    ),
)
class Cost:
    """`@cost`. The weight is a whole number, written as a string since the specification has it so."""

    weight: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description=(
        "The number of objects that a list is charged for: the value of the first slicing argument that is given, "
        "else the assumed size. If the field is no list, `sizedFields` names the lists in it. A list without this "
        "directive is charged for 5 objects."
    ),
)
class ListSize:
    """`@listSize`, as the specification defines it."""

    assumed_size: int | None = strawberry.UNSET
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET
    require_one_slicing_argument: bool | None = True
