"""How much of a list is asked for (AIP-158)."""

from typing import Any

from gateway.errors import BadUserInput

__all__ = ["page_of"]

_USUAL = 50
_LARGEST = 200


def page_of(request: Any) -> tuple[int, str | None]:
    """How many are wanted, and behind which token.

    Raises:
        BadUserInput: a negative number.
    """
    if request.page_size < 0:
        raise BadUserInput.at(("page_size",), "must not be negative")
    return min(request.page_size or _USUAL, _LARGEST), request.page_token or None
