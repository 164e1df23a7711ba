"""Reads the page size and the page token of a request (AIP-158)."""

from typing import Any

from gateway.errors import BadUserInput, Rule

__all__ = ["page_of"]

_DEFAULT_SIZE = 50
_MAX_SIZE = 200


def page_of(request: Any) -> tuple[int, str | None]:
    """Return the size of the requested page, and the token of the page before; None for the first page.

    Raises:
        BadUserInput: the size is negative.
    """
    if request.page_size < 0:
        raise BadUserInput.at(("page_size",), "must not be negative", Rule.RANGE, min=0)
    return min(request.page_size or _DEFAULT_SIZE, _MAX_SIZE), request.page_token or None
