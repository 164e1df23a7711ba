"""Resume tokens: the name of a log and the number of an event in it."""

import re
import secrets

from gateway.errors import BadUserInput
from gateway.events.log import NoLongerHeld

__all__ = ["ResumeTokens", "invalid_resume_token"]

_TOKEN = re.compile(r"e1([0-9a-f]{16})([0-9a-f]{16})")  # "e1" is the version of the format


class ResumeTokens:
    """Encodes and decodes the tokens of one log. The name of a log is unique: tokens of other logs are recognised."""

    def __init__(self, log: str | None = None) -> None:
        self._log = log or secrets.token_hex(8)

    def encode(self, number: int) -> str:
        """Return the token of the event of that number; 0 is the position before the first event."""
        return f"e1{self._log}{number:016x}"

    def decode(self, token: str) -> int:
        """Return the number in a token; the log may not have reached it yet.

        Raises:
            BadUserInput: no log has created the token.
            NoLongerHeld: another log has created it.
        """
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            raise invalid_resume_token()
        if parts[1] != self._log:
            raise NoLongerHeld
        return int(parts[2], 16)


def invalid_resume_token() -> BadUserInput:
    """Return the error for a resume token that is not the id of an event."""
    return BadUserInput.at(("resume_token",), "is not the id of an event")
