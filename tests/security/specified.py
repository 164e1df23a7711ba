"""What every answer of GraphQL over HTTP is, whatever was asked and whatever the systems said."""

from typing import Any

from gateway.errors import Code

__all__ = ["check"]


def check(status: int, said: Any) -> None:
    """Assert that it is an answer as specified, in our words, and tells of no defect."""
    assert status in {200, 400}, said
    assert said.keys() <= {"data", "errors", "extensions"}
    assert ("data" in said) == (status == 200)
    assert said.get("errors") != []
    assert said.get("data") is not None or said["errors"]
    for error in said.get("errors", ()):
        assert error.keys() <= {"message", "locations", "path", "extensions"}
        assert isinstance(error["message"], str)
        assert error["extensions"]["code"] in {code.value for code in Code} - {Code.INTERNAL}, error
        assert error["extensions"]["requestId"]
