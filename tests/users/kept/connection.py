"""The client of a source in memory, whose calls take steps of the scheduler and can fail before or after them.

Every response is remembered with the instant at which it was true, so that a test can tell where an answer came from.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from users.kept.history import History, Question, Row, by_address, by_id
from users.kept.scheduling import no_fault
from users.kept.upstream import CONFIGURED, Upstream

from gateway.errors import (
    Conflict,
    NotFound,
    Origin,
    Outcome,
    RateLimited,
    SourceCredentials,
    SourceTimeout,
    SourceUnavailable,
)
from gateway.operation import current_principal
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.single_flight import SingleFlight
from gateway.users.ids import Kind, Ref
from gateway.users.model import Role, User, UserChange, UserSource
from gateway.users.source import Page, Source, UserQuery, Window
from gateway.users.source_changes import SourceChanges

__all__ = ["Connection", "Provenance", "ReadRecord", "current_read", "question_of"]

_REFERENCE_FAULTS = ("unavailable", "timeout", "limited")


class Provenance(NamedTuple):
    """Where a value comes from: the index of the state that it shows, the credential, and the instants of its call.

    `began_at` is when its reader began, `sent_at` when the call was sent, which may be shared with earlier readers.
    """

    value: Any
    began_at: float
    sent_at: float
    executed_at: float
    index: int
    credential: str
    needs: frozenset[str]
    responded_at: float = 0.0


@dataclass
class ReadRecord:
    """What happened during one read or change of a test: the calls that it caused, and how they ended.

    `executed` is the state that a change led to. `published`: its event was in the log when the change was answered,
    because nothing kept it from that.
    """

    calls: int = 0
    faults: int = 0
    caught_up: bool = True
    responses: list[Provenance] = field(default_factory=list)
    executed: int | None = None
    published: bool = False


current_read: ContextVar[ReadRecord | None] = ContextVar("current_read", default=None)


def question_of(source_id: str) -> Question:
    """Return the question that a read of this id, or this address, asks."""
    return by_address(source_id) if "@" in source_id else by_id(source_id)


class _Answered(Response, frozen=True):
    """A response that carries what it was made of."""

    content: Any = None


_EVERYTHING = frozenset({"department"})


class Connection(Source):
    """The client of one gateway for the source; a shared call is the real step of the pipeline."""

    def __init__(self, upstream: Upstream, label: str) -> None:
        self.upstream = upstream
        self.label = label
        self.flight = SingleFlight()
        self.provenance: dict[int, Provenance] = {}
        self.refusals: dict[str, float] = {}  # by credential, when the last refused call ended
        self.polled: list[int] = []  # the changes that the last round reported
        self.calls = 0
        self.absences: dict[tuple[str, str], float] = {}  # when the last read began that found no such user
        self._directory = _Roles(self)

    @property
    def name(self) -> UserSource:
        return self.upstream.traits.name

    @property
    def tenant(self) -> str:
        return self.upstream.traits.tenant

    @property
    def directories(self) -> Mapping[Kind, Any]:
        return {Kind.ROLE: self._directory}

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:  # noqa: ARG002 - as in `Source`
        return needs if self.upstream.traits.complete_rows else None

    def changed_needs(self, user: User) -> frozenset[str] | None:  # noqa: ARG002 - as in `Source`
        return _EVERYTHING if self.upstream.traits.complete_changes else None

    def now(self) -> float:
        return self.upstream.scheduler.clock.time()

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:
        question = question_of(ref.source_id)
        found, began_at, shown = await self._get(
            f"/users/{ref.source_id}?{sorted(needs)}", lambda: self._find(question)
        )
        row, index, executed_at, sent_at = found
        credential = _credential(self.name)
        user = None if row is None else self.upstream.user(row, needs, credential)
        self.remember(user, Provenance(user, began_at, sent_at, executed_at, index, shown, needs))
        if user is None:
            key = credential, ref.source_id
            self.absences[key] = max(began_at, self.absences.get(key, 0.0))
        return user

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        search = query.search
        url = f"/users?{search}&{query.email}&{position}&{limit}&{sorted(needs)}"
        found, began_at, shown = await self._get(url, lambda: self._list(query, position, limit))
        (rows, following), index, executed_at, sent_at = found
        credential = _credential(self.name)
        traits = self.upstream.traits
        has = needs if traits.complete_rows else frozenset()
        users = tuple(self.upstream.user(row, has, credential) for row in rows)
        window = Window(users, following)
        for value in (window, *users):
            self.remember(value, Provenance(value, began_at, sent_at, executed_at, index, shown, has))
        return window

    async def update_user(self, ref: Ref, change: Any, key: str) -> User | None:  # noqa: ARG002 - as in `Source`
        given = change.given()
        upstream = self.upstream

        def execute() -> tuple[Row, int]:
            shown = question_of(ref.source_id)(upstream.history.present)
            if shown is None:
                raise NotFound("no such user", origin=Origin(source=self.name))
            row = upstream.history.present[shown[0]]
            email, name = given.get("email") or row.email, given.get("name") or given.get("first_name") or row.name
            if any(other.email == email and other is not row for other in upstream.history.present.values()):
                raise Conflict("taken", origin=Origin(source=self.name))
            after = row._replace(name=name, email=email, changed_at=upstream.now)
            return after, self._executed(upstream.change(row.source_id, "updated", after))

        return await self._write("PUT", f"/users/{ref.source_id}", execute)

    async def create_user(self, change: Any, key: str) -> User:  # noqa: ARG002 - as in `CreatingSource`
        upstream = self.upstream

        def execute() -> tuple[Row, int]:
            email = change.given()["email"]
            if any(other.email == email for other in upstream.history.present.values()):
                raise Conflict("taken", origin=Origin(source=self.name))
            index = self._executed(upstream.create(change.given()["name"], email))
            return upstream.history.present[upstream.history.changes[index].source_id], index

        user = await self._write("POST", "/users", execute)
        assert user is not None
        return user

    async def changes_since(self, position: str | None) -> SourceChanges:
        upstream, scheduler, history = self.upstream, self.upstream.scheduler, self.upstream.history
        await self._pass("poll", "unavailable")
        at = scheduler.clock.now
        if position is None:
            self.polled = list(range(history.last + 1))
            await self._pass("poll responds", "timeout")
            return SourceChanges((), str(at))
        since = float(position)
        reported = [
            index
            for index, change in enumerate(history.changes)
            if change.reported_at is not None and since - 1.0 < change.reported_at <= at
        ]
        await self._pass("poll reads users", "timeout", "limited")
        changes: list[tuple[UserChange, User]] = []
        has_unknown = False
        for index in reported:
            change = history.changes[index]
            row = history.present.get(change.source_id)
            if row is not None:
                changes.append((UserChange(change.kind), upstream.user(row, _EVERYTHING, CONFIGURED)))
            elif upstream.traits.deletions == "reported":
                last = history.states[_last_with(history, change.source_id)][change.source_id]
                changes.append((UserChange.DELETED, upstream.user(last, _EVERYTHING, CONFIGURED)))
            else:
                has_unknown = True
        self.polled = list(range(history.last + 1)) if has_unknown else reported
        return SourceChanges(tuple(changes), str(at), has_unknown)

    def _executed(self, index: int) -> int:
        read = current_read.get()
        if read is not None:
            read.executed = index
        return index

    async def _write(self, method: str, path: str, execute: Callable[[], tuple[Row, int]]) -> User | None:
        began_at = self.upstream.now
        traits = self.upstream.traits

        async def send(_: Request) -> Response:
            fault = await self.upstream.scheduler.step((self.label, method, path), "unavailable", "lost")
            if fault == "lost":  # the request may still arrive
                self.upstream.under_way.append(execute)
            self._raise(fault)
            self._refuse()
            content = (*execute(), self.upstream.now)
            self._raise(await self.upstream.scheduler.step((self.label, method, path, "responds"), "lost"))
            return _Answered(200, {}, b"", content)

        response: Any = await self.flight(Request(self.name, method, path, path), send)
        row, index, executed_at = response.content
        if traits.silent_changes and method == "PUT":
            return None
        credential = _credential(self.name)
        needs = _EVERYTHING if traits.complete_changes else frozenset[str]()
        user = self.upstream.user(row, needs, credential, dated=traits.dated_changes)
        self.remember(user, Provenance(user, began_at, began_at, executed_at, index, credential, needs))
        return user

    async def _get(self, url: str, execute: Callable[[], Any]) -> tuple[Any, float, str]:
        """Return what a call returned, when this read of it began, and the credential that it was made with."""
        began_at = self.upstream.now
        read = current_read.get()
        if read is not None:
            read.calls += 1
        credential = _credential(self.name)

        async def send(_: Request) -> Response:
            self.calls += 1
            sent_at = self.upstream.now
            self._raise(await self.upstream.scheduler.step((self.label, "GET", url), *_REFERENCE_FAULTS))
            self._refuse()
            content = (execute(), self.upstream.history.last, self.upstream.now, sent_at)
            self._raise(await self.upstream.scheduler.step((self.label, "GET", url, "responds"), *_REFERENCE_FAULTS))
            return _Answered(200, {}, b"", (content, credential))

        try:
            response: Any = await self.flight(Request(self.name, "GET", url, "/users"), send)
        except SourceCredentials:
            self.refusals[credential] = self.upstream.now
            raise
        except (SourceUnavailable, SourceTimeout, RateLimited):
            if read is not None:
                read.faults += 1
            raise
        content, shown = response.content
        self.upstream.longest = max(self.upstream.longest, self.upstream.now - content[-1])
        return content, began_at, shown

    async def _pass(self, label: str, *faults: str) -> None:
        self._raise(await self.upstream.scheduler.step((self.label, label), *faults))

    def _raise(self, fault: str) -> None:
        origin = Origin(source=self.name)
        if fault == "unavailable":
            raise SourceUnavailable("503", origin=origin)
        if fault == "limited":
            raise RateLimited("429", origin=origin, retry_after=1.0)
        if fault != no_fault:
            raise SourceTimeout("late", origin=origin, outcome=Outcome.UNKNOWN if fault == "lost" else None)

    def _refuse(self) -> None:
        if _credential(self.name) in self.upstream.refused:
            raise SourceCredentials("The source refused the credential.", origin=Origin(source=self.name))

    def _find(self, question: Question) -> Row | None:
        shown = question(self.upstream.history.present)
        return None if shown is None else self.upstream.history.present[shown[0]]

    def _list(self, query: UserQuery, position: str | None, limit: int) -> tuple[list[Row], str | None]:
        present = self.upstream.history.present
        rows = [
            row
            for row in reversed(present.values())
            if (query.search is None or query.search in row.name)
            and (query.email is None or query.email.casefold() == row.email)
            and (position is None or int(row.source_id[1:]) < int(position))
        ]
        following = rows[limit - 1].source_id[1:] if len(rows) > limit else None
        return rows[:limit], following

    def remember(self, value: Any, provenance: Provenance) -> None:
        read = current_read.get()
        if read is not None:
            read.responses.append(provenance)
        if value is not None:
            self.provenance[id(value)] = provenance


class _Roles:
    """The roles of the source."""

    template = "/roles/{id}"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, ref: Ref, _: frozenset[str]) -> Role | None:
        return self._role(ref.source_id, *await self._call(f"/roles/{ref.source_id}"))

    async def page(self, *_: Any, **__: Any) -> Page[Role]:
        content, began_at = await self._call("/roles")
        return Page(tuple(role for key in content[0] if (role := self._role(key, content, began_at)) is not None))

    def _role(self, key: str, content: Any, began_at: float) -> Role | None:
        state, index, executed_at = content
        row = state.get(key)
        if row is None:
            return None
        role = Role(self._connection.name, row.source_id, row.name)
        credential = _credential(self._connection.name)
        now = self._connection.upstream.now
        provenance = Provenance(role, began_at, began_at, executed_at, index, credential, frozenset(), now)
        self._connection.remember(role, provenance)
        return role

    async def _call(self, url: str) -> tuple[Any, float]:
        connection, roles = self._connection, self._connection.upstream.roles
        began_at = connection.upstream.now

        async def send(_: Request) -> Response:
            await connection._pass(url, *_REFERENCE_FAULTS)
            content = (roles.present, roles.last, connection.upstream.now)
            await connection._pass(f"{url} responds", *_REFERENCE_FAULTS)
            return _Answered(200, {}, b"", content)

        response: Any = await connection.flight(Request(connection.name, "GET", url, url), send)
        return response.content, began_at


def _credential(source: UserSource) -> str:
    """Return the credential that the source gets: the one of the caller, else the configured one."""
    forwarded: Mapping[str, str] = current_principal.get().forwarded.get(source, {})
    return forwarded.get("Authorization", CONFIGURED)


def _last_with(history: History, source_id: str) -> int:
    return next(index for index in range(history.last, -1, -1) if source_id in history.states[index])
