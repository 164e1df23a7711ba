"""A queue of waiting calls that is fair between principals, and between the operations of one principal."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["FairQueue"]

T = TypeVar("T")


class _Operations(Generic[T]):
    """The waiting items of one principal: a queue for each operation, in the order of the rotation."""

    def __init__(self) -> None:
        self.queues: OrderedDict[Hashable, deque[T]] = OrderedDict()
        self.size = 0


class FairQueue(Generic[T]):
    """Items are taken in rotation by principal, those of one principal in rotation by operation.

    The items of one operation are taken in the order in which they were added. So an item waits for one item of each
    principal and each operation, however many items these have. `principals` are those with items, in their order.
    """

    def __init__(self) -> None:
        self.principals: OrderedDict[Hashable, _Operations[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(operations.size for operations in self.principals.values())

    def __bool__(self) -> bool:
        return bool(self.principals)

    def __iter__(self) -> Iterator[T]:
        for operations in self.principals.values():
            for queue in operations.queues.values():
                yield from queue

    def count(self, principal: Hashable, operation: Hashable) -> int:
        """Return the number of items of one operation."""
        operations = self.principals.get(principal)
        return 0 if operations is None else len(operations.queues.get(operation, ()))

    def add(self, principal: Hashable, operation: Hashable, item: T) -> None:
        """Add an item."""
        operations = self.principals.get(principal)
        if operations is None:
            operations = self.principals[principal] = _Operations()
        operations.queues.setdefault(operation, deque()).append(item)
        operations.size += 1

    def pop(self) -> T:
        """Take the next item of a queue that is not empty."""
        principal, operations = next(iter(self.principals.items()))
        operation, queue = next(iter(operations.queues.items()))
        item = queue.popleft()
        operations.size -= 1
        if queue:
            operations.queues.move_to_end(operation)
        else:
            del operations.queues[operation]
        if operations.queues:
            self.principals.move_to_end(principal)
        else:
            del self.principals[principal]
        return item

    def remove(self, principal: Hashable, operation: Hashable, item: T) -> None:
        """Remove an item if it is there."""
        operations = self.principals.get(principal)
        queue = None if operations is None else operations.queues.get(operation)
        if operations is None or queue is None or item not in queue:
            return
        queue.remove(item)
        operations.size -= 1
        if not queue:
            del operations.queues[operation]
        if not operations.queues:
            del self.principals[principal]

    def ahead(self, principal: Hashable, operation: Hashable) -> int:
        """Return how many items are taken before the next one that is added to this operation."""
        operations = self.principals.get(principal)
        before = 0
        if operations is not None:
            sizes = ((name, len(queue)) for name, queue in operations.queues.items())
            before = _ahead(operation, len(operations.queues.get(operation, ())), sizes)
        return _ahead(principal, before, ((name, other.size) for name, other in self.principals.items()))


def _ahead(key: Hashable, before: int, sizes: Iterable[tuple[Hashable, int]]) -> int:
    """Return how many items of a rotation are taken before the one that has `before` items of its key before it.

    `sizes` are the keys in the order of the rotation, each with the number of its items.
    """
    # A key before this one in the rotation is served once more until then than one after it.
    ahead, rounds = before, before + 1
    for name, size in sizes:
        if name == key:
            rounds = before
        else:
            ahead += min(size, rounds)
    return ahead
