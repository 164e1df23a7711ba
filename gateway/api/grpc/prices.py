"""Computes the cost of a call. It is the cost of the same work in GraphQL, whose schema has `@cost` and `@listSize`.

A call to a source costs 10, a record 1. A lookup costs 10, and for the records of a list it costs 10 once, since it is
one batch. The records inside a record are free.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.api.grpc.paging import page_of
from gateway.api.grpc.read_mask import read_plan_of_department, read_plan_of_role, read_plan_of_user
from gateway.users.paths import record_type
from gateway.users.planning import EXPANSIONS, REFERENCES, Selection
from gateway.users.read_plan import ReadPlan
from usergateway.v1 import users_pb2

__all__ = ["price_of"]

_CALL = 10
_CALLS_TO_ALL = 3 * _CALL
_LOOKUP = 10
_ASSUMED_SIZE = 5  # records of a list without pages
_EVENT = 2  # for a whole stream: an event and its user
_DETAIL = 2  # a field of a record of which the source usually sends a short form
_USUALLY_SHORT = frozenset({"Location", "ProductionStep"})


def price_of(request: Any) -> int:
    """Return the cost of a request.

    Raises:
        BadUserInput: the view, the read mask or the page size is not valid.
    """
    return _PRICES[type(request)](request)


def _lookups(selection: Selection, name: str) -> int:
    """Return the cost of the lookups in a selection of the type of that name."""
    total = 0
    for field, nested in selection.fields.items():
        inner = record_type(name, field)
        if field in EXPANSIONS.get(name, ()):
            total += _LOOKUP if inner or field == "permissions" else _DETAIL * (name in _USUALLY_SHORT)
        elif field in REFERENCES.get(name, ()):
            total += _LOOKUP
        total += _lookups(nested, inner) if inner else 0
    return total


def _price_of_lookups(read_plan: ReadPlan) -> int:
    return _lookups(read_plan.lookups, read_plan.type_name)


def _record(read_plan: Callable[[Any], ReadPlan]) -> Callable[[Any], int]:
    return lambda request: _CALL + 1 + _price_of_lookups(read_plan(request))


def _page(calls: int, read_plan: Callable[[Any], ReadPlan]) -> Callable[[Any], int]:
    return lambda request: calls + 1 + page_of(request)[0] + _price_of_lookups(read_plan(request))


def _user(request: Any) -> ReadPlan:
    return read_plan_of_user(request.view, request.read_mask)


def _role(request: Any) -> ReadPlan:
    return read_plan_of_role(request.read_mask)


def _department(request: Any) -> ReadPlan:
    return read_plan_of_department(request.read_mask)


_PRICES: Mapping[type, Callable[[Any], int]] = {
    users_pb2.GetUserRequest: _record(_user),
    users_pb2.ListUsersRequest: _page(_CALLS_TO_ALL, _user),
    users_pb2.FindPersonRequest: lambda request: _CALLS_TO_ALL + 1 + _ASSUMED_SIZE + _price_of_lookups(_user(request)),
    users_pb2.CreateAccountUserRequest: _record(_user),
    users_pb2.UpdateAccountUserRequest: _record(_user),
    users_pb2.UpdateSoftwareOneUserRequest: _record(_user),
    users_pb2.UpdateResellerUserRequest: _record(_user),
    users_pb2.GetRoleRequest: _record(_role),
    users_pb2.ListRolesRequest: _page(_CALL, _role),
    users_pb2.GetDepartmentRequest: _record(_department),
    users_pb2.ListDepartmentsRequest: _page(_CALL, _department),
    users_pb2.WatchUsersRequest: lambda _: _EVENT,
}
