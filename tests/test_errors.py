"""The messages of errors about input: the fields in them are spelled as each client spells them."""

import copy
import re

import pytest
from google.rpc.error_details_pb2 import BadRequest
from graphql import GraphQLError

from gateway.api.graphql.execution.errors import public_error
from gateway.api.grpc.errors import status_of
from gateway.errors import BadUserInput, NotFound, Outcome, Rule, Violation
from gateway.events.log import Draining
from gateway.sources.http.errors import NoTimeError, OutOfDescriptorsError
from gateway.sources.http.exchange import Request

DEPARTMENT = Violation(("change", "department_id"), "must not be empty")
FIRST = Violation(("first",), "must be from 0 to 200")
PREFERENCE = Violation(("change", "preferences", 0, "notification_type"), "is required")


@pytest.mark.parametrize(
    ("violations", "domain", "graphql", "grpc"),
    [
        ([FIRST], "first", "first", "page_size"),
        ([DEPARTMENT], "department_id", "input.departmentId", "user.department_id"),
        (
            [PREFERENCE],
            "preferences.0.notification_type",
            "input.preferences.0.notificationType",
            "user.preferences[0].notification_type",
        ),
    ],
)
def test_fields_are_spelled_for_the_client(violations: list[Violation], domain: str, graphql: str, grpc: str) -> None:
    """The message of a broken rule names the field as the caller of Python, GraphQL or gRPC spelled it."""
    error = BadUserInput.of(violations)
    [violation] = violations
    assert error.message == f"{domain} {violation.message}."
    assert public_error(GraphQLError("", original_error=error), "r").message == f"{graphql} {violation.message}."
    assert status_of(error, "r", "UpdateAccountUser").message == f"{grpc} {violation.message}."


def test_rules_are_for_programs() -> None:
    """Each violation has its rule: with bounds in GraphQL, and as a reason of AIP-193 in gRPC."""
    error = BadUserInput.at(("change", "first_name"), "must have at most 256 characters", Rule.MAX_LENGTH, max=256)
    [violation] = (public_error(GraphQLError("", original_error=error), "r").extensions or {})["violations"]
    assert violation == {
        "field": "input.firstName",
        "message": "must have at most 256 characters",
        "rule": "maxLength",
        "max": 256,
    }
    details = status_of(error, "r", "UpdateAccountUser").details
    bad_request = BadRequest()
    assert any(detail.Unpack(bad_request) for detail in details)
    [field_violation] = bad_request.field_violations
    assert (field_violation.field, field_violation.reason) == ("user.first_name", "MAX_LENGTH")
    assert all(re.fullmatch("[A-Z][A-Z0-9_]+[A-Z0-9]", rule.name) for rule in Rule)


def test_all_broken_rules_are_in_one_message() -> None:
    """Several broken rules are one message, in their order."""
    error = BadUserInput.of([FIRST, DEPARTMENT])
    assert error.message == "first must be from 0 to 200; department_id must not be empty."


def test_other_messages_stay() -> None:
    """A message that does not consist of the violations, such as a source's, is not changed."""
    error = BadUserInput("The account source rejected the input.", violations=[DEPARTMENT])
    assert public_error(GraphQLError("", original_error=error), "r").message == error.message
    assert status_of(error, "r", "UpdateAccountUser").message == error.message


def test_a_copy() -> None:
    """Each exception can be copied, whatever its arguments: several operations may get the failure of one call."""
    request = Request("account", "GET", "http://127.0.0.1/", "/", {})
    for error in (OutOfDescriptorsError(request), NoTimeError(request), Draining(), NotFound("No user.")):
        copied = copy.copy(error)
        assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))
        copied.outcome = Outcome.UNKNOWN
        assert error.outcome is None
