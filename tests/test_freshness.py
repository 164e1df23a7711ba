"""What a caller requests by `Cache-Control`, and what `Cache-Status` answers."""

import math

import pytest

from gateway.freshness import ANY_FRESHNESS, Forward, Freshness, FreshnessReport, StaleRead, StaleReason


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("no-cache", Freshness(no_cache=True)),
        ("No-Cache , max-age=0", Freshness(no_cache=True, max_age=0)),
        ("max-age=0", Freshness(no_cache=True, max_age=0)),
        ("no-store", Freshness(no_cache=True)),
        ("max-age=5", Freshness(max_age=5)),
        ('max-age="5"', Freshness(max_age=5)),
        ("max-age=60,max-age=5", Freshness(max_age=5)),
        ("max-stale", Freshness(max_stale=math.inf)),
        ("max-stale, max-stale=7", Freshness(max_stale=7)),
        ("max-stale=99999999999999999999", Freshness(max_stale=1e20)),
        ("only-if-cached, max-stale=30", Freshness(max_stale=30, only_if_cached=True)),
        (' max-age=1 ,, extension="a, no-cache, b", private', Freshness(max_age=1)),
        ("=, no-cache", Freshness(no_cache=True)),
    ],
)
def test_parsed(header: str, expected: Freshness) -> None:
    """The directives of RFC 9111 are understood in any case, as tokens and as quoted strings; the strictest counts."""
    assert Freshness.parse(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ",",
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age = 5",
        "max-age=5s",
        "max-age=\u0665",
        "max-stale=x",
        "no-cache=5",
        "no-cache x",
        'only-if-cached="',
        "no_cache",
        "min-fresh=5",
    ],
)
def test_malformed_or_unknown_directives_are_ignored(header: str | None) -> None:
    """What is no directive of these changes nothing."""
    assert Freshness.parse(header) is ANY_FRESHNESS


def test_a_long_header_takes_little_time() -> None:
    """A header of many kilobytes without a closing quotation mark is parsed in a time that grows with its length."""
    assert Freshness.parse('a="' + "x,b=" * 20_000) is ANY_FRESHNESS


def report(*, hits: tuple[float, ...] = (), misses: tuple[Forward, ...] = (), stored: int = 0) -> FreshnessReport:
    made = FreshnessReport(stored=stored)
    for ttl in hits:
        made.hit(ttl)
    for forward in misses:
        made.miss(forward)
    return made


def test_cache_status() -> None:
    """One member stands for all reads: a hit with its shortest lifetime, or the most relevant reason for a call."""
    assert report().cache_status is None
    assert report(hits=(10.9, 7.2)).cache_status == "usergateway; hit; ttl=7"
    assert report(misses=(Forward.URI_MISS,), stored=1).cache_status == "usergateway; fwd=uri-miss; stored"
    assert report(misses=(Forward.URI_MISS, Forward.STALE)).cache_status == "usergateway; fwd=stale"
    assert report(misses=(Forward.STALE, Forward.REQUEST, Forward.BYPASS)).cache_status == "usergateway; fwd=bypass"
    partial = report(hits=(3.0,), misses=(Forward.URI_MISS,), stored=1)
    assert partial.cache_status == "usergateway; fwd=partial; ttl=3; stored"


def test_cache_status_of_what_is_stale() -> None:
    """The lifetime is negative by as many whole seconds as it is past, and the reason is a detail."""
    stale = report(hits=(5.0, -11.5))
    stale.stale.append(StaleRead("account", "account", 16.5, StaleReason.SOURCE_TIMEOUT))
    assert stale.cache_status == "usergateway; hit; ttl=-12; detail=source-timeout"


def test_cache_status_beside_what_is_not_kept() -> None:
    """It is no hit of the whole operation if a source was called for something else, or if it is a change."""
    for made in (FreshnessReport(unkept=True), FreshnessReport(reads_users_anew=True)):
        assert made.cache_status is None
        made.hit(20.0)
        assert made.cache_status == "usergateway; fwd=partial; ttl=20"
