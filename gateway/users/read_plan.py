"""How records are read for a caller who names the fields: as a view, or as dotted paths."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.paths import DOMAIN_TYPES, Requested, record_type
from gateway.users.planning import EXPANSIONS, REFERENCES, Plan, Selection, plan

__all__ = ["MAX_PATHS", "ReadPlan", "View", "read_plan_of", "read_plan_of_paths", "read_plan_of_view"]

MAX_PATHS = 200


class View(StrEnum):
    """How much of a user is read.

    `BASIC`: what its source sends without further calls. `FULL`: also all fields of the role, the department and the
    organization, which are looked up where the source did not send them.
    """

    BASIC = "basic"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How to read a record.

    `plan` has the needs of the calls to sources, `lookups` the fields to look up; both use the names of the domain.
    `plan_of_one` is the same plan for an operation that reads one user only.
    `type_name` is the type of the record. `only` has the fields to return, by the names of the surface; None stands for
    all that are present.
    """

    plan: Plan
    lookups: Selection
    type_name: str
    only: Selection | None = None
    plan_of_one: Plan = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan_of_one", replace(self.plan, single_user=True))


def read_plan_of(name: str, selection: Selection, only: Selection | None = None) -> ReadPlan:
    """Return how to read a selection of the type of that name."""
    return ReadPlan(plan(selection, name), _lookups(name, selection), name, only)


@lru_cache(16)
def read_plan_of_view(name: str, view: View) -> ReadPlan:
    """Return how to read a view of the type of that name."""
    requested = Requested()
    for path in ["*"] if view is View.FULL else DOMAIN_TYPES[name].fields:
        requested.add(DOMAIN_TYPES[name], path)
    return read_plan_of(name, requested.planned())


@lru_cache(256)
def read_plan_of_paths(name: str, paths: Sequence[str]) -> ReadPlan:
    """Return how to read the fields at these paths, by the names of the domain.

    Raises:
        BadUserInput: a path is not a field.
    """
    requested = Requested()
    unknown = [index for index, path in enumerate(paths) if not requested.add(DOMAIN_TYPES[name], path)]
    if unknown:
        raise BadUserInput.of(
            [Violation(("fields", at), f"is not a field of {name}: {paths[at]}", Rule.UNKNOWN) for at in unknown]
        )
    return read_plan_of(name, requested.planned(), requested.returned())


def _lookups(name: str, selection: Selection) -> Selection:
    """Return the part of a selection of the domain that leads to lookups, for the type of that name."""
    fields: dict[str, Selection] = {}
    for field_name, nested in selection.fields.items():
        inner = record_type(name, field_name)
        lookups = _lookups(inner, nested) if inner else Selection()
        is_reference = field_name in REFERENCES.get(name, ()) and nested.fields
        if lookups.fields or is_reference or field_name in EXPANSIONS.get(name, ()):
            fields[field_name] = lookups
    return Selection(fields)
