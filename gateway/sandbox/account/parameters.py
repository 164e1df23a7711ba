"""Parses query parameters of the account API: scalars, arrays in all spellings, includes."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from gateway.sandbox.account.errors import ApiError

__all__ = ["Parameters"]

_MAX_Q_LENGTH = 500


class Parameters:
    """The query of a request, checked against the parameters that its endpoint declares. Raises ApiError.

    Arrays may be spelled `key[]=a&key[]=b`, `key=a,b`, repeated or mixed (docs/upstreams/account.md, "Lists").
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
        """Return the first value of a parameter, or None when it is absent or empty."""
        return next((value for key, value in self._pairs if key == name), None) or None

    def search(self) -> str | None:
        """Return the parameter `q`; more than 500 characters are refused."""
        value = self.text("q")
        if value is not None and len(value) > _MAX_Q_LENGTH:
            message = f"Query parameter 'q' must be at most {_MAX_Q_LENGTH} characters."
            raise ApiError(400, "parameter_invalid", message, "q")
        return value

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        """Return an integer within bounds."""
        value = next((value for key, value in self._pairs if key == name), None)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            message = f"Query parameter '{name}' must be an integer."
            raise ApiError(400, "parameter_invalid", message, name) from None
        if number > maximum:
            raise ApiError(400, "parameter_invalid", f"Query parameter '{name}' must be at most {maximum}.", name)
        if number < minimum:
            raise ApiError(400, "parameter_invalid", f"Query parameter '{name}' must be at least {minimum}.", name)
        return number

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """Return a parameter with a fixed set of values, or None when it is absent."""
        value = self.text(name)
        if value is not None and value not in allowed:
            message = f"Query parameter '{name}' must be one of: {', '.join(allowed)}"
            raise ApiError(400, "parameter_invalid", message, name)
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean parameter, or None when it is absent."""
        value = self.choice(name, ("true", "false"))
        return None if value is None else value == "true"

    def array(self, name: str) -> list[str]:
        """Return all values of an array, in whichever spelling they were sent."""
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
