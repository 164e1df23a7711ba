"""What is written is read back by a parser of the vendor's grammar (mpt-rql-net, RqlParser.cs, Like.cs)."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput
from gateway.sources.softwareone.rql import both, contains, either, equal, out

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\"'\\*%,()&;|=+# "), max_size=20)


def parsed(query: str) -> list[object]:
    """A query as nested lists: a call is its name and its arguments, a quoted value is a `(value,)`.

    As in the vendor's parser a value ends at the next mark of the kind that it began with, whatever is before it.
    """
    text = unquote(query)

    def items(at: int) -> tuple[list[object], int]:
        found: list[object] = []
        word = ""
        while at < len(text):
            c = text[at]
            if c in "\"'":
                end = text.index(c, at + 1)
                found.append((text[at + 1 : end],))
                at = end
            elif c == "(":
                inner, at = items(at + 1)
                found.append([word, *inner])
                word = ""
            elif c in ",&;|)":
                found += [word] if word else []
                word = ""
                if c == ")":
                    return found, at
            else:
                word += c
            at += 1
        return found + ([word] if word else []), at

    return items(0)[0]


def searched(pattern: str) -> str:
    """The text that a pattern of `ilike` looks for (Like.cs): between its outer wildcards nothing is special."""
    assert pattern.startswith("*")
    assert pattern.endswith("*")
    assert not pattern.endswith("\\*")
    return pattern[1:-1]


def writable(text: str) -> bool:
    return not ('"' in text and "'" in text)


@given(texts)
def test_equal(value: str) -> None:
    """Any value stays one value, unless it has both quotation marks, which RQL cannot write."""
    if not writable(value):
        with pytest.raises(BadUserInput):
            equal("email", value)
        return
    assert parsed(equal("email", value)) == [["eq", "email", (value,)]]


@given(texts)
def test_contains(value: str) -> None:
    """A search finds every text that contains the value; it is exact but for what RQL cannot write."""
    query = parsed(contains("name", value))
    calls = query[0][1:] if query[0][0] == "and" else query
    looked_for = [searched(pattern) for _, _, (pattern,) in calls]
    assert [call[:2] for call in calls] == [["ilike", "name"]] * len(calls)
    assert all(one in value for one in looked_for)
    if writable(value):
        assert looked_for == [value.rstrip("\\")]


@pytest.mark.parametrize(
    "value",
    [
        'x"),eq(id,"y',
        "x'),eq(id,'y",
        "a&select=-*",
        "a#b?c=d",
        "100%25",
        "*",
        "a\\*b",
        "a*b*",
        "\\",
        "Ångström 写真",
        "and(",
        ")",
        "a,b;c|d=e+f",
    ],
)
def test_attempts(value: str) -> None:
    """An attempt to leave a value stays in it, and in its part of the URL."""
    for query, value_of in (
        (equal("f", value), [["eq", "f", (value,)]]),
        (out("f", value), [["out", "f", ["", (value,)]]]),
    ):
        assert parsed(query) == value_of
        assert query.isascii()
        assert not set(query) & set("&#?+; \\")


def test_both_marks_break_nothing() -> None:
    """A value with both quotation marks that tries to leave is refused, or searched for in pieces."""
    value = 'x\'"),eq(id,"y'
    with pytest.raises(BadUserInput):
        equal("f", value)
    with pytest.raises(BadUserInput):
        out("f", "a", value)
    assert parsed(contains("f", value)) == [
        ["and", ["ilike", "f", ("*x'*",)], ["ilike", "f", ("*),eq(id,*",)], ["ilike", "f", ("*y*",)]]
    ]


def test_written() -> None:
    """The documents' own form: double quotes, bare parentheses and wildcards, everything else percent-encoded."""
    assert equal("id", "USR-0000-0001") == 'eq(id,"USR-0000-0001")'
    assert equal("email", "a@b.c") == 'eq(email,"a%40b.c")'
    assert equal("name", 'the "one"') == "eq(name,'the%20%22one%22')"
    assert contains("name", "a b") == 'ilike(name,"*a%20b*")'
    assert contains("name", "") == 'ilike(name,"**")'
    assert out("status", "Deleted", "Disabled") == 'out(status,("Deleted","Disabled"))'


def test_combining() -> None:
    """Conditions are joined by name; one needs no joining."""
    a, b = equal("a", "1"), equal("b", "2")
    assert both(a, b) == f"and({a},{b})"
    assert either(a, both(a, b)) == f"or({a},and({a},{b}))"
    assert both(a) == either(a) == a
