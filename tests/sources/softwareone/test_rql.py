"""Conditions are parsed by the rules of the vendor's parser (mpt-rql-net, RqlParser.cs and Like.cs)."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.softwareone.rql import all_of, any_of, contains, equals_ignoring_case, not_before

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\"'\\*%,()&;|=+# "), max_size=20)


def parsed(query: str) -> list[object]:
    """Return a query as nested lists: a call is its name and its arguments, a quoted value is a `(value,)`.

    As in the vendor's parser, a value ends at the next quotation mark of the same kind, whatever is before it.
    """
    text = unquote(query)

    def items(at: int) -> tuple[list[object], int]:
        found: list[object] = []
        name = ""
        while at < len(text):
            c = text[at]
            if c in "\"'":
                end = text.index(c, at + 1)
                found.append((text[at + 1 : end],))
                at = end
            elif c == "(":
                inner, at = items(at + 1)
                found.append([name, *inner])
                name = ""
            elif c in ",&;|)":
                found += [name] if name else []
                name = ""
                if c == ")":
                    return found, at
            else:
                name += c
            at += 1
        return found + ([name] if name else []), at

    return items(0)[0]


def text_between_wildcards(pattern: str) -> str:
    """Return the text that a pattern of `ilike` searches for: between its outer wildcards no character is special."""
    assert pattern.startswith("*")
    assert pattern.endswith("*")
    assert not pattern.endswith("\\*")
    return pattern[1:-1]


def expressible(text: str) -> bool:
    return not ('"' in text and "'" in text)


@given(texts)
def test_equals(value: str) -> None:
    """A comparison has the value with escaped outer wildcards, or is the wider search if these cannot be escaped."""
    if not expressible(value):
        with pytest.raises(ValueError, match="both"):
            equals_ignoring_case("email", value)
        return
    query = equals_ignoring_case("email", value)
    [[name, field, (pattern,)]] = parsed(query)
    assert (name, field) == ("ilike", "email")
    if value.startswith("\\*") or value == "*":
        assert text_between_wildcards(pattern) == value.rstrip("\\")
        return
    unescaped = pattern[1:] if pattern.startswith("\\*") else pattern
    assert (f"{unescaped[:-2]}*" if value.endswith("*") else unescaped) == value


@given(texts)
def test_contains(value: str) -> None:
    """A search is for exactly the value; one that RQL cannot express is refused."""
    if not expressible(value) or value.endswith("\\"):
        with pytest.raises(ValueError, match=r"both|backslash"):
            contains("name", value)
        return
    [[name, field, (pattern,)]] = parsed(contains("name", value))
    assert (name, field, text_between_wildcards(pattern)) == ("ilike", "name", value)


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
        "Ångström 写真",
        "and(",
        ")",
        "a,b;c|d=e+f",
    ],
)
def test_attempts(value: str) -> None:
    """A value that tries to end its quotation, or its part of the URL, remains one value."""
    [[_, _, (pattern,)]] = parsed(contains("f", value))
    assert text_between_wildcards(pattern) == value
    for query in (contains("f", value), equals_ignoring_case("f", value)):
        [[name, field, (pattern,)]] = parsed(query)
        assert (name, field) == ("ilike", "f")
        assert value.strip("*\\") in pattern
        assert query.isascii()
        assert not set(query) & set("&#?+; \\")


def test_encoding() -> None:
    """Values stand in single quotes where they have none; parentheses and wildcards are bare, the rest is encoded."""
    assert equals_ignoring_case("id", "USR-0000-0001") == "ilike(id,'USR-0000-0001')"
    assert equals_ignoring_case("email", "a@b.c") == "ilike(email,'a%40b.c')"
    assert equals_ignoring_case("name", "o'a") == 'ilike(name,"o%27a")'
    assert equals_ignoring_case("name", 'the "one"') == "ilike(name,'the%20%22one%22')"
    assert contains("name", "a b") == "ilike(name,'*a%20b*')"
    assert contains("name", "") == "ilike(name,'**')"
    assert not_before("at", "2026-01-01T00:00:00.000Z") == "ge(at,'2026-01-01T00%3A00%3A00.000Z')"


def test_combining() -> None:
    """Several conditions are combined by a function; a single one is returned unchanged."""
    a, b = equals_ignoring_case("a", "1"), equals_ignoring_case("b", "2")
    assert all_of(a, b) == f"and({a},{b})"
    assert any_of(a, all_of(a, b)) == f"or({a},and({a},{b}))"
    assert all_of(a) == any_of(a) == a
