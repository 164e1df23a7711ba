from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.kit.shaped_headers import Shape, ShapedHeaders
from gateway.sources.http.quota import Quota, _known, parse_quota

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def as_received(headers: Mapping[str, str]) -> ShapedHeaders:
    """Return these headers as the lean client has them."""
    fields = {name.encode(): value.encode() for name, value in headers.items()}
    return ShapedHeaders(fields, Shape({name.lower(): name.encode() for name in headers}))


@pytest.mark.parametrize(
    ("headers", "reported"),
    [
        ({}, Quota()),
        ({"RateLimit-Limit": "20", "RateLimit-Remaining": "7", "RateLimit-Reset": "1"}, Quota(20, 7, 1.0)),
        ({"ratelimit-limit": "20, 20;w=1", "ratelimit-remaining": " 0 "}, Quota(20, 0, None)),
        ({"RateLimit-Limit": "-1", "RateLimit-Remaining": "many", "RateLimit-Reset": "1.5"}, Quota()),
        ({"RateLimit-Remaining": "9" * 30}, Quota()),
        ({"RateLimit-Limit": "٢٠", "RateLimit-Remaining": "٣"}, Quota()),
        (
            {
                "X-Rate-Limit-Limit": "5s",
                "X-Rate-Limit-Remaining": "12",
                "X-Rate-Limit-Reset": "2026-11-22T12:00:03.5000000Z",
            },
            Quota(None, 12, 3.5),
        ),
        ({"X-Rate-Limit-Remaining": "1", "X-Rate-Limit-Reset": "2026-11-22T12:00:02"}, Quota(None, 1, 2.0)),
        (
            {"X-Rate-Limit-Limit": "5s", "X-Rate-Limit-Remaining": "1", "X-Rate-Limit-Reset": "2027-01-01T00:00:00Z"},
            Quota(None, 1, 5.0),
        ),
        ({"X-Rate-Limit-Remaining": "1", "X-Rate-Limit-Reset": "2026-11-22T11:00:00Z"}, Quota(None, 1, 0.0)),
        ({"X-Rate-Limit-Limit": "50", "X-Rate-Limit-Remaining": "x", "X-Rate-Limit-Reset": "soon"}, Quota()),
    ],
)
def test_parse_quota(headers: dict[str, str], reported: Quota) -> None:
    """Both forms are parsed, by each client and also once they are known; a malformed value counts as absent."""
    for received in (CIMultiDict(headers), as_received(headers), CIMultiDict(headers), as_received(headers)):
        assert parse_quota(received, now=NOW) == reported


def test_quota_with_same_values() -> None:
    """The names count, not only the values; a time is compared with the present one each time."""
    assert parse_quota(as_received({"RateLimit-Remaining": "3"})) == Quota(remaining=3)
    assert parse_quota(as_received({"RateLimit-Limit": "3"})) == Quota()
    for seconds in (2.0, 1.0):
        headers = {"X-Rate-Limit-Remaining": "1", "X-Rate-Limit-Reset": "2026-11-22T12:00:02"}
        now = NOW + timedelta(seconds=2 - seconds)
        assert parse_quota(as_received(headers), now=now) == Quota(None, 1, seconds)


def test_quota_with_names_in_another_case() -> None:
    """Of two heads with the same names, one of which an intermediary wrote in another case, each has its own quota."""
    mixed = {"ratelimit-limit": "20", "RateLimit-Remaining": "1", "ratelimit-reset": "3"}
    lower = {"ratelimit-limit": "1", "ratelimit-remaining": "20", "ratelimit-reset": "3"}
    for _ in range(2):
        assert parse_quota(as_received(mixed)) == Quota(20, 1, 3.0)
        assert parse_quota(as_received(lower)) == Quota(1, 20, 3.0)


@given(st.text(), st.text(), st.text(), st.sampled_from(["RateLimit", "X-Rate-Limit"]))
def test_anything(limit: str, remaining: str, reset: str, prefix: str) -> None:
    """No value of a header raises an exception."""
    reported = parse_quota({f"{prefix}-Limit": limit, f"{prefix}-Remaining": remaining, f"{prefix}-Reset": reset})
    assert reported.reset is None or reported.reset >= 0


@pytest.mark.parametrize("form", [dict, as_received])
def test_long_counts(form: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
    """Counts that a source makes longer than any number are read as others are, and not kept in memory."""
    known = len(_known)
    assert parse_quota(form({"RateLimit-Remaining": "7, " + "x" * 60_000})) == Quota(remaining=7)
    assert len(_known) == known


def test_many_counts() -> None:
    """However many different counts a source sends, few of them are kept in memory."""
    for remaining in range(3000):
        assert parse_quota(as_received({"RateLimit-Remaining": str(remaining)})) == Quota(remaining=remaining)
        assert len(_known) <= 1024
