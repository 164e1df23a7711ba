"""What is compiled and what is not, and behaviour that the comparison with graphql-core cannot observe."""

import asyncio
import gc
from typing import Any

import pytest
from api.graphql.compiled.comparison import SCHEMA, Answer, answer_of, parse_operation
from api.graphql.compiled.records import FakeDirectory, FakeSource, FakeSources
from graphql import OperationDefinitionNode, parse, validate

from gateway.api.graphql.compiled import Compiled, Uncovered, compile_operation
from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.error_behavior import ErrorBehavior
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.selections import selection_of
from gateway.errors import SourceUnavailable
from gateway.freshness import FreshnessReport, current_freshness
from gateway.telemetry.report import RequestReport
from gateway.users.ids import Kind
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.model import Department, Location, OwnerType, Role, RoleOwner, User, UserSource
from gateway.users.planning import plan
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT = UserSource.ACCOUNT
ROLES = {
    f"r{n}": Role(ACCOUNT, f"r{n}", f"Role {n}", owner=RoleOwner(OwnerType.SYSTEM), permissions=(f"team:{n}",))
    for n in range(10)
}
DEPARTMENTS = {
    f"d{n}": Department(f"d{n}", f"Place {n}", location=Location("l", f"At {n}", "building")) for n in range(10)
}
USERS = {
    f"u{n}": User(ACCOUNT, f"u{n}", role=Role(ACCOUNT, f"r{n % 10}", ""), department=Department(f"d{n % 7}", ""))
    for n in range(50)
}


def account(users: Any = None, **options: Any) -> FakeSources:
    """Return the account source alone."""
    directories = {Kind.ROLE: FakeDirectory(ROLES), Kind.DEPARTMENT: FakeDirectory(DEPARTMENTS)}
    return FakeSources((FakeSource(ACCOUNT, USERS if users is None else users, directories, **options),))


async def answer(text: str, sources: FakeSources, variables: dict[str, Any] | None = None, **options: Any) -> Answer:
    """Return the answer of the compiled operation."""
    document, operation = parse_operation(text)
    assert not validate(SCHEMA, document)
    compiled = compile_operation(SCHEMA, document, operation, **options)
    assert isinstance(compiled, Compiled)
    return await answer_of(compiled, document, operation, variables or {}, sources)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ __schema { types { name } } }", "__schema"),
        ('{ user(id: "u") { ...F } __type(name: "User") { name } } fragment F on User { id }', "__type"),
        ("{ ...F } fragment F on Query { __schema { types { name } } }", "__schema"),
        ('{ user(id: "u") { ... @defer { name } } }', "@defer"),
        ('{ person(email: "x") { users @stream { name } } }', "@stream"),
        ("subscription { users { id } }", "subscription"),
    ],
)
def test_uncovered(text: str, reason: str) -> None:
    """Introspection, incremental delivery and subscriptions stay on graphql-core, also in fragments."""
    document, operation = parse_operation(text)
    assert compile_operation(SCHEMA, document, operation) == Uncovered(reason)


def test_other_operations() -> None:
    """An operation is compiled whatever other operations its document has."""
    document = parse('query A { user(id: "u") { id } } query B { __schema { types { name } } }')
    first, second = document.definitions
    assert isinstance(first, OperationDefinitionNode)
    assert isinstance(second, OperationDefinitionNode)
    assert isinstance(compile_operation(SCHEMA, document, first), Compiled)
    assert compile_operation(SCHEMA, document, second) == Uncovered("__schema")


def test_size() -> None:
    """Nested fragments with too many answer slots stay on graphql-core, which follows the data."""
    fragments = " ".join(
        f"fragment F{n} on Location {{ a: parent {{ ...F{n + 1} }} b: parent {{ ...F{n + 1} }} }}" for n in range(20)
    )
    document, operation = parse_operation(
        f"{{ departments {{ nodes {{ location {{ ...F0 }} }} }} }} {fragments} fragment F20 on Location {{ name }}"
    )
    assert compile_operation(SCHEMA, document, operation) == Uncovered("size")


