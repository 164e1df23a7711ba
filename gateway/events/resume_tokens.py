"""Tokens to resume after: which log, and how far in it."""

import re
import secrets

from gateway.errors import BadUserInput
from gateway.events.log import NoLongerHeld

__all__ = ["ResumeTokens", "no_token"]

_FORM = re.compile(r"e1([0-9a-f]{16})([0-9a-f]{16})")  # "e1": another form gets another version


class ResumeTokens:
    """The tokens of one log. A log's name is its own: one that is gone is recognised by it."""

    def __init__(self, log: str | None = None) -> None:
        self._log = log or secrets.token_hex(8)

    def write(self, number: int) -> str:
        """The token of the event of that number; of the place before the first one for 0."""
        return f"e1{self._log}{number:016x}"

    def read(self, token: str) -> int:
        """The number in a token; whether the log has come that far is not known here.

        Raises:
            BadUserInput: no log can have written it.
            NoLongerHeld: it is another log's.
        """
        parts = _FORM.fullmatch(token)
        if parts is None:
            raise no_token()
        if parts[1] != self._log:
            raise NoLongerHeld
        return int(parts[2], 16)


def no_token() -> BadUserInput:
    """The error for a resume token that is no id of an event."""
    return BadUserInput.at(("resume_token",), "is not the id of an event")
