"""Reads by Zipf against a source with few calls: with and without keeping, every answer compared with its history."""

import asyncio
import os
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import orjson

from benchmarks import machine, proc
from benchmarks.figures import percentile
from benchmarks.fleet import Cores
from benchmarks.history import HistoryConfiguration
from benchmarks.kept_servers import KeptServers, start_servers
from benchmarks.readers import Answers, Readers
from benchmarks.servers import LEAN, keeping_settings
from benchmarks.source_responses import record
from benchmarks.table import table

__all__ = ["KeptOutcome", "Scenario", "markdown", "run", "scenarios"]

_POLL_INTERVAL = 5.0  # seconds
_UNDER_WAY = 1.0  # seconds for the calls of a round of polling, and for an answer that is under way
_RATE = 1000.0  # reads per second
_OWN_CHANGES = 0.2  # changes per second that the gateways make
_MAX_CALLS = 0.02
_SOURCE = HistoryConfiguration(users=[])

_HOW = """{rate:,.0f} reads of `user(id)` per second, of {count:,} users by Zipf with exponent {exponent:g}, from an
independent source that accepts {limit} calls in any second and takes {latency:.0f} ms for each. The source changes
{changes:g} users per second by itself, of the same distribution; its audit events can be read up to {lateness:g} s
later, and the gateways poll them every {interval:g} s. The gateways change {own:g} users per second, each of which is
read at once through the other gateway. A user is kept for at most 10 minutes. Calls count everything: reads, pages,
polls, changes. The hit ratio is the share of the reads that were answered without a call for them; without keeping,
reads of the same user at the same time share one. Every answer is compared with the history of the source: its
age is the time from the end of the version that it has until its request was sent.
The bound is the longest time between two polls of the run + {lateness:g} s +
{under_way:g} s."""

Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run: `replicas` share a Redis; `walk_every` is the seconds after which all users are read as a list again."""

    title: str
    seconds: float
    keeps: bool = True
    replicas: int = 1
    walk_every: float | None = None
    only_cold: bool = False
    """Whether the load begins with nothing kept, and is measured from then on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of a scenario. Latencies are in ms, ages and the bound in seconds."""

    title: str
    seconds: float
    reads: int
    calls: float
    hits: float
    p50: float
    p99: float
    slowest: float
    rejected: int
    stale: int
    refused: int
    changes: int
    oldest: float
    p99_age: float
    bound: float
    broken: int
    unseen_changes: int
    cpu: float
    resident: float
    errors: Mapping[str, int]
    samples: Mapping[str, Sequence[str]]
    counts: Mapping[str, int]


@dataclass(slots=True)
class KeptOutcome:
    """The results of all scenarios."""

    machine: Mapping[str, str]
    scenarios: list[Measured] = field(default_factory=list)

    def json(self) -> bytes:
        """Return the results as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def scenarios(scale: float = 1.0) -> list[Scenario]:
    """Return the scenarios; a smaller scale makes them shorter, so that no record gets as old as it may."""
    return [
        Scenario("nothing is kept", 30 * scale, keeps=False),
        Scenario("cold: nothing is kept yet", 60 * scale, only_cold=True),
        Scenario("cold: two replicas, Redis", 60 * scale, replicas=2, only_cold=True),
        Scenario("the users are read as a list before", 60 * scale, walk_every=300),
        Scenario("two replicas, Redis, users read as a list every 5 minutes", 780 * scale, replicas=2, walk_every=300),
    ]


def run(selected: Sequence[Scenario], report: Report) -> KeptOutcome:
    """Run the scenarios one after the other.

    Raises:
        FailedStartError: the source, Redis or a gateway did not start.
    """
    outcome = KeptOutcome(machine.describe_machine())
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {available[-1]})
    users = record(52).users
    for scenario in selected:
        report(f"{scenario.title}: {scenario.seconds:.0f} s")
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name, ExitStack() as stack:
            measured = _measure(stack, scenario, replace(_SOURCE, users=users), Path(name), available)
        report(f"{measured.counts} {measured.errors} {measured.samples}")
        outcome.scenarios.append(measured)
    return outcome


def _measure(
    stack: ExitStack, scenario: Scenario, configuration: HistoryConfiguration, folder: Path, cores: Sequence[int]
) -> Measured:
    settings = {
        **LEAN,
        "GATEWAY_ACCOUNT__RATE_LIMIT": f"{configuration.rate / scenario.replicas:g}",
    }
    if scenario.keeps:
        settings |= keeping_settings(poll_interval=_POLL_INTERVAL)
    servers = start_servers(
        stack,
        configuration,
        settings,
        replicas=scenario.replicas,
        folder=folder,
        cores=Cores(cores[0], cores[-1]),
    )
    return asyncio.run(_load(scenario, configuration, servers))


