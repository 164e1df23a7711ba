"""The history of a run, and the checks of what the gateway promises about it.

A change sets one field of one user to a value that is used once, so that whatever is read or received later names the
change that it comes from. The sources name the order in which the changes were executed. Times are those of
`time.monotonic`, in seconds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from faults.stand_in import Executed, Read

__all__ = ["Attempt", "Change", "Delivery", "Follower", "History", "Sight", "Walk", "violations"]

_SOURCE_CALL = 5.0  # seconds: no call to a source, with its repetitions, takes longer
_WITHOUT_KEYS = frozenset({"softwareone", "reseller"})
# Refusals that are a client's last response; the others are repeated.
_FINAL = frozenset({"BAD_USER_INPUT", "CONFLICT", "FORBIDDEN", "IDEMPOTENCY_CONFLICT", "NOT_FOUND", "INTERNAL"})
# Clients send correct changes of users that are there, under a key for each.
_MISTAKES = _FINAL - {"CONFLICT"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for a change, and the response: without `code` and `unknown`, the change is acknowledged.

    `unknown` is also set where there was no response.
    """

    began: float
    ended: float
    code: str | None = None
    unknown: bool = False

    @property
    def acknowledged(self) -> bool:
        return self.code is None and not self.unknown


@dataclass(slots=True)
class Change:
    """A change and its requests, all with the same idempotency key, or one request without any."""

    source: str
    user: str
    value: str
    keyed: bool = True
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def acknowledged_at(self) -> float | None:
        return next((attempt.ended for attempt in self.attempts if attempt.acknowledged), None)


