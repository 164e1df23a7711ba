"""One interleaving: a source, one or two gateways in front of it, and a seeded choice of what happens next.

What each answer is checked against is in `checks.py`. The module is longer than others because all that can happen is
one class: the actions have the state of the interleaving in common.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import closing, suppress
from random import Random
from typing import Any

from users.kept.checks import Answered, Checks, Reading
from users.kept.connection import ReadRecord, current_read, question_of
from users.kept.history import page
from users.kept.replica import Replica
from users.kept.scheduling import Scheduler, VirtualClock
from users.kept.streams import MemoryStream, ReplicaStream, SteppedRedisStream, Stream
from users.kept.swarm import Swarm
from users.kept.upstream import CONFIGURED, Upstream

from gateway.errors import GatewayError, Outcome
from gateway.events.log import EventLogSettings
from gateway.events.memory import MemoryEventLog
from gateway.events.replicated import ReplicatedEventLog
from gateway.freshness import ANY_FRESHNESS, Freshness, FreshnessReport, current_freshness
from gateway.kit.event_stream import EventStream
from gateway.operation import acting_as
from gateway.principal import ANYONE, Action, Principal
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.users.ids import Kind, Ref
from gateway.users.listing.cursor import Cursors
from gateway.users.model import User, UserChange, UserSource
from gateway.users.planning import Plan
from gateway.users.reading import KeepMode
from gateway.users.source import UserQuery

__all__ = ["run"]

_SCOPES = frozenset(Action)
_PLAIN = frozenset[str]()
_FULL = frozenset({"department"})
_CURSORS = Cursors(b"k" * 32)
_EMPHASES = (0, 1, 1, 4)  # of the actions of one interleaving
_WISHES = (
    Freshness(no_cache=True),
    Freshness(max_age=1.0),
    Freshness(max_age=6.0),
    Freshness(max_stale=6.0),
    Freshness(max_stale=60.0),
    Freshness(only_if_cached=True),
    Freshness(only_if_cached=True, max_stale=20.0),
)


class World:
    """A source, its gateways, and the operations under way."""

    def __init__(
        self,
        seed: int,
        clock: VirtualClock,
        *,
        trace: list[str] | None = None,
        redis: Callable[[], EventStream] | None = None,
    ) -> None:
        self.random = Random(seed)  # noqa: S311 - an interleaving is no secret
        random.seed(seed)  # from which the event log takes its pauses
        self.swarm = swarm = Swarm.of(self.random)
        self.few = 1 + seed % 3  # users that are read at a time before others are read by pages
        self.clock = clock
        self.scheduler = Scheduler(self.random, clock, trace=trace)
        self.scheduler.note(swarm)
        self.upstream = Upstream(swarm.traits, self.scheduler, self.random)
        self.upstream.max_lag = swarm.lag
        self.logged: set[int] = set()  # the changes that are known through the log
        self.hooks: list[int] = []  # the changes whose webhooks are still to come
        self.tasks: dict[asyncio.Task[None], None] = {}
        self.stream: Stream | None = None
        self.replicas: list[Replica] = []
        self._open(redis)
        self.checks = Checks(self.upstream, self.scheduler)
        source = swarm.traits.name.value
        self.principals: list[tuple[Principal, str]] = [(ANYONE, CONFIGURED), (Principal("bff", _SCOPES), CONFIGURED)]
        if swarm.forwards:
            for name in ("eve", "dan"):
                forwarded = {source: {"Authorization": name}}
                self.principals.append((Principal(name, _SCOPES, forwarded=forwarded), name))

    def _open(self, redis: Callable[[], EventStream] | None) -> None:
        swarm, lock = self.swarm, MemoryPollingLock()
        settings = EventLogSettings(max_events=1000, close_timeout=0.0)
        if redis is not None:
            self.stream = Stream(self.scheduler)
        elif swarm.replicas > 1:
            self.stream = MemoryStream(self.scheduler)
        for name in ("A", "B")[: max(swarm.replicas, 2 if redis else 1)]:
            log: MemoryEventLog | ReplicatedEventLog
            if self.stream is None:
                log = MemoryEventLog(settings, clock=self.clock)
            else:
                stream: EventStream
                if isinstance(self.stream, MemoryStream):
                    stream = ReplicaStream(self.stream, name)
                else:
                    assert redis is not None
                    stream = SteppedRedisStream(self.stream, redis(), name)
                log = ReplicatedEventLog(stream, settings, clock=self.clock)
                log.start()
            self.replicas.append(
                Replica(
                    name,
                    self.upstream,
                    log,
                    lock,
                    clock=self.clock,
                    scheduler=self.scheduler,
                    mode=swarm.mode,
                    max_bytes=swarm.max_bytes,
                    cursors=_CURSORS,
                    few=self.few,
                    troubled_at=lambda: -1.0 if self.stream is None else self.stream.troubled_at,
                )
            )

    async def run(self) -> None:
        """Let the steps happen, then finish what is under way, and check what is left."""
        scheduler, swarm = self.scheduler, self.swarm
        await scheduler.settle()
        while len(scheduler):  # the start of the logs
            scheduler.resolve()
            await scheduler.settle()
        scheduler.fault_ratio = swarm.faults
        actions, weights = self._actions()
        weights[0] += 1  # one action at least is left
        for _ in range(swarm.steps):
            if len(scheduler) and (len(self.tasks) > 5 or self.random.random() < 0.6):
                scheduler.resolve()
            else:
                self.random.choices(actions, weights)[0]()
            await scheduler.settle()
        await self._finish()
        for replica in self.replicas:
            self.checks.audit_kept(replica)
        await self._close()
        for replica in self.replicas:
            self.checks.audit_closed(replica)

    async def _finish(self) -> None:
        """Let all operations end without further faults."""
        scheduler = self.scheduler
        scheduler.fault_ratio = 0.0
        if self.stream is not None:
            self.stream.away = False
        for _ in range(2000):
            if not self.tasks:
                break
            if len(scheduler):
                scheduler.resolve()
            else:
                scheduler.advance(1.0)
            await scheduler.settle()
        self.checks.require(not self.tasks, "an operation did not end")

    async def _close(self) -> None:
        """Stop the gateways."""
        scheduler = self.scheduler
        ending = [asyncio.ensure_future(replica.aclose()) for replica in self.replicas]
        while not all(task.done() for task in ending):
            if len(scheduler):
                scheduler.resolve()
            else:
                scheduler.advance(0.05)
            await scheduler.settle()
        for task in ending:
            task.result()

    def _actions(self) -> tuple[list[Callable[[], None]], list[int]]:
        swarm = self.swarm
        weighted: list[tuple[Callable[[], None], int]] = [
            (self._read_user, 40),
            (self._read_again, 20),
            (self._read_page, 10),
            (self._list_users, 4),
            (self._find_person, 2),
            (self._update, 10),
            (self._change_behind, 10),
            (self._webhook, 12),
            (self._pass_time, 14),
            (self._cancel, 1),
            (self._late, 3),
            (self._drop, 1),
        ]
        if swarm.polls:
            weighted.append((self._poll, 9))
        if swarm.traits.name is UserSource.ACCOUNT:
            weighted += [(self._create, 5), (self._read_role, 4), (self._change_role, 2)]
        if swarm.forwards:
            weighted.append((self._withdraw, 9))
        if swarm.away and isinstance(self.stream, MemoryStream):
            weighted.append((self._toggle_stream, 3))
        return [action for action, _ in weighted], [self.random.choice(_EMPHASES) * weight for _, weight in weighted]

    # Reads

    def _read_user(self) -> None:
        choice, history = self.random, self.upstream.history
        ids = [f"u{n}" for n in range(1, self.upstream.created + 2)]
        if self.swarm.traits.by_address and choice.random() < 0.4:
            ids = [f"m{n}@x.example" for n in range(1, self.upstream.addresses + 1)]
        elif choice.random() < 0.7 and history.present:
            ids = list(history.present)
        source_id = self._preferred(ids)
        if choice.random() < 0.1:
            source_id = source_id.upper()
        self._start_read(self._caller(), source_id, choice.choice((_PLAIN, _FULL)), self._wish())

    def _read_again(self) -> None:
        """Read what was read before, as the same caller: most reads of frontends are repeated."""
        choice = self.random
        if not self.checks.readings:
            return self._read_user()
        again = choice.choice(self.checks.readings[-6:])
        replica = again.replica if choice.random() < 0.7 else choice.choice(self.replicas)
        needs = again.needs if choice.random() < 0.7 else choice.choice((_PLAIN, _FULL))
        return self._start_read((replica, again.principal, again.credential), again.source_id, needs, self._wish())

    def _start_read(
        self, caller: tuple[Replica, Principal, str], source_id: str, needs: frozenset[str], wish: Freshness
    ) -> None:
        replica, principal, credential = caller
        traits = self.swarm.traits
        ref = Ref(Kind.USER, traits.name, source_id, traits.tenant)
        single = self.random.random() < 0.5

        async def call() -> Answered:
            users = replica.users.by(principal)
            with closing(users.loaders(Plan({Kind.USER: needs}, single))) as loaders:
                user = await users.get(ref, loaders=loaders)
            return Answered(None if user is None else (user.source_id, user.name, user.email), [user])

        reading = Reading(
            replica, principal, credential, question_of(source_id), wish, needs, source_id=source_id, kind="user"
        )
        self._start(reading, call, f"read {source_id} {sorted(needs)}")

    def _read_page(self) -> None:
        replica, principal, credential = self._caller()
        search = self.random.choice((None, None, "anna"))
        limit = self.random.choice((2, 100))
        needs = self.random.choice((_PLAIN, _FULL))

        async def call() -> Answered:
            with acting_as(principal):
                window, _, _ = await replica.reads.page(
                    replica.connection, UserQuery(search=search), None, limit, needs
                )
            return Answered(_rows(window.items), [window, *window.items])

        reading = Reading(replica, principal, credential, page(search, limit), self._wish(), needs, kind="page")
        self._start(reading, call, f"page {search} {limit}")

    def _list_users(self) -> None:
        replica, principal, credential = self._caller()
        first = self.random.choice((1, 2))

        async def call() -> Answered:
            users = replica.users.by(principal)
            with closing(users.loaders(Plan({Kind.USER: _PLAIN}))) as loaders:
                found = await users.list_users(first=first, loaders=loaders)
            return Answered(_rows(edge.node for edge in found.edges), [edge.node for edge in found.edges])

        reading = Reading(replica, principal, credential, page(None, first), self._wish(), _PLAIN, kind="list")
        self._start(reading, call, f"list {first}")

    def _find_person(self) -> None:
        replica, principal, credential = self._caller()
        email = f"m{self.random.randrange(1, self.upstream.addresses + 1)}@x.example"

        async def call() -> Answered:
            users = replica.users.by(principal)
            with closing(users.loaders(Plan({Kind.USER: _PLAIN}))) as loaders:
                person = await users.find_person(email, loaders=loaders)
            return Answered(_rows(person.users), list(person.users))

        def question(state: Any) -> Any:
            found = question_of(email)(state)
            return () if found is None else (found,)

        reading = Reading(replica, principal, credential, question, self._wish(), _PLAIN, kind="list")
        self._start(reading, call, f"person {email}")

    def _read_role(self) -> None:
        replica, (principal, credential) = self.random.choice(self.replicas), self.principals[0]
        role_id = self.random.choice(("r1", "r2"))

        async def call() -> Answered:
            users = replica.users.by(principal)
            with closing(users.loaders(Plan())) as loaders:
                role = await users.get_role(role_id, loaders=loaders)
            return Answered(None if role is None else (role.source_id, role.name, ""), [role])

        reading = Reading(
            replica, principal, credential, question_of(role_id), self._wish(), _PLAIN, kind="role", source_id=role_id
        )
        self._start(reading, call, f"role {role_id}")

    def _start(self, reading: Reading, call: Callable[[], Any], label: str) -> None:
        replica = reading.replica
        known = self.logged | replica.known
        local = set(replica.known)
        self.checks.begin(reading)
        self.scheduler.note(replica.name, reading.credential, label, _wish_text(reading.wish))

        async def run() -> None:
            record = ReadRecord()
            current_read.set(record)
            report = FreshnessReport(reading.wish)
            current_freshness.set(report)
            try:
                answer: Answered | GatewayError = await call()
            except GatewayError as error:
                answer = error
            self.scheduler.note(replica.name, "answer to", label, "=", getattr(answer, "shown", answer), record.calls)
            # Where nothing is kept, nobody waits for the log: a read can share a call from before the event is read.
            knows_all = record.caught_up and (self.stream is None or replica.mode is not KeepMode.OFF)
            self.checks.check(reading, answer, record, report, known if knows_all else local)

        self._run(run())

    # Changes

    def _update(self) -> None:
        replica, principal, _ = self._caller()
        choice, present = self.random, self.upstream.history.present
        if not present:
            return
        row = present[self._preferred(list(present))]
        target = row.email if self.swarm.traits.by_address and choice.random() < 0.3 else row.source_id
        fields: dict[str, Any] = {"email": self.upstream.new_address()}
        if choice.random() < 0.75:
            named = "name" if self.swarm.traits.name is UserSource.ACCOUNT else "first_name"
            fields = {named: choice.choice(("anna", "bert", "cleo"))}
        users = replica.users.by(principal)
        methods = {
            UserSource.ACCOUNT: users.update_account_user,
            UserSource.SOFTWAREONE: users.update_software_one_user,
            UserSource.RESELLER: users.update_reseller_user,
        }
        method = methods[self.swarm.traits.name]
        self._start_change(replica, f"update {target} {fields}", lambda: method(target, fields))

    def _create(self) -> None:
        replica, principal, _ = self._caller()
        fields = {"name": self.random.choice(("anna", "bert", "cleo")), "email": self.upstream.new_address()}
        users = replica.users.by(principal)
        self._start_change(replica, f"create {fields}", lambda: users.create_account_user(fields))

    def _start_change(self, replica: Replica, label: str, call: Callable[[], Any]) -> None:
        self.scheduler.note(replica.name, label)

        async def run() -> None:
            record = ReadRecord()
            current_read.set(record)
            current_freshness.set(FreshnessReport(reads_users_anew=True))
            result: User | GatewayError
            try:
                result = await call()
            except GatewayError as error:
                result = error
            self.scheduler.note(replica.name, "result of", label, "=", result, record.executed)
            replica.disturbed_at = self.clock.now
            if isinstance(result, User):
                self.checks.check_changed(result, record)
            elif record.executed is not None:
                is_unknown = result.outcome is Outcome.UNKNOWN
                self.checks.require(is_unknown, "a change that was executed has failed, and not as unknown", result)
            if record.executed is not None:
                replica.known.add(record.executed)
                if isinstance(result, User) and record.published:
                    self.logged.add(record.executed)

        self._run(run())

    def _change_behind(self) -> None:
        index = self.upstream.update_randomly()
        if index is not None and self.random.random() < 0.8:
            self.hooks.append(index)

    def _webhook(self) -> None:
        """Deliver the webhook of a change: in any order, sometimes twice, and some never."""
        if not self.hooks:
            return self._change_behind()
        choice, history = self.random, self.upstream.history
        index = self.hooks[-1] if choice.random() < 0.5 else choice.choice(self.hooks)
        if choice.random() < 0.8:
            self.hooks.remove(index)
        replica = choice.choice(self.replicas)
        change = history.changes[index]
        state = history.states[index if change.kind != "deleted" else index - 1]
        user = self.upstream.user(state[change.source_id], _FULL, CONFIGURED)
        self.scheduler.note(replica.name, "webhook", index)

        async def run() -> None:
            with suppress(GatewayError):  # its sender repeats it, or not
                await replica.log.append(UserChange(change.kind), user, name=f"hook {index}")
                self.logged.add(index)

        self._run(run())
        return None

    def _change_role(self) -> None:
        roles = self.upstream.roles
        row = self.random.choice(list(roles.present.values()))
        change = roles.changes[0]._replace(at=self.clock.now, source_id=row.source_id)
        roles.add(change, row._replace(name=self.random.choice(("reader", "writer", "admin"))))

    def _late(self) -> None:
        """Execute a change whose caller no longer waits for it."""
        if self.upstream.under_way:
            with suppress(GatewayError):
                self.upstream.under_way.pop(0)()

    # What else happens

    def _poll(self) -> None:
        replica = self.random.choice(self.replicas)
        self.scheduler.note(replica.name, "polls")

        async def run() -> None:
            reported = await replica.poll()
            self.scheduler.note(replica.name, "polled", reported)
            self.logged |= reported or set()

        self._run(run())

    def _pass_time(self) -> None:
        seconds = self.random.choice((0.2, 0.9, 1.7, 3.0, 5.5, 9.0, 17.0, 33.0))
        self.scheduler.note("pass", seconds)
        self.scheduler.advance(seconds)

    def _cancel(self) -> None:
        """Let a caller go away."""
        if self.tasks:
            self.random.choice(list(self.tasks)).cancel()

    def _drop(self) -> None:
        """Let a gateway lose what it knew of the log."""
        replica = self.random.choice(self.replicas)
        replica.users.source_changed(None)
        replica.disturbed_at = self.clock.now

    def _withdraw(self) -> None:
        credential = self.random.choice(("eve", "dan"))
        self.upstream.refused ^= {credential}
        is_refused = credential in self.upstream.refused
        self.scheduler.note("credential", credential, "refused" if is_refused else "accepted")
        if is_refused and self.random.random() < 0.7:  # the source refuses another read, before the one under way ends
            principal = next(principal for principal, name in self.principals if name == credential)
            caller = (self.random.choice(self.replicas), principal, credential)
            self._start_read(caller, "u3", _FULL, ANY_FRESHNESS)

    def _toggle_stream(self) -> None:
        assert self.stream is not None
        self.stream.away = not self.stream.away
        self.scheduler.note("Redis", "away" if self.stream.away else "back")

    def _preferred(self, ids: list[str]) -> str:
        """Return one of the ids, most often the first one: only what meets can go wrong."""
        return ids[0] if self.random.random() < 0.5 else self.random.choice(ids)

    def _caller(self) -> tuple[Replica, Principal, str]:
        forwards = self.swarm.forwards and self.random.random() < 0.6
        principals = self.principals[2:] if forwards else self.principals[:2]
        return self.random.choice(self.replicas), *self.random.choice(principals)

    def _wish(self) -> Freshness:
        return self.random.choice(_WISHES) if self.swarm.wishes and self.random.random() < 0.5 else ANY_FRESHNESS

    def _run(self, operation: Any) -> None:
        task = asyncio.get_running_loop().create_task(operation)
        self.tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self.tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self.checks.failed(error)


def _rows(users: Any) -> tuple[Any, ...]:
    return tuple((user.source_id, user.name, user.email) for user in users)


def _wish_text(wish: Freshness) -> str:
    return "" if wish is ANY_FRESHNESS else str(wish)


async def run(
    seed: int,
    clock: VirtualClock,
    *,
    trace: list[str] | None = None,
    redis: Callable[[], EventStream] | None = None,
) -> None:
    """Run the interleaving of a seed; it raises what was found. `trace` gets all that happens."""
    world = World(seed, clock, trace=trace, redis=redis)
    try:
        await world.run()
    finally:
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
    world.checks.raise_failure()
