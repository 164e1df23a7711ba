"""The schema directive `@semanticNonNull` of the specification of nullability directives, v0.4."""

from collections.abc import Sequence

import strawberry
from strawberry.schema_directive import Location

__all__ = ["SemanticNonNull"]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description=(
        "The field is null only together with an error, never because there is no value. A client that treats errors "
        "by itself can take its type for non-null. In `levels`, 0 is the value of the field, 1 are the items of a list."
    ),
)
class SemanticNonNull:
    """`@semanticNonNull` (https://specs.apollo.dev/nullability/v0.4/)."""

    levels: Sequence[int] = (0,)
