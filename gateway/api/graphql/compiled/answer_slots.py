"""Answer slots: the positions of a response that are known before the operation is executed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLOutputType, is_non_null_type
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

__all__ = ["AnswerSlot"]


@dataclass(frozen=True, slots=True, eq=False)
class AnswerSlot:
    """One field of an object, or the items of one list. `parent` is the slot of that object or list, None at the root.

    `key` is the response key of the field, and empty for items. `parent_type`, `field` and `details` are those of the
    field, also for its items. `depth` is the number of lists around the slot: one position in the response is
    identified by the slot and so many indices, that of the outermost list first.
    """

    parent: "AnswerSlot | None"
    key: str
    type: GraphQLOutputType
    parent_type: GraphQLObjectType
    field: GraphQLField
    details: FieldDetailsList
    depth: int = 0

    @property
    def nullable(self) -> bool:
        return not is_non_null_type(self.type)

    @property
    def nodes(self) -> list[FieldNode]:
        """The nodes of the field in the document: several if the document selects it several times."""
        return [detail.node for detail in self.details]

    @property
    def indices(self) -> str:
        """The indices as further parameters or arguments in generated code: `, i0, i1`."""
        return "".join(f", i{n}" for n in range(self.depth))

    def items(self, type_: GraphQLOutputType) -> "AnswerSlot":
        """Return the slot of the items of the list in this slot."""
        return AnswerSlot(self, "", type_, self.parent_type, self.field, self.details, self.depth + 1)

    def field_slot(self) -> "AnswerSlot":
        """Return the slot of the field: this slot, or for items the slot of the list (of lists) that has them."""
        return self if self.key or self.parent is None else self.parent.field_slot()

    def path(self, indices: tuple[int, ...]) -> Path:
        """Return the path of one position in this slot. Of more indices than `depth` the first ones are used."""
        parent_path = self.parent.path(indices) if self.parent else None
        if self.key or parent_path is None:
            return Path(parent_path, self.key, self.parent_type.name)
        return parent_path.add_key(indices[self.depth - 1], None)

    def occurrences(self, answer: Any) -> Iterator[tuple[Any, tuple[int, ...]]]:
        """Yield each value that the answer has in this slot, with its indices."""
        for parent_value, indices in self.parent.occurrences(answer) if self.parent else [(answer, ())]:
            if parent_value is None:
                continue
            if not self.key:
                yield from ((item, (*indices, index)) for index, item in enumerate(parent_value))
            elif self.key in parent_value:  # an object of another type behind the same interface may not have the key
                yield parent_value[self.key], indices
