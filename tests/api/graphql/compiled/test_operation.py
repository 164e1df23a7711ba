"""What becomes code and what does not, and what the comparison with graphql-core cannot see."""

import asyncio
import gc
from typing import Any

import pytest
from api.graphql.compiled.comparison import SCHEMA, Answer, answer_of, read
from api.graphql.compiled.records import FakeDirectory, FakeSource, World
from graphql import OperationDefinitionNode, parse, validate

from gateway.api.graphql.compiled import Compiled, Uncovered, compile_operation
from gateway.errors import SourceUnavailable
from gateway.users.ids import Kind
from gateway.users.model import Department, Location, OwnerType, Role, RoleOwner, User, UserSource

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


def account(users: Any = None, **given: Any) -> World:
    """A world of one system."""
    directories = {Kind.ROLE: FakeDirectory(ROLES), Kind.DEPARTMENT: FakeDirectory(DEPARTMENTS)}
    return World((FakeSource(ACCOUNT, USERS if users is None else users, directories, **given),))


async def answer(text: str, world: World, variables: dict[str, Any] | None = None, **options: Any) -> Answer:
    """The answer of the compiled document."""
    document, operation = read(text)
    assert not validate(SCHEMA, document)
    compiled = compile_operation(SCHEMA, document, operation, **options)
    assert isinstance(compiled, Compiled)
    return await answer_of(compiled, document, operation, variables or {}, world)


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
    """Introspection, incremental delivery and subscriptions stay on graphql-core, wherever they stand."""
    document, operation = read(text)
    assert compile_operation(SCHEMA, document, operation) == Uncovered(reason)


def test_other_operations() -> None:
    """An operation is compiled whatever else its document holds."""
    document = parse('query A { user(id: "u") { id } } query B { __schema { types { name } } }')
    first, second = document.definitions
    assert isinstance(first, OperationDefinitionNode)
    assert isinstance(second, OperationDefinitionNode)
    assert isinstance(compile_operation(SCHEMA, document, first), Compiled)
    assert compile_operation(SCHEMA, document, second) == Uncovered("__schema")


def test_size() -> None:
    """Fragments that multiply to more than can be compiled are left to graphql-core, which follows the data."""
    fragments = " ".join(
        f"fragment F{n} on Location {{ a: parent {{ ...F{n + 1} }} b: parent {{ ...F{n + 1} }} }}" for n in range(20)
    )
    document, operation = read(
        f"{{ departments {{ nodes {{ location {{ ...F0 }} }} }} }} {fragments} fragment F20 on Location {{ name }}"
    )
    assert compile_operation(SCHEMA, document, operation) == Uncovered("size")


async def test_names_are_no_code() -> None:
    """A name or a text from a document can be anything that GraphQL allows, and stays what it is."""
    names = ("None", "def", "__class__", "import", "x", "r", "v", "a", "e", "k1", "c1")
    fields = " ".join(f"{name}: sourceId" for name in names)
    found = await answer(f'{{ lambda: user(id: "u1", source: ACCOUNT) {{ {fields} }} }}', account())
    assert found.data == {"lambda": dict.fromkeys(names, "u1")}
    odd = '\\"]) or exit() #\\n{}\\u0000'
    assert not (await answer(f'{{ users(filter: {{search: "{odd}"}}) {{ nodes {{ id }} }} }}', account())).errors


async def test_one_batch_a_level() -> None:
    """The lookups of fifty users cost one call for each kind of record."""
    world = account()
    text = "{ users { nodes { role { permissions owner { type } } department { location { name } } } } }"
    found = await answer(text, world)
    by_kind = world.sources[0].directories
    assert [by_kind[kind].calls for kind in (Kind.ROLE, Kind.DEPARTMENT)] == [1, 1]
    assert sorted(user["department"]["location"]["name"] for user in found.data["users"]["nodes"]) == sorted(
        f"At {n % 7}" for n in range(50)
    )


async def test_an_error_below_a_null_is_told_to_the_others() -> None:
    """A record that two users share has its error in both places, also where the first of them has become null."""
    nameless, named = Department("d1", None), Department("d1", "Place")  # type: ignore[arg-type]  # as systems may tell
    world = account({"u1": User(ACCOUNT, "u1", department=nameless), "u2": User(ACCOUNT, "u2", department=named)})
    text = "query($s: Boolean = false) { users { nodes { department { location { name @include(if: $s) } name } } } }"
    found = await answer(text, world, {"s": None})
    departments = [user["department"] for user in found.data["users"]["nodes"]]
    told = {one.path[2:] for one in found.errors}
    assert departments == [None, {"location": None, "name": "Place"}]
    assert told == {(0, "department", "name"), (1, "department", "location")}


