import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.http.bucket import Bucket, Quota, Rate


class Now:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


RATE = Rate(4, 1.0, margin=0.0)


def test_rates() -> None:
    """A rate may be less than one call a second."""
    assert (Rate.per_second(20), Rate.per_second(0.5)) == (Rate(20, 1.0), Rate(1, 2.0))


@given(st.lists(st.one_of(st.floats(0, 2), st.builds(Quota, st.none() | st.integers(0, 10), st.integers(0, 10)))))
def test_try_take(history: list[float | Quota]) -> None:
    """A token can be taken at once exactly when there is no wait."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    for event in history:
        if isinstance(event, Quota):
            bucket.correct(event, now.at)
        else:
            now.at += event
        waits = bucket.wait() > 0
        assert bucket.try_take() == (None if waits else now.at)


def test_window() -> None:
    """Each token is available again one window after it was taken."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    for _ in range(4):
        now.at += 0.125
        assert bucket.wait() == 0
        bucket.take()
        now.at += 0.125
    assert bucket.wait() == 0.125
    assert [bucket.wait(ahead) for ahead in range(6)] == [0.125, 0.375, 0.625, 0.875, 1.125, 1.375]


def test_given_back() -> None:
    """A token that is given back is available again."""
    bucket = Bucket(Rate(1, 1.0), clock=Now())
    token = bucket.take()
    assert bucket.wait() > 0
    bucket.give_back(token)
    bucket.give_back(token)
    assert bucket.wait() == 0


@pytest.mark.parametrize(
    ("reported", "left"),
    [
        (Quota(4, 1), 1),
        (Quota(4, 0), 0),
        (Quota(4, 3), 2),
        (Quota(None, 1), 1),
        (Quota(2, 1), 0),
        (Quota(100, 97), 2),
        (Quota(100, 1), 1),
        (Quota(4, 900), 2),
        (Quota(0, 0), 0),
        (Quota(), 2),
    ],
)
def test_corrected(reported: Quota, left: int) -> None:
    """After two calls, the calls of other clients are subtracted too, and a report never adds to the rate."""
    bucket = Bucket(RATE, clock=Now())
    bucket.take()
    bucket.correct(reported, bucket.take())
    free = 0
    while bucket.wait() == 0:
        bucket.take()
        free += 1
    assert free == left


def test_in_flight() -> None:
    """Calls that the source has not counted yet are not counted twice."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    for _ in range(3):
        bucket.take()
    now.at += 0.5
    token = bucket.take()
    bucket.correct(Quota(4, 3), token)  # the source has counted one of the four so far
    now.at += 0.7
    bucket.correct(Quota(4, 0), token)  # the source has counted all of them; three are available again by now
    assert (bucket.wait(2), bucket.wait(3) > 0) == (0, True)


def test_late_report() -> None:
    """A report that took longer than the window is ignored."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    token = bucket.take()
    now.at += 1.1
    bucket.correct(Quota(4, 0, 5.0), token)
    assert bucket.wait(3) == 0


@pytest.mark.parametrize(("seconds", "wait"), [(3.0, 3.0), (None, 1.0), (1e9, 900.0), (float("inf"), 900.0)])
@pytest.mark.parametrize("rate", [RATE, None])
def test_paused(rate: Rate | None, seconds: float | None, wait: float) -> None:
    """A pause stops all calls, with or without a rate, for at most 15 minutes."""
    now = Now()
    bucket = Bucket(rate, clock=now)
    bucket.pause(seconds)
    bucket.pause(0.5)
    assert (bucket.wait(), bucket.idle) == (wait, False)
    now.at += wait
    assert (bucket.wait(), bucket.idle) == (0, True)


def test_reset() -> None:
    """With no call left, the bucket waits for the reset that the source reports."""
    bucket = Bucket(RATE, clock=Now())
    bucket.correct(Quota(4, 0, 30.0), bucket.take())
    assert bucket.wait() == 30


def test_no_rate() -> None:
    """Without a rate there is no limit, whatever the source reports."""
    bucket = Bucket(None, clock=Now())
    for _ in range(1000):
        bucket.correct(Quota(1, 0), bucket.take())
    assert bucket.wait(1000) == 0


@given(
    st.integers(1, 6),
    st.sampled_from([0.5, 1.0, 5.0]),
    st.lists(
        st.one_of(
            st.floats(0, 2),
            st.just("take"),
            st.just("give back"),
            st.builds(Quota, *[st.none() | st.integers(0, 10)] * 2, st.none() | st.floats(0, 5)),
        ),
        max_size=200,
    ),
)
def test_any_window(calls: int, seconds: float, history: list[float | str | Quota]) -> None:
    """In no history does a window have more calls than the rate, whatever the source reports."""
    now = Now()
    bucket = Bucket(Rate(calls, seconds, margin=0.0), clock=now)
    taken: list[float] = []
    for event in history:
        if isinstance(event, float):
            now.at += event
        elif isinstance(event, Quota):
            bucket.correct(event, taken[-1] if taken else now.at)
        elif event == "give back" and taken and taken[-1] == now.at:
            bucket.give_back(taken.pop())
        elif event == "take" and bucket.wait() == 0:
            taken.append(bucket.take())
    for start in taken:
        assert sum(start <= at < start + seconds for at in taken) <= calls
