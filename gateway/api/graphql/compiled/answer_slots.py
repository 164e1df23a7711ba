"""Places in an answer: what is known of them before there is one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLOutputType, is_non_null_type
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

__all__ = ["AnswerSlot"]


@dataclass(frozen=True, slots=True, eq=False)
class AnswerSlot:
    """A field of an object, or the items of a list; `parent` is the object or the list around it, None at the root.

    `key` is the field's name in the answer, and empty for items. `owner`, `field` and `details` are those of the
    field, also for its items. `depth` is how many lists are around: so many indices tell one such place from another.
    """

    parent: "AnswerSlot | None"
    key: str
    type: GraphQLOutputType
    owner: GraphQLObjectType
    field: GraphQLField
    details: FieldDetailsList
    depth: int = 0

    @property
    def nullable(self) -> bool:
        return not is_non_null_type(self.type)

    @property
    def nodes(self) -> list[FieldNode]:
        """The field's nodes in the document: several where selections of it are merged."""
        return [one.node for one in self.details]

    @property
    def indices(self) -> str:
        """The indices as further arguments in generated code."""
        return "".join(f", i{n}" for n in range(self.depth))

    def items(self, type_: GraphQLOutputType) -> "AnswerSlot":
        """The items of the list at this place."""
        return AnswerSlot(self, "", type_, self.owner, self.field, self.details, self.depth + 1)

    def whole(self) -> "AnswerSlot":
        """The field that the items, or their items, belong to."""
        return self if self.key or self.parent is None else self.parent.whole()

    def path(self, indices: tuple[int, ...]) -> Path:
        """The place's path; of more indices than it has the first ones count."""
        around = self.parent.path(indices) if self.parent else None
        if self.key or around is None:
            return Path(around, self.key, self.owner.name)
        return around.add_key(indices[self.depth - 1], None)

    def standing(self, answer: Any) -> Iterator[tuple[Any, tuple[int, ...]]]:
        """All that an answer has here, each with the indices that tell it from its like."""
        for around, indices in self.parent.standing(answer) if self.parent else [(answer, ())]:
            if around is None:
                continue
            if not self.key:
                yield from ((item, (*indices, index)) for index, item in enumerate(around))
            elif self.key in around:  # another type behind the same interface may lack it
                yield around[self.key], indices
