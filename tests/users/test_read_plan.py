"""Plans for a view, or for dotted paths by the names of the domain."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.grpc.read_mask import read_plan_of_user
from gateway.errors import BadUserInput, Rule
from gateway.users.ids import Kind
from gateway.users.paths import DOMAIN_TYPES
from gateway.users.planning import EXPANSIONS, REFERENCES, Selection
from gateway.users.read_plan import ReadPlan, read_plan_of_paths

PATHS = ("name", "role.permissions", "department.location.name", "accounts.name")
MASK = ("name", "role.permissions", "department.location.name", "accounts.nodes.name")


def test_paths_are_planned_as_a_read_mask_is() -> None:
    """Paths of the domain give the plan of the read mask of the same fields."""
    plan, masked = read_plan_of_paths("User", PATHS), read_plan_of_user(0, FieldMask(paths=MASK))
    assert (plan.plan, plan.lookups) == (masked.plan, masked.lookups)
    assert plan.only == Selection.of(*PATHS)
    assert plan.plan.of(Kind.DEPARTMENT) == {"details", "location"}
    assert plan.lookups == Selection.of("role.permissions", "department.location")


@pytest.mark.parametrize("paths", [("department.machines.nodes.name",), ("department.machines.nodes.*.name",)])
def test_paths_into_a_list(paths: tuple[str, ...]) -> None:
    """A list inside a record has its items in `nodes`, as in Python; a `*` may stand for one of them."""
    assert read_plan_of_paths("User", paths).only == Selection.of("department.machines.nodes.name")


@pytest.mark.parametrize(
    "path", ["", "nmae", "role.nmae", "name.first", "loaded", "department.machines.name", ".".join(["department"] * 17)]
)
def test_unknown_paths(path: str) -> None:
    """A path that is no field is refused at its index."""
    with pytest.raises(BadUserInput) as refused:
        read_plan_of_paths("User", ("name", path))
    assert [(found.path, found.rule) for found in refused.value.violations] == [(("fields", 1), Rule.UNKNOWN)]


def test_a_whole_record() -> None:
    """A path of a record stands for what its source sends; with a star, for all of its fields."""

    def needs(plan: ReadPlan) -> frozenset[str]:
        return plan.plan.of(Kind.ROLE)

    assert needs(read_plan_of_paths("User", ("role",))) == frozenset()
    assert needs(read_plan_of_paths("User", ("role.*",))) == {"details", "owner", "owner.account", "permissions"}


def test_planning_knows_fields_that_exist() -> None:
    """Each field that planning names as one to look up is a field of the record of that type."""
    for table in (EXPANSIONS, REFERENCES):
        for name, fields in table.items():
            assert fields <= DOMAIN_TYPES[name].fields.keys()