async def test_names_are_no_code() -> None:
    """Any name or text that GraphQL allows in a document is data in generated code, and never code."""
    names = ("None", "def", "__class__", "import", "x", "r", "v", "a", "e", "k1", "c1")
    fields = " ".join(f"{name}: sourceId" for name in names)
    found = await answer(f'{{ lambda: user(id: "u1", source: ACCOUNT) {{ {fields} }} }}', account())
    assert found.data == {"lambda": dict.fromkeys(names, "u1")}
    quotes = '\\"]) or exit() #\\n{}\\u0000'
    assert not (await answer(f'{{ users(filter: {{search: "{quotes}"}}) {{ nodes {{ id }} }} }}', account())).errors


async def test_one_batch_a_level() -> None:
    """The lookups of fifty users need one call for each kind of record."""
    sources = account()
    text = "{ users { nodes { role { permissions owner { type } } department { location { name } } } } }"
    found = await answer(text, sources)
    by_kind = sources.sources[0].directories
    assert [by_kind[kind].calls for kind in (Kind.ROLE, Kind.DEPARTMENT)] == [1, 1]
    assert sorted(user["department"]["location"]["name"] for user in found.data["users"]["nodes"]) == sorted(
        f"At {n % 7}" for n in range(50)
    )


async def test_kept_records_are_not_awaited() -> None:
    """Records that are kept are completed at once: without calls, and each counts as one hit."""
    sources = account()
    reference = ReferenceData(Sources(sources.sources), lifetimes=Lifetimes(reference=600))
    text = "{ users { nodes { role { permissions owner { type } } department { location { name } } } } }"
    document, operation = parse_operation(text)
    compiled = compile_operation(SCHEMA, document, operation)
    assert isinstance(compiled, Compiled)
    planned = plan(selection_of(document, operation, {}))
    service = UserService(Sources(sources.sources), reference=reference)
    answers, reports = [], []
    for _ in range(2):
        context = Context.of(Incoming(service, RequestReport()), planned, 2, ErrorBehavior.PROPAGATE)
        report = FreshnessReport()
        before = current_freshness.set(report)
        answers.append((await compiled.execute(context, {})).data)
        current_freshness.reset(before)
        reports.append((report.hits, report.misses))
    assert answers[0] == answers[1]
    assert reports == [(0, 17), (17, 0)]
    directories = sources.sources[0].directories
    assert [directories[kind].calls for kind in (Kind.ROLE, Kind.DEPARTMENT)] == [1, 1]


async def test_an_error_below_a_null_is_reported_at_the_other_positions() -> None:
    """A record of two users has its error at both positions, also if the position of the first user became null."""
    nameless, named = Department("d1", None), Department("d1", "Place")  # type: ignore[arg-type]  # as a source may respond
    sources = account({"u1": User(ACCOUNT, "u1", department=nameless), "u2": User(ACCOUNT, "u2", department=named)})
    text = "query($s: Boolean = false) { users { nodes { department { location { name @include(if: $s) } name } } } }"
    found = await answer(text, sources, {"s": None})
    departments = [user["department"] for user in found.data["users"]["nodes"]]
    paths = {error.path[2:] for error in found.errors}
    assert departments == [None, {"location": None, "name": "Place"}]
    assert paths == {(0, "department", "name"), (1, "department", "location")}


async def test_no_task_for_one_field() -> None:
    """A single root field is executed in the task of the operation."""
    tasks: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        tasks.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    found = await answer("{ roles { nodes { name } } }", account())
    assert len(found.data["roles"]["nodes"]) == 10
    assert not tasks


WRONG_NAME = User(ACCOUNT, "u1", name=b"wrong")  # type: ignore[arg-type]  # no source should respond so


@pytest.mark.parametrize("user", [7, None, ValueError("broken"), WRONG_NAME, [1]])
async def test_a_change_is_carried_out_once(user: Any) -> None:
    """Whatever a source responds to a change, and however completing it fails, the change is not sent again."""
    text = 'mutation { updateAccountUser(id: "u1", input: {name: "N"}) { id name role { permissions } } }'
    found = await answer(text, account({"u1": user}))
    assert [step for step, *_ in found.changes] == ["begun", "ended"]


