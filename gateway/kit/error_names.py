"""Names an exception of other code in a log, without its text: that may contain a credential or personal data."""

import traceback
from pathlib import PurePath

__all__ = ["name_of"]


def name_of(error: BaseException) -> str:
    """Return the class of an exception and where it was raised, e.g. `httpx.ReadTimeout (client.py:99)`."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{name} ({PurePath(frames[-1].filename).name}:{frames[-1].lineno})" if frames else name
