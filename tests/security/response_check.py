"""Checks that every response of GraphQL over HTTP follows the specification."""

from typing import Any

from gateway.errors import Code

__all__ = ["check_response"]


def check_response(status: int, body: Any) -> None:
    """Assert that a response has the specified shape and known error codes, and reports no defect."""
    assert status in {200, 400}, body
    assert body.keys() <= {"data", "errors", "extensions"}
    assert ("data" in body) == (status == 200)
    assert body.get("errors") != []
    assert body.get("data") is not None or body["errors"]
    for error in body.get("errors", ()):
        assert error.keys() <= {"message", "locations", "path", "extensions"}
        assert isinstance(error["message"], str)
        assert error["extensions"]["code"] in {code.value for code in Code} - {Code.INTERNAL}, error
        assert error["extensions"]["requestId"]
