"""Tokens to resume after: which log, and how far in it."""

import re
import secrets

from gateway.errors import BadUserInput, Violation
from gateway.events.errors import NoLongerHeld

__all__ = ["Tokens"]

_FORM = re.compile(r"e1([0-9a-f]{16})([0-9a-f]{16})")  # "e1": another form gets another version


class Tokens:
    """The tokens of one log. A log's name is its own: one of an earlier process is recognised by it."""

    def __init__(self) -> None:
        self._log = secrets.token_hex(8)

    def write(self, number: int) -> str:
        """The token of the event of that number; of the place before the first one for 0."""
        return f"e1{self._log}{number:016x}"

    def read(self, token: str, last: int) -> int:
        """The number in a token, where `last` is the last one that was written.

        Raises:
            BadUserInput: no log can have written it.
            NoLongerHeld: it is another log's.
        """
        parts = _FORM.fullmatch(token)
        if parts and parts[1] != self._log:
            raise NoLongerHeld
        if parts is None or int(parts[2], 16) > last:
            message = "is no token of an event"
            raise BadUserInput(f"resume_token {message}.", violations=[Violation(("resume_token",), message)])
        return int(parts[2], 16)
