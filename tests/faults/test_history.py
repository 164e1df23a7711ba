"""A random history of two replicas under faults is checked against what the gateway promises, and so is the checker.

`TEST_HISTORY_SECONDS` (10 by default; 300 is a thorough run) and `TEST_HISTORY_SEED` may be set. The seed and the
figures are in the output of the test (`pytest -rP`).
"""

import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from faults import stand_in
from faults.campaign import Campaign
from faults.history import Attempt, Change, Delivery, Follower, History, Sight, Walk, violations
from faults.stand_in import Executed, Read
from state.server import RedisServer

SECONDS = float(os.environ.get("TEST_HISTORY_SECONDS", "10"))
SEED = int(os.environ.get("TEST_HISTORY_SEED", str(random.SystemRandom().randrange(10**9))))


@pytest.mark.parametrize("flushes", [False, True], ids=["durable Redis", "flushed Redis"])
async def test_a_history(tmp_path: Path, *, flushes: bool) -> None:
    """While sources, Redis and replicas fail, no promise about changes, reads, lists and events is broken."""
    sys.stdout.write(f"seed {SEED}\n")
    rng = random.Random(f"{SEED} {flushes}")  # noqa: S311 - no secret depends on it
    async with (
        stand_in.running() as sources,
        Campaign.running(rng, sources, RedisServer(tmp_path), tmp_path, flushes=flushes) as campaign,
    ):
        await campaign.run(SECONDS)
        history = campaign.history
        ends = Counter(change.attempts[-1].code or "acknowledged" for change in history.changes if change.attempts)
        sys.stdout.write(
            f"{len(history.changes)} changes {dict(ends)}, {len(sources.executed)} executed, "
            f"{len(history.sights)} reads, {len(history.walks)} walks, "
            f"{[len(follower.deliveries) for follower in history.followers]} events\n"
        )
        found = violations(history, sources.executed, sources.reads)
    assert found == [], f"seed {SEED}: {len(found)} violations\n" + "\n".join(found)
    assert ends["acknowledged"] > SECONDS
    assert len(history.sights) > SECONDS
    assert history.walks


def acknowledged(value: str, at: float, *, source: str = "softwareone", before: tuple[Attempt, ...] = ()) -> Change:
    """Return a change of the user `one` that is acknowledged at a time, half a second after it was requested."""
    return Change(source, "one", value, attempts=[*before, Attempt(at - 0.5, at)])


def execution(value: str, at: float, *, source: str = "softwareone", arrived: float | None = None) -> Executed:
    return Executed(source, "one", value, at if arrived is None else arrived, at)


def sight(value: str, began: float, *, replica: int = 0) -> Sight:
    return Sight(replica, "softwareone", "one", value, began, began + 0.1)


def follower(*values: str) -> Follower:
    return Follower([Delivery("softwareone", "one", value, 0.0) for value in values])


UNKNOWN = Attempt(0.0, 1.0, "SOURCE_TIMEOUT", unknown=True)
REFUSED = Attempt(0.0, 1.0, "NOT_FOUND")
ONE_CHANGE = [acknowledged("a", 2.0)]
TWO_CHANGES = [acknowledged("a", 2.0), acknowledged("b", 4.0)]
SAME = {"a": 0, "b": 0}
TWO_EXECUTIONS = [execution("a", 1.6), execution("b", 3.6)]


@pytest.mark.parametrize(
    ("history", "executed", "reads"),
    [
        pytest.param(History(ONE_CHANGE), [execution("a", 1.6)], [], id="a change and its execution"),
        pytest.param(
            History([acknowledged("a", 6.0, before=(UNKNOWN,))]),
            [execution("a", 5.9, arrived=5.8), execution("a", 6.0, arrived=0.5)],
            [Read("softwareone", "one", 5.7)],
            id="a first request that is executed after the read of its repetition",
        ),
        pytest.param(
            History([Change("softwareone", "one", "a", attempts=[UNKNOWN])]),
            [execution("a", 30.0, arrived=0.5)],
            [],
            id="an unknown outcome that is late",
        ),
        pytest.param(
            History(TWO_CHANGES, [sight("b", 4.1), sight("a", 3.0)], replica_of=SAME),
            TWO_EXECUTIONS,
            [],
            id="reads of what there is",
        ),
        pytest.param(
            History(TWO_CHANGES, [sight("a", 4.1, replica=1)], replica_of={"b": 0}),
            TWO_EXECUTIONS,
            [],
            id="a read of another replica that joins one under way",
        ),
        pytest.param(History(walks=[Walk(["x", "y", "z"], frozenset("xy"))]), [], [], id="a walk with somebody new"),
        pytest.param(
            History(TWO_CHANGES, followers=[follower("a", "b"), follower("b")]),
            TWO_EXECUTIONS,
            [],
            id="a follower that gets only the later one of two changes",
        ),
        pytest.param(
            History(ONE_CHANGE, followers=[Follower(gaps=[(0.0, 9.0)])]),
            [execution("a", 1.6)],
            [],
            id="a follower that was told to have missed something",
        ),
    ],
)
def test_no_violation(history: History, executed: list[Executed], reads: list[Read]) -> None:
    """The checker reports nothing where every promise is kept."""
    assert violations(history, executed, reads) == []


