"""The cost of calls."""

from typing import Any

import pytest
from graphql import get_operation_ast, parse

from gateway.api.graphql.limits.cost_analysis import price_of as price_of_operation
from gateway.api.graphql.limits.cost_model import CostModel
from gateway.api.graphql.schema.build import build_schema, executable
from gateway.api.grpc.prices import price_of
from gateway.errors import BadUserInput
from usergateway.v1 import users_pb2

TARIFF = CostModel(executable(build_schema()))
USERS = users_pb2.DESCRIPTOR.services_by_name["UserService"]

SAME: dict[str, tuple[Any, str]] = {
    "a user": (users_pb2.GetUserRequest(id="u"), '{ user(id: "u") { id name email } }'),
    "a role": (users_pb2.GetRoleRequest(id="r", read_mask={"paths": ["name"]}), '{ role(id: "r") { name } }'),
    "a role's permissions": (
        users_pb2.GetRoleRequest(id="r", read_mask={"paths": ["permissions"]}),
        '{ role(id: "r") { permissions } }',
    ),
    "a department": (
        users_pb2.GetDepartmentRequest(id="d", read_mask={"paths": ["name"]}),
        '{ department(id: "d") { name } }',
    ),
    "a person": (users_pb2.FindPersonRequest(email="e"), '{ person(email: "e") { users { id } } }'),
    "a page of users": (users_pb2.ListUsersRequest(page_size=7), "{ users(first: 7) { nodes { id } } }"),
    "a page of users of default size": (users_pb2.ListUsersRequest(), "{ users { nodes { id } } }"),
    "a page of roles": (
        users_pb2.ListRolesRequest(page_size=7, read_mask={"paths": ["name", "permissions"]}),
        "{ roles(first: 7) { nodes { name permissions } } }",
    ),
    "a page of departments": (
        users_pb2.ListDepartmentsRequest(page_size=7, read_mask={"paths": ["name"]}),
        "{ departments(first: 7) { nodes { name } } }",
    ),
    "a change": (
        users_pb2.UpdateAccountUserRequest(id="u"),
        'mutation { updateAccountUser(id: "u", input: {}) { id name } }',
    ),
    "a stream": (users_pb2.WatchUsersRequest(), "subscription { userChanged { change user { id } } }"),
}


@pytest.mark.parametrize(("request_", "text"), SAME.values(), ids=SAME.keys())
def test_the_same_cost_as_in_graphql(request_: Any, text: str) -> None:
    """A call costs the same as the same work in GraphQL."""
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    assert price_of(request_) == price_of_operation(TARIFF, document, operation)()


def test_every_method_has_a_price() -> None:
    """Each method has a cost."""
    for method in USERS.methods:
        assert price_of(getattr(users_pb2, method.input_type.name)()) > 0


@pytest.mark.parametrize(
    ("paths", "lookups"),
    [
        (["department"], 0),  # sent with the user
        (["organization.name"], 1),
        (["organization"], 0),  # a bare reference
        (["role.owner", "role.permissions", "organization.name"], 3),
        (["department.scanning_stations.nodes.department.name"], 2),
    ],
)
def test_lookups(paths: list[str], lookups: int) -> None:
    """Each lookup adds the cost of one call, in a list once for all records."""
    mask = {"paths": paths}
    assert price_of(users_pb2.GetUserRequest(id="u", read_mask=mask)) == 11 + 10 * lookups
    assert price_of(users_pb2.ListUsersRequest(page_size=2, read_mask=mask)) == 33 + 10 * lookups


def test_a_page_that_is_too_large() -> None:
    """A page that is too large costs as much as the largest one; a negative size is refused."""
    assert price_of(users_pb2.ListUsersRequest(page_size=100_000)) == 231
    with pytest.raises(BadUserInput):
        price_of(users_pb2.ListUsersRequest(page_size=-1))
