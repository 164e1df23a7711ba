"""The history of a source: all states that it ever had, and what each question would have found in each of them.

It is written without the gateway's rules for what is kept: an answer is right if it is what the source would have
returned at one instant that is late enough.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = ["Change", "History", "Row", "State", "by_address", "by_id", "page"]


class Row(NamedTuple):
    """A user of the source as far as it can change."""

    source_id: str
    name: str
    email: str
    changed_at: float


State = dict[str, Row]
"""The users by their ids, in the order of their creation."""


class Change(NamedTuple):
    """The change that led to the state of the same index: when it was made, of whom, and when others can know of it."""

    at: float
    source_id: str
    kind: str
    reported_at: float | None


Question = Callable[[State], Any]


def by_id(source_id: str) -> Question:
    """Return the question for one user by its id, in any letter case."""
    key = source_id.casefold()
    return lambda state: _shown(state.get(key))


def by_address(email: str) -> Question:
    """Return the question for one user by its e-mail address."""
    key = email.casefold()
    return lambda state: next((_shown(row) for row in state.values() if row.email.casefold() == key), None)


def page(search: str | None, limit: int) -> Question:
    """Return the question for the first users, the newest first, whose names contain a text."""

    def find(state: State) -> Any:
        rows = [row for row in reversed(state.values()) if search is None or search in row.name]
        return tuple(_shown(row) for row in rows[:limit])

    return find


def _shown(row: Row | None) -> Any:
    return None if row is None else (row.source_id, row.name, row.email)


class History:
    """The states of a source; state 0 is the first one, and change n leads to state n."""

    def __init__(self, rows: Iterable[Row], at: float) -> None:
        self.states: list[State] = [{row.source_id: row for row in rows}]
        self.changes: list[Change] = [Change(at, "", "", None)]

    @property
    def last(self) -> int:
        """The index of the present state."""
        return len(self.states) - 1

    @property
    def present(self) -> State:
        return self.states[-1]

    def add(self, change: Change, row: Row | None) -> int:
        """Make a change: `row` is the user after it, None if it is deleted. Return the index of the new state."""
        state = dict(self.states[-1])
        if row is None:
            del state[change.source_id]
        else:
            state[change.source_id] = row
        self.states.append(state)
        self.changes.append(change)
        return self.last

    def first_valid(self, question: Question, known: Iterable[int]) -> int:
        """Return the index of the first state that may be shown to whoever knows of these changes."""
        for index in sorted(known, reverse=True):
            if question(self.states[index]) != question(self.states[index - 1]):
                return index
        return 0

    def latest_with(self, question: Question, answer: Any) -> int | None:
        """Return the index of the latest state in which the answer is right, None if it never was."""
        for index in range(self.last, -1, -1):
            if question(self.states[index]) == answer:
                return index
        return None
