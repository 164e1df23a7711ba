"""Query parameters of the account API: scalars, arrays in all their spellings, includes."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from gateway.sandbox.account.errors import ApiError

__all__ = ["Parameters"]

_LONGEST_Q = 500


class Parameters:
    """The query of one request, checked against what its endpoint declares.

    Arrays may be spelled `key[]=a&key[]=b`, `key=a,b`, repeated or mixed (account.md, section 5).
    """

    def __init__(
        self,
        query: str,
        *,
        scalars: Sequence[str] = (),
        arrays: Sequence[str] = (),
        includes: Sequence[str] = (),
    ) -> None:
        self._pairs = parse_qsl(query, keep_blank_values=True)
        known = {*scalars, *arrays, *(f"{name}[]" for name in arrays)}
        for name, _ in self._pairs:
            if name in {"include", "include[]"}:
                if not includes:
                    message = "This endpoint does not support the include parameter."
                    raise ApiError(400, "parameter_invalid", message, "include[]")
            elif name not in known:
                raise ApiError(400, "parameter_unknown", f"Unknown query parameter '{name}'.", name)
        self.includes = self._includes(includes)

    def text(self, name: str) -> str | None:
        """The first value, or None when it is absent or empty."""
        return next((value for key, value in self._pairs if key == name), None) or None

    def search(self) -> str | None:
        """The parameter `q`, at most 500 characters."""
        value = self.text("q")
        if value is not None and len(value) > _LONGEST_Q:
            message = f"Query parameter 'q' must be at most {_LONGEST_Q} characters."
            raise ApiError(400, "parameter_invalid", message, "q")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """A bounded number."""
        value = next((value for key, value in self._pairs if key == name), None)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            message = f"Query parameter '{name}' must be an integer."
            raise ApiError(400, "parameter_invalid", message, name) from None
        if number > most:
            raise ApiError(400, "parameter_invalid", f"Query parameter '{name}' must be at most {most}.", name)
        if number < least:
            raise ApiError(400, "parameter_invalid", f"Query parameter '{name}' must be at least {least}.", name)
        return number

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of a few words."""
        value = self.text(name)
        if value is not None and value not in allowed:
            message = f"Query parameter '{name}' must be one of: {', '.join(allowed)}"
            raise ApiError(400, "parameter_invalid", message, name)
        return value

    def flag(self, name: str) -> bool | None:
        """A truth value."""
        value = self.choice(name, ("true", "false"))
        return None if value is None else value == "true"

    def array(self, name: str) -> list[str]:
        """Every value of an array, whatever its spelling."""
        spellings = {name, f"{name}[]"}
        return [item for key, value in self._pairs if key in spellings for item in value.split(",") if item]

    def _includes(self, allowed: Sequence[str]) -> frozenset[str]:
        included: set[str] = set()
        for path in self.array("include"):
            if path not in allowed:
                message = f"Invalid include value '{path}'. Allowed values: {', '.join(allowed)}"
                raise ApiError(400, "parameter_invalid", message, "include[]")
            steps = path.split(".")
            included.update(".".join(steps[: depth + 1]) for depth in range(len(steps)))
        return frozenset(included)
