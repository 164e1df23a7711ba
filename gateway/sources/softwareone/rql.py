"""RQL, the Marketplace's query language, as far as it is sent: values are quoted and escaped here.

Appended raw to the query string, so each value is percent-encoded too (softwareone.md, 3).
"""

from urllib.parse import quote

__all__ = ["both", "contains", "either", "equal", "out"]


def equal(field: str, value: str) -> str:
    """The field has exactly this value."""
    return f"eq({field},{_quoted(value)})"


def contains(field: str, value: str) -> str:
    """The field contains this text, in any case; a `*` in it is escaped, since at an end it would be a wildcard."""
    return f"ilike({field},{_quoted('*' + value.replace('*', chr(92) + '*') + '*')})"


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
    # A value may be quoted either way; the quote that it does not contain needs no escaping.
    mark = "'" if '"' in value and "'" not in value else '"'
    escaped = value.replace(mark, f"\\{mark}")
    return f"{mark}{quote(escaped, safe='*')}{mark}"