async def _load(scenario: Scenario, configuration: HistoryConfiguration, servers: KeptServers) -> Measured:
    ports, pids = servers.gateways, servers.pids
    readers = Readers(ports, count=configuration.count, exponent=configuration.exponent)
    walks: list[asyncio.Task[None]] = []
    if scenario.walk_every is not None:
        await asyncio.sleep(_POLL_INTERVAL)  # the first round of polling drops what was read before it
        for port in ports:
            await readers.walk(port)
        walks = [asyncio.create_task(_walk_again(readers, port, scenario.walk_every)) for port in ports]
    if not scenario.only_cold:
        await readers.run(min(10.0, scenario.seconds), rate=_RATE)  # code is compiled, connections are open afterwards
    before = await asyncio.to_thread(servers.history)
    cpu_before = sum(map(proc.exact_cpu_seconds, pids))
    answers = await readers.run(scenario.seconds, rate=_RATE, changes=_OWN_CHANGES if scenario.keeps else 0.0)
    cpu = sum(map(proc.exact_cpu_seconds, pids)) - cpu_before
    resident = sum(map(proc.resident_bytes, pids))
    for walk in walks:
        walk.cancel()
    await asyncio.gather(*walks, return_exceptions=True)
    history = await asyncio.to_thread(servers.history)
    await readers.aclose()
    counts = {name: count - before["counts"].get(name, 0) for name, count in history["counts"].items()}
    calls = sum(counts.get(name, 0) for name in ("reads", "pages", "polls", "writes"))
    gaps = [later - earlier for earlier, later in zip(history["polls"], history["polls"][1:], strict=False)]
    bound = max(gaps, default=0.0) + configuration.lateness + _UNDER_WAY
    ages = compare(answers, {int(number): times for number, times in history["changed_at"].items()})
    late = [age for age in ages if age > 0]
    return Measured(
        title=scenario.title,
        seconds=scenario.seconds,
        reads=answers.requests,
        calls=calls / answers.requests,
        hits=hit_ratio(answers.requests, answers.errors.total(), counts.get("reads", 0)),
        p50=percentile(answers.latencies, 0.5) * 1000,
        p99=percentile(answers.latencies, 0.99) * 1000,
        slowest=max(answers.latencies) * 1000,
        rejected=answers.errors.total(),
        stale=answers.stale,
        refused=counts.get("refused", 0),
        changes=counts.get("changes", 0) + counts.get("writes", 0),
        oldest=max(ages, default=0.0),
        p99_age=percentile(late, 0.99) if late else 0.0,
        bound=bound,
        broken=sum(age > bound for age in ages),
        unseen_changes=unseen(answers),
        cpu=cpu / answers.requests * 1e6,
        resident=resident / 2**20,
        errors={str(code): count for code, count in answers.errors.items()},
        samples={str(code): texts for code, texts in answers.samples.items()},
        counts=dict(counts),
    )


async def _walk_again(readers: Readers, port: int, interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        await readers.walk(port)


def compare(answers: Answers, changed_at: Mapping[int, Sequence[float]]) -> list[float]:
    """Return the age of each answer: for how long its version had ended when its request was sent, 0 if it had not.

    Raises:
        ValueError: an answer has a version that did not exist when it was received.
    """
    ages = []
    for sent_at, received_at, user, version in zip(
        answers.sent_at, answers.received_at, answers.users, answers.versions, strict=True
    ):
        changes = changed_at.get(user, ())
        if version > bisect_right(changes, max(sent_at, received_at)):
            raise ValueError(f"version {version} of user {user} was given before it existed")
        ages.append(max(0.0, sent_at - changes[version]) if version < len(changes) else 0.0)
    return ages


def unseen(answers: Answers) -> int:
    """Return the number of answers without a change that was answered before their requests were sent."""
    known: dict[int, list[tuple[float, int]]] = {}
    for at, user, version in answers.known:
        known.setdefault(user, []).append((at, version))
    return sum(
        any(at <= sent_at and version < answered for at, answered in known.get(user, ()))
        for sent_at, user, version in zip(answers.sent_at, answers.users, answers.versions, strict=True)
    )


def hit_ratio(requests: int, rejected: int, calls: int) -> float:
    """Return the share of the reads that were answered without a call for them: a rejected one was not answered."""
    return max(0, requests - rejected - calls) / requests


def markdown(outcome: KeptOutcome) -> str:
    """Return a table with a row for each scenario, and the targets."""
    how = _HOW.format(
        rate=_RATE,
        count=_SOURCE.count,
        exponent=_SOURCE.exponent,
        limit=_SOURCE.rate,
        latency=_SOURCE.latency * 1000,
        changes=_SOURCE.changes,
        lateness=_SOURCE.lateness,
        interval=_POLL_INTERVAL,
        own=_OWN_CHANGES,
        under_way=_UNDER_WAY,
    )
    head = [
        "",
        "reads",
        "calls a read",
        "hit ratio",
        "p50 · p99 · max ms",
        "rejected",
        "marked stale",
        "changes",
        "oldest answer, bound, s",
        "beyond the bound",
        "without a known change",
        "CPU µs · MiB",
    ]
    rows = [
        [
            f"{each.title}, {each.seconds:.0f} s",
            f"{each.reads:,}",
            f"{each.calls:.4f}",
            f"{each.hits:.4f}",
            f"{each.p50:.1f} · {each.p99:.1f} · {each.slowest:,.0f}",
            f"{each.rejected:,}",
            f"{each.stale:,}",
            f"{each.changes:,}",
            f"{each.oldest:.1f}, {each.bound:.1f}",
            f"{each.broken:,}",
            f"{each.unseen_changes:,}",
            f"{each.cpu:,.0f} · {each.resident:.0f}",
        ]
        for each in outcome.scenarios
    ]
    parts = [
        ", ".join(f"{name} {value}" for name, value in outcome.machine.items() if value) + ".",
        how,
        table(head, rows),
        table(["**target**", "measured", ""], list(_verdicts(outcome))),
    ]
    return "\n\n".join(parts) + "\n"


def _verdicts(outcome: KeptOutcome) -> Iterator[list[str]]:
    for each in outcome.scenarios:
        if not ("list" in each.title or "cold" in each.title):
            continue
        for target, value, met in (
            (f"calls a read: at most {_MAX_CALLS:g}", f"{each.calls:.4f}", each.calls <= _MAX_CALLS),
            ("no read rejected", f"{each.rejected}", each.rejected == 0),
            ("bound never broken", f"{each.broken + each.unseen_changes}", each.broken + each.unseen_changes == 0),
        ):
            yield [f"{each.title}: {target}", value, "met" if met else "**missed**"]
