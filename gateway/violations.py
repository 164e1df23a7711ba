"""Broken rules of the input, for messages and for programs: the field, a message, and the rule with its bounds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Bound", "Rule", "Violation", "sentence_of"]

Bound = int | str | Sequence[str]


class Rule(StrEnum):
    """The kinds of rules. The values are those of `violations[].rule` in GraphQL, the names those of `reason` in gRPC.

    After each kind, in brackets, the bounds that its violations have where they are known.
    """

    REQUIRED = "required"  # it is missing
    NOT_NULL = "notNull"  # it is null, and may only be absent or a value
    TYPE = "type"  # [type] it is of another type
    UNKNOWN = "unknown"  # there is no such field
    NOT_ALLOWED = "notAllowed"  # it must not be given together with another field
    MIN_LENGTH = "minLength"  # [min] characters
    MAX_LENGTH = "maxLength"  # [max] characters
    PATTERN = "pattern"  # [pattern] a regular expression of ECMAScript, which the value must contain
    FORMAT = "format"  # [format] what the text must be, e.g. `email`
    ENUM = "enum"  # [values]
    RANGE = "range"  # [min, max]
    MIN_FIELDS = "minFields"  # [min] fields of an object
    MAX_ITEMS = "maxItems"  # [max] items of a list
    MAX_BYTES = "maxBytes"  # [max] bytes of a file
    MEDIA_TYPE = "mediaType"  # [values] the media types that a file may have
    CONTENT = "content"  # [format] the file is not of its media type
    MISMATCH = "mismatch"  # it contradicts another value of the request
    UNIQUE = "unique"  # another record has the value
    EXISTS = "exists"  # the record to which it refers does not exist
    CHANGED = "changed"  # the record was changed meanwhile
    INVALID = "invalid"  # another rule of the gateway, which the message explains
    SOURCE = "source"  # another rule of the source, which the message explains


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of the input.

    `path` is the field by the names of the domain, e.g. `("preferences", 0, "enabled")`; each surface translates it to
    the names of its API. `message` continues after the field: `must not be empty`. It never contains the value.
    `bounds` are those of the rule, by name.
    """

    path: tuple[str | int, ...]
    message: str
    rule: Rule = Rule.INVALID
    bounds: Mapping[str, Bound] = field(default_factory=dict)

    @property
    def field(self) -> str:
        """The path as text, by the names of the domain, e.g. `preferences.0.enabled`."""
        return ".".join(map(str, self.path)).removeprefix("change.")


def sentence_of(violations: Sequence[Violation], field_path: Callable[[Violation], str]) -> str:
    """Return one sentence with all violations, their fields as `field_path` formats them."""
    return f"{'; '.join(f'{field_path(violation)} {violation.message}' for violation in violations)}."