@dataclass(frozen=True, slots=True)
class Sight:
    """A value that a client read from a replica."""

    replica: int
    source: str
    user: str
    value: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Walk:
    """The users that a client found page by page, and those that were there all the time."""

    found: Sequence[str]
    present: frozenset[str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a follower received."""

    source: str
    user: str
    value: str
    at: float


@dataclass(slots=True)
class Follower:
    """A subscriber that resumes after its last event; `gaps` are the times that it was told to have missed."""

    deliveries: list[Delivery] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)

    def missed(self, began: float, ended: float) -> bool:
        """Whether an event of that time may be in a gap."""
        return any(start <= ended and began <= end for start, end in self.gaps)


@dataclass(slots=True)
class History:
    """Everything that clients sent and received; `forgotten` are the times at which Redis lost its records."""

    changes: list[Change] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    walks: list[Walk] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    forgotten: list[float] = field(default_factory=list)
    replica_of: dict[str, int] = field(default_factory=dict)
    """The replica that acknowledged a value."""

    def forgot(self, change: Change) -> bool:
        """Whether the record of a change may have been lost between two of its requests."""
        return any(change.attempts[0].began <= at <= change.attempts[-1].ended for at in self.forgotten)


def violations(history: History, executed: Sequence[Executed], reads: Iterable[Read]) -> list[str]:
    """Return a sentence for each promise that was broken."""
    by_value: dict[str, list[Executed]] = defaultdict(list)
    for execution in executed:
        by_value[execution.value].append(execution)
    return [
        *_executed_again(history, by_value, list(reads)),
        *_untrue_answers(history, by_value),
        *_stale_sights(history, executed),
        *_broken_walks(history),
        *_wrong_events(history, executed),
    ]


def _executed_again(history: History, by_value: dict[str, list[Executed]], reads: list[Read]) -> Iterator[str]:
    """A change is executed once.

    A source without keys gets it again only if a read did not show it, the account source only under the same key after
    an error with which it forgets the key.
    """
    for change in history.changes:
        executions = by_value.get(change.value, [])
        if len(executions) < 2 or history.forgot(change):
            continue
        first, second = executions[0], executions[1]
        looked = [
            read.arrived
            for read in reads
            if read.source == change.source
            and read.user in {change.user, ""}
            and min(first.arrived, second.arrived) < read.arrived < max(first.arrived, second.arrived)
        ]
        if change.source in _WITHOUT_KEYS and looked and max(looked) < min(first.at, second.at):
            continue  # the read came before the late execution of the first request
        if all(execution.forgotten for execution in executions[:-1]):
            continue
        yield f"{change} was executed {len(executions)} times: {executions}; reads between: {looked}"


def _untrue_answers(history: History, by_value: dict[str, list[Executed]]) -> Iterator[str]:
    """An acknowledged change was executed before; an error without an unknown outcome means that it was not."""
    for change in history.changes:
        executions = by_value.get(change.value, [])
        acknowledged_at = change.acknowledged_at
        if acknowledged_at is not None and not any(execution.at <= acknowledged_at for execution in executions):
            yield f"{change} was acknowledged but not executed: {executions}"
        if blamed := [attempt for attempt in change.attempts if attempt.code in _MISTAKES]:
            yield f"{change} is correct, but was refused as a mistake or a defect: {blamed}"
        doubtful = False
        for attempt in change.attempts:
            if attempt.acknowledged:
                break
            sent = [execution for execution in executions if attempt.began <= execution.arrived <= attempt.ended]
            if sent and not attempt.unknown:
                yield f"{change} was executed, but {attempt} says that it was not: {sent}"
            if attempt.code in _FINAL and not attempt.unknown and executions and not doubtful:
                yield f"{change} was refused finally by {attempt}, but executed: {executions}"
            # In the account source a final refusal after an unknown outcome is settled by reading; in the other two
            # CONFLICT says that somebody else changed the user since.
            allowed = attempt.code == "CONFLICT" and change.source in _WITHOUT_KEYS
            if attempt.code in _FINAL and not attempt.unknown and executions and doubtful and not allowed:
                yield f"{change} was refused finally by {attempt} after its own execution: {executions}"
            doubtful = doubtful or attempt.unknown


@dataclass(slots=True)
class _Timeline:
    """The executions of the changes of one user, and the first and last position of each value among them."""

    executions: list[Executed] = field(default_factory=list)
    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)

    def add(self, execution: Executed) -> None:
        position = len(self.executions)
        self.executions.append(execution)
        self.first.setdefault(execution.value, position)
        self.last[execution.value] = position


def _stale_sights(history: History, executed: Sequence[Executed]) -> Iterator[str]:
    """A read shows no state from before a change that the same replica had acknowledged when the read began.

    Another replica may join the read to one under way, so there it is what was acknowledged one call earlier.
    """
    timelines: dict[tuple[str, str], _Timeline] = defaultdict(_Timeline)
    for execution in executed:
        timelines[execution.source, execution.user].add(execution)
    acknowledged: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for change in history.changes:
        if (at := change.acknowledged_at) is not None:
            acknowledged[change.source, change.user].append((at, change.value))
    for sight in history.sights:
        timeline = timelines[sight.source, sight.user]
        if sight.value in timeline.first and timeline.executions[timeline.first[sight.value]].at > sight.ended:
            yield f"{sight} shows a value from before its execution: {timeline}"
        shown = timeline.last.get(sight.value, -1)  # of the initial value, -1
        for at, value in acknowledged[sight.source, sight.user]:
            leeway = 0.0 if history.replica_of.get(value) == sight.replica else _SOURCE_CALL
            if at + leeway < sight.began and shown < timeline.first.get(value, -1):
                yield f"{sight} is older than {value}, acknowledged at {at}: {timeline}"


def _broken_walks(history: History) -> Iterator[str]:
    """A walk through the pages of a list finds everybody who was there all the time, and nobody twice."""
    for walk in history.walks:
        repeated = {user for user in walk.found if walk.found.count(user) > 1}
        if repeated:
            yield f"a walk found {sorted(repeated)} more than once"
        if lost := walk.present - set(walk.found):
            yield f"a walk did not find {sorted(lost)}"


def _wrong_events(history: History, executed: Sequence[Executed]) -> Iterator[str]:
    """Each follower receives every acknowledged change, or a later one of the user; none twice; all in one order."""
    positions = {execution.value: index for index, execution in enumerate(executed)}
    times = Counter(execution.value for execution in executed)
    received = [_values_by_user(follower) for follower in history.followers]
    for number, (follower, values_of) in enumerate(zip(history.followers, received, strict=True)):
        yield from _repeated_events(number, values_of, times, forgets=bool(history.forgotten))
        for change in history.changes:
            at = change.acknowledged_at
            if at is None or change.value not in positions or follower.missed(change.attempts[0].began, at + 1):
                continue
            seen = values_of[change.source, change.user]
            later = any(positions.get(value, -1) > positions[change.value] for value in seen)
            if change.value not in seen and not later:
                yield f"follower {number} did not receive {change}; it received {seen}"
    for user in {user for values_of in received for user in values_of}:
        for one, other in combinations([values_of[user] for values_of in received], 2):
            common = set(one) & set(other)
            orders = [[value for value in dict.fromkeys(values) if value in common] for values in (one, other)]
            if orders[0] != orders[1]:
                yield f"two followers received the changes of {user} in another order: {one} and {other}"


def _values_by_user(follower: Follower) -> dict[tuple[str, str], list[str]]:
    values: dict[tuple[str, str], list[str]] = defaultdict(list)
    for delivery in follower.deliveries:
        values[delivery.source, delivery.user].append(delivery.value)
    return values


def _repeated_events(
    number: int, values_of: dict[tuple[str, str], list[str]], executions: Counter[str], *, forgets: bool
) -> Iterator[str]:
    if forgets:  # Redis recognises the repetition of an event
        return
    for user, values in values_of.items():
        for value in {value for value in values if values.count(value) > executions[value] > 0}:
            yield f"follower {number} received {value} of {user} more than once: {values}"
