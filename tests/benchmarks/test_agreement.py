"""Servers that disagree are not compared."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.agreement import DisagreementError, check
from benchmarks.operations import USER, USERS


@dataclass
class Talker:
    """A server as the check sees it: an answer, and the source calls that it takes."""

    said: Any
    calls_each: int = 1
    title: str = "a peer"
    made: int = field(default=0, init=False)

    @property
    def server(self) -> "Talker":
        return self

    @property
    def sources(self) -> "Talker":
        return self

    def calls(self) -> int:
        return self.made

    def answer(self, _: Any) -> Any:
        self.made += self.calls_each
        return self.said


def agree(operation: Any, *talkers: Any) -> None:
    check(operation, talkers)


def test_equal_answers_agree_whatever_their_order() -> None:
    """Keys may stand in any order, and a list may take as many calls as its server needs."""
    agree(USER, Talker({"name": "Ada", "role": None}), Talker({"role": None, "name": "Ada"}))
    agree(USERS, Talker({"users": []}, calls_each=31), Talker({"users": []}, calls_each=3))


def test_a_different_answer_is_shown() -> None:
    """The server is named, with both answers from a little before the place where they part."""
    with pytest.raises(DisagreementError, match=r'user\(id\): a peer (?s:.*)"Bea"(?s:.*)"Ada"'):
        agree(USER, Talker({"name": "Ada"}), Talker({"name": "Bea"}))


def test_a_saved_call_is_a_disagreement_where_calls_must_be_equal() -> None:
    """One user is one call for everyone: who makes none has kept the answer, who makes two does other work."""
    with pytest.raises(DisagreementError, match="makes 0 source calls instead of 1"):
        agree(USER, Talker({}), Talker({}, calls_each=0))
