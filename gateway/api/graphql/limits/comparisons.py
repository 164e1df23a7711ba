"""Limits the comparisons of fields and fragments in validation: their number grows with the square of a document."""

from collections.abc import Callable

from graphql import OverlappingFieldsCanBeMergedRule, ValidationContext
from graphql.validation import ValidationRule
from graphql.validation.validate import ValidationAbortedError

__all__ = ["comparison_rule"]


def comparison_rule(allowed: int, exceeded: Callable[[int], None], *, is_enforced: bool = True) -> type[ValidationRule]:
    """Return graphql-core's OverlappingFieldsCanBeMergedRule with a maximum of comparisons for each document.

    The rule compares each two fields of one response name that can be in the same object, and for that each two
    fragments that are spread there; graphql-core counts both. `exceeded` is called with the number that was found: an
    exception that it raises ends the validation. Unless the maximum `is_enforced`, that number is the whole one, and
    only the maximum of graphql-core ends the validation, which is some ten times as high as ours.
    """

    class LimitedComparisons(OverlappingFieldsCanBeMergedRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            if is_enforced:
                self.rule_context.remaining_complexity_budget = allowed
            self._budget = self.rule_context.remaining_complexity_budget

        def enter_selection_set(self, *arguments: object) -> None:
            try:
                super().enter_selection_set(*arguments)  # type: ignore[arg-type]  # those of the visitor, passed on
            except ValidationAbortedError:
                if self.rule_context.remaining_complexity_budget < 0:
                    exceeded(self._budget + 1)
                raise

        def leave_document(self, *_: object) -> None:
            comparisons = self._budget - self.rule_context.remaining_complexity_budget
            if comparisons > allowed:
                exceeded(comparisons)

    return LimitedComparisons