async def test_no_task_for_one_field() -> None:
    """One field at the root is executed by whoever executes the operation."""
    made: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    found = await answer("{ roles { nodes { name } } }", account())
    assert len(found.data["roles"]["nodes"]) == 10
    assert not made


WRONG_NAME = User(ACCOUNT, "u1", name=b"wrong")  # type: ignore[arg-type]  # what no system should tell


@pytest.mark.parametrize("user", [7, None, ValueError("broken"), WRONG_NAME, [1]])
async def test_a_change_is_carried_out_once(user: Any) -> None:
    """Whatever a system answers to a change, and however that fails, it is not asked again."""
    text = 'mutation { updateAccountUser(id: "u1", input: {name: "N"}) { id name role { permissions } } }'
    found = await answer(text, account({"u1": user}))
    assert [what for what, *_ in found.changes] == ["begun", "ended"]


def test_weight() -> None:
    """What an operation weighs is what its code takes, with all the ways to switch it."""

    def weight(text: str) -> int:
        compiled = compile_operation(SCHEMA, *read(text))
        assert isinstance(compiled, Compiled)
        return compiled.weight

    short = weight("{ roles { nodes { name } } }")
    assert 3000 < short < 10_000
    assert weight("{ roles { nodes { name } } b: roles { nodes { name } } }") == 2 * short
    assert weight("query($s: Boolean!) { roles { nodes { name @skip(if: $s) } } }") == 2 * short


async def test_programs_are_bounded() -> None:
    """Switches double what can be asked for; what is kept of it is bounded, and what is answered is right."""
    switches = [f"s{n}" for n in range(6)]
    fields = " ".join(f"{name}: sourceId @include(if: ${name})" for name in switches)
    head = ", ".join(f"${name}: Boolean!" for name in switches)
    document, operation = read(f'query({head}) {{ user(id: "u1", source: ACCOUNT) {{ id {fields} }} }}')
    compiled = compile_operation(SCHEMA, document, operation)
    assert isinstance(compiled, Compiled)
    for number in range(2 ** len(switches)):
        variables = {name: bool(number >> place & 1) for place, name in enumerate(switches)}
        found = await answer_of(compiled, document, operation, variables, account())
        assert found.data["user"].keys() == {"id", *(name for name, on in variables.items() if on)}
    assert len(compiled._programs) == 8


@pytest.mark.parametrize(("hidden", "told"), [(False, True), (True, False)])
async def test_suggestions(hidden: bool, told: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A wrong variable is answered with the schema's words only where they may be told."""
    text = 'query($source: UserSource) { user(id: "u1", source: $source) { id } }'
    found = await answer(text, account(), {"source": "ACOUNT"}, hide_suggestions=hidden)
    assert found.data is None
    assert ("Did you mean" in found.errors[0].message) is told


async def test_an_answer_that_several_share() -> None:
    """What is odd about a record that several users refer to is told at each of them."""
    role = Role(ACCOUNT, "r1", "")
    users = {f"u{n}": User(ACCOUNT, f"u{n}", role=role) for n in range(3)}
    world = World((FakeSource(ACCOUNT, users, {Kind.ROLE: FakeDirectory(ROLES, SourceUnavailable("down"))}),))
    found = await answer("{ users { nodes { role { sourceId permissions } } } }", world)
    assert found.data["users"]["nodes"] == [{"role": {"sourceId": "r1", "permissions": None}}] * 3
    assert [told.path for told in found.errors] == [("users", "nodes", n, "role", "permissions") for n in range(3)]


async def test_cancelled() -> None:
    """An execution that is cancelled ends, and with it what it waited for."""
    running = asyncio.create_task(answer("{ users { nodes { id } } a: users { nodes { id } } }", account(turns=10**9)))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("turns", range(1, 12))
async def test_cancelled_as_another_part_fails(turns: int) -> None:
    """Whenever an execution is cancelled, also as one of its roots fails, nothing of it goes on."""
    world = World((FakeSource(ACCOUNT, {}, {Kind.ROLE: FakeDirectory({}, SourceUnavailable("down"), 2)}, turns=10**9),))
    running = asyncio.create_task(answer("{ roles { nodes { name } } users { nodes { name } } }", world))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_between_lookups() -> None:
    """Lookups that have failed already when an execution is cancelled are no errors that nobody looked at."""
    unseen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    failing = {
        Kind.ROLE: FakeDirectory({}, SourceUnavailable("down")),
        Kind.DEPARTMENT: FakeDirectory({}, SourceUnavailable("down"), turns=50),
    }
    text = "{ users { nodes { role { permissions } department { location { name } } } } }"
    running = asyncio.create_task(answer(text, World((FakeSource(ACCOUNT, USERS, failing),))))
    for _ in range(25):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    del failing, running  # with them goes whoever could still look
    gc.collect()
    assert not unseen
