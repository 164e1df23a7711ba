from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.http.fair_queue import FairQueue

Item = tuple[str, int, int]


def taken(queue: FairQueue[Item]) -> list[Item]:
    """Take all items."""
    items = []
    while queue:
        items.append(queue.pop())
    return items


def test_rotation() -> None:
    """Principals alternate, the operations of one principal alternate, and those of one operation keep their order."""
    queue: FairQueue[Item] = FairQueue()
    for item in [("a", 1, 0), ("a", 1, 1), ("a", 1, 2), ("a", 2, 0), ("a", 2, 1), ("b", 3, 0), ("b", 3, 1)]:
        queue.add(item[0], item[1], item)
    expected = [("a", 1, 0), ("b", 3, 0), ("a", 2, 0), ("b", 3, 1), ("a", 1, 1), ("a", 2, 1), ("a", 1, 2)]
    assert taken(queue) == expected


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=40),
    st.integers(0, 20),
    st.tuples(st.sampled_from("abcd"), st.integers(0, 3)),
)
def test_ahead(added: list[tuple[str, int]], popped: int, new: tuple[str, int]) -> None:
    """`ahead` is the number of items that are taken before the next one of an operation."""
    queue: FairQueue[Item] = FairQueue()
    for number, (principal, operation) in enumerate(added):
        queue.add(principal, operation, (principal, operation, number))
    for _ in range(min(popped, len(added))):
        queue.pop()
    ahead = queue.ahead(*new)
    item = (*new, -1)
    queue.add(*new, item)
    assert taken(queue).index(item) == ahead


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.booleans()), max_size=30))
def test_removed(added: list[tuple[str, int, bool]]) -> None:
    """Removed items are not taken, and an empty queue keeps nothing."""
    queue: FairQueue[Item] = FairQueue()
    items = [(principal, operation, number) for number, (principal, operation, _) in enumerate(added)]
    for item in items:
        queue.add(item[0], item[1], item)
    removed = {item for item, (_, _, remove) in zip(items, added, strict=True) if remove}
    for item in removed:
        queue.remove(item[0], item[1], item)
        queue.remove(item[0], item[1], item)
    kept = [item for item in items if item not in removed]
    assert Counter(queue) == Counter(kept)
    counts = Counter(item[:2] for item in kept)
    assert all(queue.count(*key) == count for key, count in counts.items())
    assert Counter(taken(queue)) == Counter(kept)
    assert (queue.count("a", 0), queue.ahead("a", 0), list(queue)) == (0, 0, [])
