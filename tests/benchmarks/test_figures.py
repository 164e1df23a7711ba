"""Medians, percentiles and targets."""

import pytest

from benchmarks.figures import Figures, Sample, median_figures, percentile
from benchmarks.targets import BUSY, verdicts


def figures(cpu: float, calls: float = 1.0) -> Figures:
    return Figures(rate=1e6 / cpu, cpu=cpu, p50=1.0, p99=2.0, calls=calls)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 1.0, 100.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    """A percentile is the value at the nearest rank, whatever the order of the values."""
    assert percentile(values, share) == expected


def test_a_disturbed_round_does_not_count() -> None:
    """Each figure is the median over the rounds with the same server, operation and connections."""
    samples = [Sample("gateway", "user", BUSY, figures(cpu)) for cpu in (100, 9_000, 110)]
    samples.append(Sample("gateway", "user", 1, figures(500)))
    medians = median_figures(samples)
    assert medians["gateway", "user", BUSY].cpu == 110
    assert medians["gateway", "user", 1].cpu == 500


def test_targets_compare_cpu_within_the_run() -> None:
    """A target is compared with the ratio; a target whose peer was left out is not measured."""
    medians = median_figures(
        [
            Sample("gateway", "user", BUSY, figures(140)),
            Sample("floor", "user", BUSY, figures(200)),
            Sample("gateway", "grpc", BUSY, figures(200)),
            Sample("gateway", "users-equal", BUSY, figures(1000)),
            Sample("mercurius", "users-equal", BUSY, figures(3000)),
            Sample("hive", "users-equal", BUSY, figures(1400)),
            Sample("floor", "users-equal", BUSY, figures(500)),
        ]
    )
    results = verdicts(medians, {"gateway": 0.5}, {"gateway": 200 << 20})
    found = {verdict.target.partition(": at")[0]: verdict for verdict in results}
    floor = found["user(id): to the hand-written handler"]
    assert (floor.measured, floor.met) == (0.7, True)
    grpc = found["gRPC GetUser: to GraphQL user(id)"]
    assert (round(grpc.measured or 0, 2), grpc.met) == (1.43, False)
    best = found["users(50), 3 calls: the best peer to this gateway"]
    assert (best.measured, best.met) == (1.4, False)
    assert found["user(id): to Tailcall"].met is None
    assert found["cold start to first answer"].met is True
    assert found["resident after load"].met is False
