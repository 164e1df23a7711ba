"""Errors of files that settings name, for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.settings.names import variable_of

__all__ = ["named_setting"]


@contextmanager
def named_setting(*path: str) -> Iterator[None]:
    """Name the setting in the error if the block cannot use its value; `path` is that of the setting in the tree.

    Raises:
        ValueError: the block raised it; the message begins with the variable of the setting.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{variable_of(path)}: {error}") from error
