from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.sources.http.bucket import Quota, _parse_counts, parse_quota

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


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
    """Both forms of headers are parsed; a malformed value counts as absent."""
    assert parse_quota(CIMultiDict(headers), now=NOW) == reported


@given(st.text(), st.text(), st.text(), st.sampled_from(["RateLimit", "X-Rate-Limit"]))
def test_anything(limit: str, remaining: str, reset: str, prefix: str) -> None:
    """No value of a header raises an exception."""
    reported = parse_quota({f"{prefix}-Limit": limit, f"{prefix}-Remaining": remaining, f"{prefix}-Reset": reset})
    assert reported.reset is None or reported.reset >= 0


def test_long_counts() -> None:
    """Counts that a source makes longer than any number are read as others are, and not kept in memory."""
    kept = _parse_counts.cache_info().currsize
    assert parse_quota({"RateLimit-Remaining": "7, " + "x" * 60_000}) == Quota(remaining=7)
    assert _parse_counts.cache_info().currsize == kept
