"""RQL, the Marketplace's query language, as far as it is sent: values are quoted here.

Appended raw to the query string, so each value is percent-encoded too (softwareone.md, 3). Its parser knows two
quotation marks and no escaping: a value ends at the next mark of the kind that it began with (mpt-rql-net,
RqlParser.cs). So a value that has both kinds cannot be written.
"""

from urllib.parse import quote

from gateway.errors import BadUserInput

__all__ = ["both", "contains", "either", "equal", "out", "same"]


def equal(field: str, value: str) -> str:
    """The field has exactly this value.

    Raises:
        BadUserInput: the value has both kinds of quotation marks.
    """
    return f"eq({field},{_quoted(value)})"


def contains(field: str, value: str) -> str:
    """The field contains this text, in any case.

    Between the two outer `*` every character is itself, `*` and the backslash too (mpt-rql-net, Like.cs). Two texts
    cannot be written and are searched for more widely: a backslash at the end, which would escape the outer `*`, is
    left out; of a text with both kinds of quotation marks each piece has to be there.
    """
    pieces = value.split('"') if _both_marks(value) else [value]
    kept = [piece for piece in (one.rstrip("\\") for one in pieces) if piece]
    return both(*(f"ilike({field},{_quoted(f'*{piece}*')})" for piece in kept or [""]))


def same(field: str, value: str) -> str:
    r"""The field has this value, in any case.

    That is `ilike` without a `*` at an end; one of the value's own is escaped there. A value that cannot be written,
    with both kinds of quotation marks or beginning with `\*`, is searched for more widely, by `contains`.
    """
    if _both_marks(value) or value.startswith("\\*") or value == "*":
        return contains(field, value)
    begin = "\\" if value.startswith("*") else ""
    pattern = begin + (f"{value[:-1]}\\*" if value.endswith("*") else value)
    return f"ilike({field},{_quoted(pattern)})"


def out(field: str, *values: str) -> str:
    """The field has none of these values."""
    return f"out({field},({','.join(map(_quoted, values))}))"


def both(*conditions: str) -> str:
    """All of the conditions."""
    return conditions[0] if len(conditions) == 1 else f"and({','.join(conditions)})"


def either(*conditions: str) -> str:
    """At least one of the conditions."""
    return conditions[0] if len(conditions) == 1 else f"or({','.join(conditions)})"


def _quoted(value: str) -> str:
    if _both_marks(value):
        raise BadUserInput("A value with both kinds of quotation marks cannot be looked for in this system.")
    mark = "'" if '"' in value else '"'
    return f"{mark}{quote(value, safe='*')}{mark}"


def _both_marks(value: str) -> bool:
    return '"' in value and "'" in value
