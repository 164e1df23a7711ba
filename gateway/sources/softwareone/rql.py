"""Builds conditions in RQL, the query language of the softwareone source, and quotes the values in them.

Conditions are appended to the query string as they are, so each value is percent-encoded too. The source decodes the
query before it parses it. A value stands between two quotation marks of the same kind, and RQL has no escapes for them,
so a value with both kinds cannot be expressed (docs/upstreams/softwareone.md, "RQL").
"""

from urllib.parse import quote

__all__ = ["all_of", "any_of", "before", "contains", "equals_ignoring_case", "not_before"]


def contains(field: str, value: str) -> str:
    r"""Return the condition that the field contains this text, in any case.

    Between the two outer `*` every character stands for itself, including `*` and `\`.

    Raises:
        ValueError: the value cannot be expressed: it has both kinds of quotation marks, or ends with a backslash, which
            would escape the outer `*`. The message continues after the name of the value.
    """
    if value.endswith("\\"):
        raise ValueError("must not end with a backslash, since the SoftwareOne source cannot search for that")
    return f"ilike({field},{_quote(f'*{value}*')})"


def equals_ignoring_case(field: str, value: str) -> str:
    r"""Return the condition that the field has this value, in any case.

    That is `ilike` without a wildcard; a `*` at an end of the value is escaped. A value that begins with `\*`, or is
    `*`, cannot be expressed, and results in the wider search of `contains`.

    Raises:
        ValueError: it has both kinds of quotation marks. The message continues after the name of the value.
    """
    if value.startswith("\\*") or value == "*":
        return contains(field, value.rstrip("\\"))
    escape = "\\" if value.startswith("*") else ""
    pattern = escape + (f"{value[:-1]}\\*" if value.endswith("*") else value)
    return f"ilike({field},{_quote(pattern)})"


def not_before(field: str, time: str) -> str:
    """Return the condition that the time in the field is this one or later."""
    return f"ge({field},{_quote(time)})"


def before(field: str, time: str) -> str:
    """Return the condition that the time in the field is an earlier one."""
    return f"lt({field},{_quote(time)})"


def all_of(*conditions: str) -> str:
    """Return the condition that all of these are met."""
    return conditions[0] if len(conditions) == 1 else f"and({','.join(conditions)})"


def any_of(*conditions: str) -> str:
    """Return the condition that at least one of these is met."""
    return conditions[0] if len(conditions) == 1 else f"or({','.join(conditions)})"


def _quote(value: str) -> str:
    """Quote and percent-encode a value, like the vendor's client with single marks where that is possible."""
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise ValueError(
            "must not have both ' and \", since the SoftwareOne source cannot search for that: leave one out"
        )
    return f"{mark}{quote(value, safe='*')}{mark}"