def test_weight() -> None:
    """The weight of an operation is the memory of its code, for all combinations of its conditions."""

    def weight(text: str) -> int:
        compiled = compile_operation(SCHEMA, *parse_operation(text))
        assert isinstance(compiled, Compiled)
        return compiled.weight

    short = weight("{ roles { nodes { name } } }")
    assert 3000 < short < 10_000
    assert weight("{ roles { nodes { name } } b: roles { nodes { name } } }") == 2 * short
    assert weight("query($s: Boolean!) { roles { nodes { name @skip(if: $s) } } }") == 2 * short


async def test_programs_are_bounded() -> None:
    """Each variable in a condition doubles the programs; at most 8 are kept, and all answers are right."""
    conditions = [f"s{n}" for n in range(6)]
    fields = " ".join(f"{name}: sourceId @include(if: ${name})" for name in conditions)
    head = ", ".join(f"${name}: Boolean!" for name in conditions)
    document, operation = parse_operation(f'query({head}) {{ user(id: "u1", source: ACCOUNT) {{ id {fields} }} }}')
    compiled = compile_operation(SCHEMA, document, operation)
    assert isinstance(compiled, Compiled)
    for number in range(2 ** len(conditions)):
        variables = {name: bool(number >> bit & 1) for bit, name in enumerate(conditions)}
        found = await answer_of(compiled, document, operation, variables, account())
        assert found.data["user"].keys() == {"id", *(name for name, on in variables.items() if on)}
    assert len(compiled._programs) == 8


@pytest.mark.parametrize(("hide", "suggested"), [(False, True), (True, False)])
async def test_suggestions(hide: bool, suggested: bool) -> None:  # noqa: FBT001 - parameters of the test
    """The error for a wrong variable suggests names of the schema only if that is allowed."""
    text = 'query($source: UserSource) { user(id: "u1", source: $source) { id } }'
    found = await answer(text, account(), {"source": "ACOUNT"}, hide_suggestions=hide)
    assert found.data is None
    assert ("Did you mean" in found.errors[0].message) is suggested


async def test_a_reused_result_reports_each_error() -> None:
    """An error in a record that several users refer to is reported at each of them."""
    role = Role(ACCOUNT, "r1", "")
    users = {f"u{n}": User(ACCOUNT, f"u{n}", role=role) for n in range(3)}
    sources = FakeSources((FakeSource(ACCOUNT, users, {Kind.ROLE: FakeDirectory(ROLES, SourceUnavailable("down"))}),))
    found = await answer("{ users { nodes { role { sourceId permissions } } } }", sources)
    assert found.data["users"]["nodes"] == [{"role": {"sourceId": "r1", "permissions": None}}] * 3
    assert [error.path for error in found.errors] == [("users", "nodes", n, "role", "permissions") for n in range(3)]


async def test_cancelled() -> None:
    """A cancelled execution ends with all its tasks."""
    running = asyncio.create_task(
        answer("{ users { nodes { id } } a: users { nodes { id } } }", account(iterations=10**9))
    )
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("iterations", range(1, 12))
async def test_cancelled_while_another_field_fails(iterations: int) -> None:
    """A cancelled execution ends with all its tasks, also if it is cancelled while a root field fails."""
    sources = FakeSources(
        (FakeSource(ACCOUNT, {}, {Kind.ROLE: FakeDirectory({}, SourceUnavailable("down"), 2)}, iterations=10**9),)
    )
    running = asyncio.create_task(answer("{ roles { nodes { name } } users { nodes { name } } }", sources))
    for _ in range(iterations):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_between_lookups() -> None:
    """If an execution is cancelled after lookups failed, asyncio reports no exception as never retrieved."""
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    failing = {
        Kind.ROLE: FakeDirectory({}, SourceUnavailable("down")),
        Kind.DEPARTMENT: FakeDirectory({}, SourceUnavailable("down"), iterations=50),
    }
    text = "{ users { nodes { role { permissions } department { location { name } } } } }"
    running = asyncio.create_task(answer(text, FakeSources((FakeSource(ACCOUNT, USERS, failing),))))
    for _ in range(25):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    del failing, running  # the last references to the futures
    gc.collect()
    assert not reported
