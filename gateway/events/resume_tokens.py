"""Resume tokens: the name of a log, the number of an event in it, and a check of that event."""

import re
import secrets

from gateway.errors import BadUserInput, Rule
from gateway.events.log import NoLongerHeld

__all__ = ["ResumeTokens", "invalid_resume_token"]

# "e1" is the version of the format; tokens of positions whose event is not known have no check.
_TOKEN = re.compile(r"e1([0-9a-f]{16})([0-9a-f]{16})([0-9a-f]{8})?")


class ResumeTokens:
    """Encodes and decodes the tokens of one log. The name of a log is unique: tokens of other logs are recognised.

    A check is a short hash of the entry (`gateway.events.entries.check_of`). A log that was restored from an older copy
    gives its numbers a second time; the check shows that a token is that of another event of the same number.
    """

    def __init__(self, log: str | None = None) -> None:
        self._log = log or secrets.token_hex(8)

    def encode(self, number: int, check: str = "") -> str:
        """Return the token of the event of that number; 0 is the position before the first event."""
        return f"e1{self._log}{number:016x}{check}"

    def decode(self, token: str) -> tuple[int, str]:
        """Return the number and the check in a token, "" where it has none; the log may not have reached it yet.

        Raises:
            BadUserInput: no log has created the token.
            NoLongerHeld: another log has created it.
        """
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            raise invalid_resume_token()
        if parts[1] != self._log:
            raise NoLongerHeld
        return int(parts[2], 16), parts[3] or ""


def invalid_resume_token() -> BadUserInput:
    """Return the error for a resume token that is not the id of an event."""
    return BadUserInput.at(("resume_token",), "is not the id of an event", Rule.FORMAT, format="resumeToken")
