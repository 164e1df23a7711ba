from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.http.bucket import Bucket, Rate, Token
from gateway.sources.http.quota import Quota


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


def use(bucket: Bucket) -> Token:
    """Take a token for a call that is written and answered at once."""
    token = bucket.try_take()
    assert token is not None
    token.mark_sent()
    token.mark_answered()
    return token


@given(st.lists(st.one_of(st.floats(0, 2), st.builds(Quota, st.none() | st.integers(0, 10), st.integers(0, 10)))))
def test_try_take(history: list[float | Quota]) -> None:
    """A token can be taken at once exactly when there is no wait."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    token = use(bucket)
    for event in history:
        if isinstance(event, Quota):
            bucket.correct(event, token)
        else:
            now.at += event
        waits = bucket.wait() > 0
        taken = bucket.try_take()
        assert (taken is None) is waits
        if taken is not None:
            token = taken
            token.mark_answered()


def test_window() -> None:
    """Each token is available again one window after its call was written."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    for _ in range(4):
        now.at += 0.125
        assert bucket.wait() == 0
        use(bucket)
        now.at += 0.125
    assert bucket.wait() == 0.125
    assert [bucket.wait(ahead) for ahead in range(6)] == [0.125, 0.375, 0.625, 0.875, 1.125, 1.375]


def test_not_written() -> None:
    """A token whose call is not written yet stays unavailable, and its window begins when it is."""
    now = Now()
    bucket = Bucket(Rate(1, 1.0, margin=0.0), clock=now)
    token = bucket.try_take()
    assert token is not None
    now.at += 60
    assert bucket.try_take() is None
    token.mark_sent()
    token.mark_answered()
    now.at += 0.9
    assert (bucket.try_take(), round(bucket.wait(), 6)) == (None, 0.1)
    now.at += 0.11
    assert bucket.try_take() is not None


def test_slow_response() -> None:
    """The window begins later by what a response took longer than the fastest one: the call may have arrived then."""
    now = Now()
    bucket = Bucket(Rate(1, 1.0, margin=0.0), clock=now)
    for seconds, available_after in [(0.1, 1.0), (0.4, 1.3), (0.1, 1.0), (7.0, 2.0)]:
        token = bucket.try_take()
        assert token is not None
        token.mark_sent()
        sent_at = now.at
        if seconds < 2:
            now.at = sent_at + seconds
            token.mark_answered()
        now.at = sent_at + available_after - 0.02
        assert bucket.try_take() is None
        now.at = sent_at + available_after + 0.02
        assert bucket.wait() == 0


def test_response_after_two_windows() -> None:
    """A response to a call whose token is available again does not lengthen the usual time of a response."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    use(bucket)  # it takes no time
    slow = bucket.try_take()
    assert slow is not None
    slow.mark_sent()
    now.at += 3
    other = bucket.try_take()
    assert other is not None
    assert other.release()
    now.at += 7
    slow.mark_answered()
    late = bucket.try_take()
    assert late is not None
    late.mark_sent()
    now.at += 0.1
    late.mark_answered()  # 0.1 s later than usual
    assert bucket.wait(ahead=3) == pytest.approx(1.0, abs=0.01)


def test_given_back() -> None:
    """A token that is given back is available again, but not one whose call was written."""
    bucket = Bucket(Rate(1, 1.0), clock=Now())
    token = bucket.try_take()
    assert token is not None
    assert bucket.wait() > 0
    assert (token.release(), token.release()) == (True, False)
    assert bucket.wait() == 0
    assert not use(bucket).release()
    assert bucket.wait() > 0


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
    use(bucket)
    bucket.correct(reported, use(bucket))
    free = 0
    while bucket.try_take() is not None:
        free += 1
    assert free == left


def test_in_flight() -> None:
    """Calls that the source has not counted yet are not counted twice."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    for _ in range(3):
        use(bucket)
    now.at += 0.5
    token = use(bucket)
    bucket.correct(Quota(4, 3), token)  # the source has counted one of the four so far
    now.at += 0.7
    bucket.correct(Quota(4, 0), token)  # the source has counted all of them; three are available again by now
    assert (bucket.wait(2), bucket.wait(3) > 0) == (0, True)