@pytest.mark.parametrize(
    ("history", "executed", "reads", "message"),
    [
        pytest.param(
            History(ONE_CHANGE), [execution("a", 1.6), execution("a", 1.7)], [], "executed 2 times", id="without a read"
        ),
        pytest.param(
            History([acknowledged("a", 6.0, before=(UNKNOWN,))]),
            [execution("a", 0.6), execution("a", 5.9)],
            [Read("softwareone", "one", 5.7)],
            "executed 2 times",
            id="after a read that showed it",
        ),
        pytest.param(
            History([acknowledged("a", 6.0, source="account", before=(UNKNOWN,))]),
            [execution("a", 0.6, source="account"), execution("a", 5.9, source="account")],
            [Read("account", "one", 0.7)],
            "executed 2 times",
            id="under a key that the source did not forget",
        ),
        pytest.param(History(ONE_CHANGE), [], [], "not executed", id="acknowledged for nothing"),
        pytest.param(
            History(ONE_CHANGE),
            [execution("a", 2.5)],
            [],
            "acknowledged but not",
            id="acknowledged too early",
        ),
        pytest.param(
            History([Change("account", "one", "a", attempts=[REFUSED])]),
            [execution("a", 0.5, source="account")],
            [],
            "says that it was not",
            id="refused after the execution",
        ),
        pytest.param(
            History([Change("account", "one", "a", attempts=[UNKNOWN, Attempt(2.0, 3.0, "CONFLICT")])]),
            [execution("a", 0.5, source="account")],
            [],
            "after its own execution",
            id="refused because of the first request",
        ),
        pytest.param(
            History([Change("account", "one", "a", attempts=[Attempt(0.0, 1.0, "BAD_USER_INPUT")])]),
            [],
            [],
            "is correct, but was refused",
            id="a correct change refused as a mistake",
        ),
        pytest.param(
            History(TWO_CHANGES, [sight("a", 4.1)], replica_of=SAME),
            TWO_EXECUTIONS,
            [],
            "is older than b",
            id="a stale read",
        ),
        pytest.param(
            History(ONE_CHANGE, [sight("initial", 2.1)], replica_of=SAME),
            [execution("a", 1.6)],
            [],
            "older than a",
            id="a lost change",
        ),
        pytest.param(
            History(TWO_CHANGES, [sight("b", 1.0)]), TWO_EXECUTIONS, [], "before its execution", id="an invented value"
        ),
        pytest.param(
            History(walks=[Walk(["x", "y", "x"], frozenset("xy"))]), [], [], "more than once", id="a repeated user"
        ),
        pytest.param(History(walks=[Walk(["x"], frozenset("xy"))]), [], [], "did not find", id="a skipped user"),
        pytest.param(
            History(ONE_CHANGE, followers=[follower()]), [execution("a", 1.6)], [], "did not receive", id="a lost event"
        ),
        pytest.param(
            History(TWO_CHANGES, followers=[follower("a")]),
            TWO_EXECUTIONS,
            [],
            "did not receive",
            id="a lost later event",
        ),
        pytest.param(
            History(ONE_CHANGE, followers=[follower("a", "a")]),
            [execution("a", 1.6)],
            [],
            "more than once",
            id="a repeated event",
        ),
        pytest.param(
            History(TWO_CHANGES, followers=[follower("a", "b"), follower("b", "a")]),
            TWO_EXECUTIONS,
            [],
            "in another order",
            id="two orders",
        ),
    ],
)
def test_violations(history: History, executed: list[Executed], reads: list[Read], message: str) -> None:
    """The checker finds each kind of broken promise."""
    found = violations(history, executed, reads)
    assert any(message in violation for violation in found), found
