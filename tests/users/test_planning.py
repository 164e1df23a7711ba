from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.users.ids import Kind
from gateway.users.planning import DETAILS, EVERYTHING, Plan, Selection, merged, plan

U, R, D, O = Kind.USER, Kind.ROLE, Kind.DEPARTMENT, Kind.ORGANIZATION  # noqa: E741 - reads best in the table
of = Selection.of

TABLE: list[tuple[Selection, Mapping[Kind, set[str]]]] = [
    (Selection(), {}),
    (of("user.id", "user.source", "user.status", "user.company"), {}),
    (of("user.name", "user.email", "user.image_url"), {U: {"profile"}}),
    (of("user.created_at", "user.updated_by.name"), {U: {"audit"}}),
    (of("user.accounts.name"), {U: {"accounts"}}),
    (of("user.role.id", "user.role.__typename"), {U: {"role"}}),
    (of("user.role.id", "user.role.name"), {U: {"role"}, R: {DETAILS}}),
    (of("user.role.permissions"), {U: {"role"}, R: {DETAILS, "permissions"}}),
    (of("user.role.owner.type"), {U: {"role"}, R: {DETAILS, "owner"}}),
    (of("user.role.owner.account.name"), {U: {"role"}, R: {DETAILS, "owner", "owner.account"}}),
    (of("user.department.id"), {U: {"department"}}),
    (of("user.department.location.name"), {U: {"department"}, D: {DETAILS, "location"}}),
    (
        of("user.department.scanning_stations.nodes.department.machines.nodes.name"),
        {U: {"department"}, D: {DETAILS, "scanning_stations", "machines"}, Kind.SCANNING_STATION: {"department"}},
    ),
    (
        of(
            "department.scanning_stations.nodes.production_steps.nodes.in_steps.scanning_station.department.location.id"
        ),
        {
            D: {DETAILS, "scanning_stations", "location"},
            Kind.SCANNING_STATION: {"production_steps", "department"},
            Kind.PRODUCTION_STEP: {"in_steps", "scanning_station"},
        },
    ),
    (
        of("department.location.parent.created_at"),
        {D: {DETAILS, "location"}, Kind.LOCATION: {"parent", "created_at"}},
    ),
    (
        of("role.owner.account.branding.website_url", "role.owner.account.name"),
        {R: {DETAILS, "owner", "owner.account"}, Kind.ACCOUNT: {"branding"}},
    ),
    (of("user.platform_user.created_at"), {U: {"profile"}}),
    (of("user.organization.id"), {}),
    (of("user.organization.name"), {O: {DETAILS}}),
    (of("role.name", "department.name"), {R: {DETAILS}, D: {DETAILS}}),
    (of("update_account_user.role.name"), {}),  # not a field of the query
    (of("nonsense.role.permissions"), {}),
    (of("node.id", "nodes.id"), {}),
    (
        Selection({"node": Selection(on={"User": of("name"), "Role": of("permissions")})}),
        {U: {"profile"}, R: {DETAILS, "permissions"}},
    ),
    (
        Selection({"node": Selection(on={"Node": Selection(on={"Department": of("location.id")})})}),
        {D: {DETAILS, "location"}},
    ),
    (Selection({"user": Selection(on={"Node": of("name"), "User": of("role.id")})}), {U: {"profile", "role"}}),
    (Selection({"user": Selection(on={"Role": of("permissions")})}), {}),
    (Selection({"role": Selection(of("id").fields, {"Role": of("name")})}), {R: {DETAILS}}),
]


@pytest.mark.parametrize(("selection", "needs"), TABLE)
def test_plan(selection: Selection, needs: Mapping[Kind, set[str]]) -> None:
    """A plan has the needs of the selected fields, and none for ids and unknown fields."""
    assert plan(selection).needs == needs


@pytest.mark.parametrize(
    "mutation",
    ["create_account_user", "update_account_user", "update_software_one_user", "update_reseller_user"],
)
def test_mutations(mutation: str) -> None:
    """The user that a mutation returns is planned like any other."""
    assert plan(of(f"{mutation}.role.permissions"), "Mutation").needs == {U: {"role"}, R: {DETAILS, "permissions"}}


def test_any_type() -> None:
    """A plan can start at any type, as a read mask does."""
    assert plan(of("owner.type"), "Role").needs == {R: {DETAILS, "owner"}}


def test_calls() -> None:
    """Details make no difference for a call, so that lookups with different ones share their calls."""
    planned = plan(of("department.location.created_at", "department.location.parent.name", "department.notes"))
    assert planned.of(D) == {DETAILS, "location", "notes"}
    assert (planned.of_calls(D), planned.of_calls(Kind.LOCATION)) == ({DETAILS, "location"}, {"parent"})


def test_below() -> None:
    """The needs of a field include those of the fields below it."""
    below = EVERYTHING.below
    assert below(R, "owner") == {"owner", "owner.account"}
    assert below(R, "permissions") == {"permissions"}
    assert Plan().below(R, "owner") == frozenset()


names = st.sampled_from(["id", "role", "owner", "account", "department", "location", "user", "name", "nodes"])
selections = st.recursive(
    st.just(Selection()),
    lambda inner: st.builds(Selection, st.dictionaries(names, inner), st.dictionaries(st.just("User"), inner)),
    max_leaves=12,
)


@given(selections, selections)
def test_merging_adds_up(selection: Selection, other: Selection) -> None:
    """The plan of two merged selections has every need of both, in whichever order they are merged."""
    both = plan(merged([selection, other]))
    for kind in Kind:
        assert plan(selection).of(kind) | plan(other).of(kind) <= both.of(kind)
        assert both.of(kind) == plan(merged([other, selection])).of(kind)


@given(selections)
def test_merging_with_itself(selection: Selection) -> None:
    """Merging a selection with itself does not change it."""
    assert merged([selection, selection]) == selection


def test_of_paths() -> None:
    """Dotted paths with the same beginning become one branch."""
    assert of("role.name", "role.owner.type", "id") == Selection(
        {"role": Selection({"name": Selection(), "owner": Selection({"type": Selection()})}), "id": Selection()}
    )
