"""Builds conditions in RQL, the query language of the softwareone source, and quotes the values in them.

Conditions are appended to the query string as they are, so each value is percent-encoded too. A value stands between
two quotation marks of the same kind, and RQL has no escapes for them, so a value with both kinds cannot be expressed
(docs/upstreams/softwareone.md, "RQL").
"""

from urllib.parse import quote

__all__ = ["all_of", "any_of", "contains", "equals_ignoring_case"]


def contains(field: str, value: str) -> str:
    r"""Return the condition that the field contains this text, in any case.

    Between the two outer `*` every character stands for itself, including `*` and `\`. Two texts cannot be expressed
    and result in a wider search: a backslash at the end, which would escape the outer `*`, is left out; of a text with
    both kinds of quotation marks, each piece between the double ones has to occur.
    """
    pieces = value.split('"') if _has_both_quotes(value) else [value]
    kept = [stripped for stripped in (piece.rstrip("\\") for piece in pieces) if stripped]
    return all_of(*(f"ilike({field},{_quote(f'*{piece}*')})" for piece in kept or [""]))


def equals_ignoring_case(field: str, value: str) -> str:
    r"""Return the condition that the field has this value, in any case.

    That is `ilike` without a wildcard; a `*` at an end of the value is escaped. A value that cannot be expressed, with
    both kinds of quotation marks or with `\*` at its beginning, results in the wider search of `contains`.
    """
    if _has_both_quotes(value) or value.startswith("\\*") or value == "*":
        return contains(field, value)
    escape = "\\" if value.startswith("*") else ""
    pattern = escape + (f"{value[:-1]}\\*" if value.endswith("*") else value)
    return f"ilike({field},{_quote(pattern)})"


def all_of(*conditions: str) -> str:
    """Return the condition that all of these are met."""
    return conditions[0] if len(conditions) == 1 else f"and({','.join(conditions)})"


def any_of(*conditions: str) -> str:
    """Return the condition that at least one of these is met."""
    return conditions[0] if len(conditions) == 1 else f"or({','.join(conditions)})"


def _quote(value: str) -> str:
    """Quote and percent-encode a value that does not contain both kinds of quotation marks."""
    mark = "'" if '"' in value else '"'
    return f"{mark}{quote(value, safe='*')}{mark}"


def _has_both_quotes(value: str) -> bool:
    return '"' in value and "'" in value