def test_late_report() -> None:
    """A report that took longer than the window is ignored."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    token = use(bucket)
    now.at += 1.1
    bucket.correct(Quota(4, 0, 5.0), token)
    assert bucket.wait(3) == 0


@pytest.mark.parametrize(("seconds", "wait"), [(3.0, 3.0), (None, 1.0), (892.0, 30.0), (float("inf"), 30.0)])
@pytest.mark.parametrize("rate", [RATE, None])
def test_paused(rate: Rate | None, seconds: float | None, wait: float) -> None:
    """A pause stops all calls, with or without a rate, for at most 30 seconds; then one call probes the source."""
    now = Now()
    bucket = Bucket(rate, clock=now)
    early = [use(bucket) for _ in range(3)]
    bucket.refuse(early[0], seconds)
    now.at += 0.1
    for token in early[1:]:
        bucket.refuse(token, 900.0)  # written before the pause: no evidence that it is too short
    assert (round(bucket.wait(), 6), bucket.try_take()) == (round(wait - 0.1, 6), None)
    now.at += wait
    assert bucket.wait() == 0
    probe = use(bucket)
    assert (bucket.try_take(), bucket.wait()) == (None, 1.0)
    bucket.accept(early[2])
    assert bucket.try_take() is None
    bucket.accept(probe)
    assert bucket.try_take() is not None


def test_probe_refused() -> None:
    """If the source refuses the probe too, the next pause begins."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    bucket.refuse(use(bucket), 5.0)
    now.at += 5
    bucket.refuse(use(bucket), 7.0)
    assert bucket.wait() == 7
    now.at += 7
    bucket.accept(use(bucket))
    assert bucket.wait(1) == 0


def test_probe_not_written() -> None:
    """If the probe is not written, the next call is the probe at once; without a response, one a window later."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    bucket.refuse(use(bucket), 5.0)
    now.at += 5
    first = bucket.try_take()
    assert first is not None
    assert bucket.try_take() is None
    first.release()
    second = bucket.try_take()
    assert second is not None
    second.mark_sent()
    now.at += 0.9
    assert bucket.try_take() is None
    now.at += 0.2
    assert bucket.try_take() is not None


def test_idle() -> None:
    """A bucket is like a new one once nothing of its history matters any more."""
    now = Now()
    bucket = Bucket(RATE, clock=now)
    assert bucket.idle
    token = bucket.try_take()
    assert token is not None
    now.at += 60
    assert not bucket.idle
    token.mark_answered()
    assert not bucket.idle
    now.at += 60
    assert bucket.idle


def test_reset() -> None:
    """With no call left, the bucket waits for the reset that the source reports."""
    bucket = Bucket(RATE, clock=Now())
    bucket.correct(Quota(4, 0, 20.0), use(bucket))
    assert bucket.wait() == 20


def test_no_rate() -> None:
    """Without a rate there is no limit, whatever the source reports."""
    bucket = Bucket(None, clock=Now())
    for _ in range(1000):
        bucket.correct(Quota(1, 0), use(bucket))
    assert bucket.wait(1000) == 0


class Calls:
    """Calls in any order: taken, written, answered, given back, refused by the source."""

    def __init__(self, bucket: Bucket, now: Now) -> None:
        self.bucket = bucket
        self.now = now
        self.held: list[Token] = []
        self.written: list[Token] = []
        self.times: list[float] = []

    def take(self) -> None:
        if (token := self.bucket.try_take()) is not None:
            self.held.append(token)

    def write(self) -> None:
        if self.held:
            self.written.append(self.held.pop(0))
            self.written[-1].mark_sent()
            self.times.append(self.now.at)

    def release(self) -> None:
        if self.held:
            assert self.held.pop().release()

    def answer(self) -> None:
        if self.written:
            self.written[0].mark_answered()
            self.written.append(self.written.pop(0))

    def refuse(self) -> None:
        if self.written:
            self.bucket.refuse(self.written[-1], 3.0)

    def accept(self) -> None:
        if self.written:
            self.bucket.accept(self.written[-1])

    def report(self, quota: Quota) -> None:
        if self.written:
            self.bucket.correct(quota, self.written[-1])


@given(
    st.integers(1, 6),
    st.sampled_from([0.5, 1.0, 5.0]),
    st.lists(
        st.one_of(
            st.floats(0, 2),
            st.sampled_from([Calls.take, Calls.take, Calls.write, Calls.write, Calls.answer]),
            st.sampled_from([Calls.release, Calls.refuse, Calls.accept]),
            st.builds(Quota, *[st.none() | st.integers(0, 10)] * 2, st.none() | st.floats(0, 5)),
        ),
        max_size=200,
    ),
)
def test_any_window(calls: int, seconds: float, history: list[Any]) -> None:
    """In no history does a window have more written calls than the rate, and no token is lost."""
    now = Now()
    bucket = Bucket(Rate(calls, seconds, margin=0.0), clock=now)
    made = Calls(bucket, now)
    for event in history:
        if isinstance(event, float):
            now.at += event
        elif isinstance(event, Quota):
            made.report(event)
        else:
            event(made)
    for start in made.times:
        assert sum(start <= at < start + seconds for at in made.times) <= calls
    while made.held:
        made.release()
    now.at += 100
    assert (bucket.wait(), bucket.try_take() is not None) == (0, True)
