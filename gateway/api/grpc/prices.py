"""What a call costs: what the same work costs by GraphQL, whose schema has the prices (`@cost`, `@listSize`).

Asking a system costs 10, a record 1. A lookup costs 10 once, also for the records of a list, where it is one batch.
What a record has inside costs nothing here, since a message always has room for it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.api.grpc.paging import page_of
from gateway.api.grpc.read_mask import ReadPlan, read_plan_of_department, read_plan_of_role, read_plan_of_user
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.users.planning import EXPANSIONS, REFERENCES, Selection

__all__ = ["price_of"]

_SYSTEM = 10
_SYSTEMS = 3 * _SYSTEM
_LOOKUP = 10
_SOME = 5  # records of a list that has no page
_LOOKED_UP = frozenset[str]().union(*EXPANSIONS.values(), REFERENCES["User"])


def price_of(request: Any) -> int:
    """The price of a method's request.

    Raises:
        BadUserInput: what is to be read, or how much, is asked for in a way that the method refuses too.
    """
    return _PRICES[type(request)](request)


def _lookups(selection: Selection, *, inside: bool = False) -> int:
    # A user comes with its department; a station, a machine and a step only say which it is.
    return sum(
        (name in _LOOKED_UP or (inside and name == "department")) * _LOOKUP + _lookups(below, inside=True)
        for name, below in selection.fields.items()
    )


def _one(read: Callable[[Any], ReadPlan]) -> Callable[[Any], int]:
    return lambda request: _SYSTEM + 1 + _lookups(read(request).lookups)


def _page(weight: int, read: Callable[[Any], ReadPlan]) -> Callable[[Any], int]:
    return lambda request: weight + 1 + page_of(request)[0] + _lookups(read(request).lookups)


def _user(request: Any) -> ReadPlan:
    return read_plan_of_user(request.view, request.read_mask.paths)


def _role(request: Any) -> ReadPlan:
    return read_plan_of_role(request.read_mask.paths)


def _department(request: Any) -> ReadPlan:
    return read_plan_of_department(request.read_mask.paths)


_PRICES: Mapping[type, Callable[[Any], int]] = {
    users_pb2.GetUserRequest: _one(_user),
    users_pb2.ListUsersRequest: _page(_SYSTEMS, _user),
    users_pb2.FindPersonRequest: lambda request: _SYSTEMS + 1 + _SOME + _lookups(_user(request).lookups),
    users_pb2.CreateAccountUserRequest: _one(_user),
    users_pb2.UpdateAccountUserRequest: _one(_user),
    users_pb2.UpdateSoftwareOneUserRequest: _one(_user),
    users_pb2.UpdateResellerUserRequest: _one(_user),
    users_pb2.GetRoleRequest: _one(_role),
    users_pb2.ListRolesRequest: _page(_SYSTEM, _role),
    users_pb2.GetDepartmentRequest: _one(_department),
    users_pb2.ListDepartmentsRequest: _page(_SYSTEM, _department),
    users_pb2.WatchUsersRequest: lambda _: 2,  # once, however long it is watched: an event and its user
}
