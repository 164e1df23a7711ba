"""The comparison of two checkouts."""

import orjson

from benchmarks.commits import AFTER, BEFORE, CommitsOutcome, markdown, pairs
from benchmarks.pairs import Ratio

READ, CONNECT = "user(id)", "Connect GetUser"


def outcome() -> CommitsOutcome:
    """A comparison where only the later checkout has Connect."""
    results = {
        READ: {BEFORE: Ratio(200.0, 1.0, 1.0, 1.0), AFTER: Ratio(90.0, 0.452, 0.44, 0.47)},
        CONNECT: {AFTER: Ratio(60.0, 1.0, 1.0, 1.0)},
    }
    return CommitsOutcome(
        {"python": "any"}, {BEFORE: "../a", AFTER: "."}, 2, 0.4, results, {f"{CONNECT}, before": "404"}
    )


def test_the_table() -> None:
    """A row has both figures, their ratio with quartiles, and the ratio to `user(id)` before."""
    text = markdown(outcome())
    assert f"| {READ} | 200 | 90 | **0.452** (0.44 to 0.47) | 0.450 |" in text
    assert "- before: ../a" in text


def test_what_only_one_can_do() -> None:
    """What the earlier checkout cannot do has no ratio to itself, but one to `user(id)`, and the reason is given."""
    text = markdown(outcome())
    assert f"| {CONNECT} |  | 60 |  | 0.300 |" in text
    assert text.endswith(f"Left out: {CONNECT}, before (404).\n")


def test_the_json() -> None:
    """The JSON has all ratios."""
    assert orjson.loads(outcome().json())["results"][READ][AFTER]["ratio"] == 0.452


def test_the_first_pair_is_the_reference() -> None:
    """Each pair has its own title, and the first is the one that all are compared with."""
    titles = [pair.title for pair in pairs()]
    assert titles[0] == READ
    assert len(set(titles)) == len(titles)
