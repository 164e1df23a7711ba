"""Servers that return different data are not compared."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.agreement import DisagreementError, check
from benchmarks.operations import USER, USERS


@dataclass
class FakeServer:
    """A server with fixed data and a fixed number of source calls per request."""

    data: Any
    calls_each: int = 1
    title: str = "a peer"
    calls_made: int = field(default=0, init=False)

    @property
    def server(self) -> "FakeServer":
        return self

    @property
    def sources(self) -> "FakeServer":
        return self

    def calls(self) -> int:
        return self.calls_made

    def fetch(self, _: Any) -> Any:
        self.calls_made += self.calls_each
        return self.data


def agree(operation: Any, *servers: Any) -> None:
    check(operation, servers)


def test_equal_answers_agree_whatever_their_order() -> None:
    """The order of keys does not matter, and the number of calls for a list is not checked."""
    agree(USER, FakeServer({"name": "Ada", "role": None}), FakeServer({"role": None, "name": "Ada"}))
    agree(USERS, FakeServer({"users": []}, calls_each=31), FakeServer({"users": []}, calls_each=3))


def test_a_different_answer_is_shown() -> None:
    """The error has the name of the server, and both data from a little before the first difference."""
    with pytest.raises(DisagreementError, match=r'user\(id\): a peer (?s:.*)"Bea"(?s:.*)"Ada"'):
        agree(USER, FakeServer({"name": "Ada"}), FakeServer({"name": "Bea"}))


def test_another_number_of_calls_is_a_disagreement() -> None:
    """A server that makes no call, or more than one, for one user raises an error."""
    with pytest.raises(DisagreementError, match="makes 0 source calls instead of 1"):
        agree(USER, FakeServer({}), FakeServer({}, calls_each=0))
