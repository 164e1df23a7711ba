"""Counts of what each caller has open."""

from gateway.kit.counts import Counts, share_of


def test_counts() -> None:
    """Each key is counted by itself, and takes no memory any more once it has none."""
    counts = Counts()
    for key in ("a", "b", "a"):
        counts.add(key)
    assert (counts["a"], counts["b"], counts["c"], len(counts)) == (2, 1, 0, 2)
    counts.remove("a")
    counts.remove("b")
    assert (counts["a"], counts["b"], len(counts)) == (1, 0, 1)


def test_share() -> None:
    """A caller gets its share, rounded down, and at least one."""
    assert [share_of(100, 0.5), share_of(5, 0.5), share_of(1, 0.5), share_of(10, 1.0)] == [50, 2, 1, 10]
