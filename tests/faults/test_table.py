"""The table: for each fault and each operation, what the caller sees and what the source saw.

A source's 5xx are its own words, so the sandbox makes them; what happens on the wire the proxy makes. All else
in a cell's world is healthy, and every cell has a world of its own. Faults of the wire meet each of the clients.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from faults.conftest import Troubled
from faults.toxic import FOREVER, Toxic, refusing

from gateway.sources.http.clients import CLIENTS

ADA = {"account": "acus_adalovelace1", "softwareone": "USR-0000-0001", "reseller": f"00000000-0000-4000-8000-{1:012}"}
CREATED = "new@faults.example"


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, the call at the source that suffers, and the column and value that show whether it was done."""

    document: str
    source: str
    method: str
    path: str
    key: str | None = None
    stored: tuple[str, str] | None = None

    @property
    def changes(self) -> bool:
        return self.method != "GET"


def _read(source: str) -> str:
    return f'{{ user(id: "{ADA[source]}", source: {source.upper()}) {{ sourceId name }} }}'


def _update(name: str, source: str, given: str) -> str:
    return f'mutation {{ {name}(id: "{ADA[source]}", input: {{{given}}}) {{ sourceId }} }}'


_ONE = r"/users/[^/]+$"
_RENAME = _update("updateAccountUser", "account", 'name: "Changed"')
OPERATIONS = {
    "read account": Operation(_read("account"), "account", "GET", r"/account-users/"),
    "read softwareone": Operation(_read("softwareone"), "softwareone", "GET", _ONE),
    "read reseller": Operation(_read("reseller"), "reseller", "GET", _ONE),
    "look up": Operation(
        f'{{ user(id: "{ADA["account"]}", source: ACCOUNT) {{ sourceId role {{ name owner {{ type }} }} }} }}',
        "account",
        "GET",
        r"/identity/roles",
    ),
    "list": Operation(
        "{ users(first: 9) { nodes { source } unavailable { source code } } }", "account", "GET", r"/account-users$"
    ),
    "create": Operation(
        f'mutation {{ createAccountUser(input: {{email: "{CREATED}"}}) {{ email }} }}',
        "account",
        "POST",
        r"/account-users$",
        key="create",
    ),
    "update account, key": Operation(
        _RENAME, "account", "PATCH", r"/account-users/", key="rename", stored=("name", "Changed")
    ),
    "update account": Operation(_RENAME, "account", "PATCH", r"/account-users/", stored=("name", "Changed")),
    "update softwareone": Operation(
        _update("updateSoftwareOneUser", "softwareone", 'firstName: "Changed"'),
        "softwareone",
        "PUT",
        _ONE,
        stored=("first_name", "Changed"),
    ),
    "update reseller": Operation(
        _update("updateResellerUser", "reseller", 'company: "Changed"'),
        "reseller",
        "PATCH",
        _ONE,
        stored=("company", "Changed"),
    ),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What the caller sees, how many calls the source saw, and whether the change is there afterwards (0 or 1)."""

    sees: str
    calls: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A fault and its cells: reads of the account system and of the others, changes there and of the others."""

    fault: Any
    times: float
    reads: Cell
    other_reads: Cell
    changes: Cell
    other_changes: Cell
    quick: bool = False  # the fault is silence: tries are given up soon

    def __str__(self) -> str:
        fault = " ".join(map(str, self.fault.values())) if isinstance(self.fault, dict) else str(self.fault)
        return f"{fault}, {'once' if self.times == 1 else 'lasting'}"

    @property
    def clients(self) -> tuple[str, ...]:
        """The HTTP clients that it makes a difference to; what a source says is the same to all."""
        return ("aiohttp",) if isinstance(self.fault, dict) else tuple(CLIENTS)

    @property
    def addressed(self) -> bool:
        """Whether the fault is in the source's address: then no call at all gets there."""
        return isinstance(self.fault, str) and not isinstance(self.fault, Toxic)

    def expected(self, operation: Operation) -> Cell:
        if operation.changes:
            return self.changes if operation.source == "account" else self.other_changes
        cell = self.reads if operation.source == "account" else self.other_reads
        nested = operation is OPERATIONS["list"] or (operation is OPERATIONS["look up"] and not self.addressed)
        if nested and cell.sees != "data":
            return Cell(f"partial {cell.sees.split()[0]}", cell.calls)
        return cell


def _row(fault: Any, times: float, reads: Cell, changes: Cell, **more: Any) -> Row:
    cells = {"other_reads": reads, "other_changes": changes} | more
    return Row(fault, times, reads=reads, changes=changes, **cells)


GONE, LATE = "SOURCE_UNAVAILABLE retryable", "SOURCE_TIMEOUT retryable"
WRONG, LIMIT, OURS = "SOURCE_INVALID_RESPONSE", "RATE_LIMITED retryable", "SOURCE_CREDENTIALS"


def _status(status: int, **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status} | more


TABLE = [
    # the network: the proxy's
    _row(Toxic.LATENCY, 1, Cell("data", 1), Cell("data", 1, 1)),
    _row(Toxic.RESET_BEFORE, 1, Cell("data", 1), Cell("data", 1, 1)),
    _row(Toxic.RESET_BEFORE, FOREVER, Cell(GONE, 0), Cell(f"{GONE} unknown", 0)),
    _row(Toxic.RESET_AFTER, 1, Cell("data", 2), Cell("data", 2, 1)),
    _row(Toxic.RESET_AFTER, FOREVER, Cell(GONE, 3), Cell(f"{GONE} unknown", 3, 1)),
    _row(Toxic.HALF_BODY, 1, Cell("data", 2), Cell("data", 2, 1)),
    _row(Toxic.HALF_BODY, FOREVER, Cell(GONE, 3), Cell(f"{GONE} unknown", 3, 1)),
    _row(Toxic.GARBAGE, 1, Cell(WRONG, 1), Cell(f"{WRONG} unknown", 1, 1)),
    _row(Toxic.GARBAGE, FOREVER, Cell(WRONG, 1), Cell(f"{WRONG} unknown", 1, 1)),
    _row(Toxic.DRIP, 1, Cell("data", 2), Cell("data", 2, 1), quick=True),
    _row(Toxic.DRIP, FOREVER, Cell(LATE, 3), Cell(f"{LATE} unknown", 3, 1), quick=True),
    _row(Toxic.BLACK_HOLE, 1, Cell("data", 1), Cell("data", 1, 1), quick=True),
    _row(Toxic.BLACK_HOLE, FOREVER, Cell(LATE, 0), Cell(f"{LATE} unknown", 0), quick=True),
    # the source: the sandbox's. Only the account system keeps keys, so only its changes are sent again after a 502
    _row(_status(429, retryAfter=0), 1, Cell("data", 2), Cell("data", 2, 1)),
    _row(_status(429, retryAfter=0), FOREVER, Cell(LIMIT, 3), Cell(LIMIT, 3)),
    _row(_status(429, retryAfter=60), 1, Cell(LIMIT, 1), Cell(LIMIT, 1)),
    _row(
        _status(500),  # only the account system says of it that it is transient
        1,
        Cell("data", 2),
        Cell("data", 2, 1),
        other_reads=Cell(GONE, 1),
        other_changes=Cell(f"{GONE} unknown", 1),
    ),
    _row(
        _status(500),
        FOREVER,
        Cell(GONE, 3),
        Cell(f"{GONE} unknown", 3),
        other_reads=Cell(GONE, 1),
        other_changes=Cell(f"{GONE} unknown", 1),
    ),
    _row(_status(502), 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(f"{GONE} unknown", 1)),
    _row(_status(502), FOREVER, Cell(GONE, 3), Cell(f"{GONE} unknown", 3), other_changes=Cell(f"{GONE} unknown", 1)),
    _row(_status(503), 1, Cell("data", 2), Cell("data", 2, 1)),
    _row(_status(503), FOREVER, Cell(GONE, 3), Cell(GONE, 3)),
    _row(_status(504), 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(f"{LATE} unknown", 1)),
    _row(_status(504), FOREVER, Cell(LATE, 3), Cell(f"{LATE} unknown", 3), other_changes=Cell(f"{LATE} unknown", 1)),
    _row(_status(401), FOREVER, Cell(OURS, 1), Cell(OURS, 1)),
    _row({"kind": "html"}, FOREVER, Cell(WRONG, 1), Cell(f"{WRONG} unknown", 1)),
    _row({"kind": "garbage"}, FOREVER, Cell(WRONG, 1), Cell(f"{WRONG} unknown", 1)),
    # the address: nothing was sent, so nothing is in doubt
    _row("refused", FOREVER, Cell(GONE, 0), Cell(GONE, 0)),
    _row("no such name", FOREVER, Cell(GONE, 0), Cell(GONE, 0)),
    _row("no TLS there", FOREVER, Cell(GONE, 0), Cell(GONE, 0)),
]


@pytest.mark.parametrize("row", TABLE, ids=str)
async def test_the_table(troubled: Callable[..., Any], row: Row) -> None:
    """Every operation answers in time, tells the truth, and changes what it says it changed, once."""
    with ExitStack() as stack:
        refused = stack.enter_context(refusing())
        cases = {(client, name): one for client in row.clients for name, one in OPERATIONS.items()}
        worlds = {case: await _world(troubled, row, one, refused, case[0]) for case, one in cases.items()}
        cells = await asyncio.gather(*(_cell(worlds[case], one) for case, one in cases.items()))
    expected = {case: row.expected(one) for case, one in cases.items()}
    assert dict(zip(cases, cells, strict=True)) == expected


async def _world(troubled: Callable[..., Any], row: Row, operation: Operation, refused: int, client: str) -> Troubled:
    times = {"try_timeout": 0.7, "timeout": 8} if row.quick else {"try_timeout": 5, "timeout": 10}
    addresses = {
        "refused": f"http://127.0.0.1:{refused}",
        # Longer than a name may be, so that this machine's resolver says no by itself, whatever its DNS does.
        "no such name": f"http://{'a-long-name.' * 30}invalid",
        "no TLS there": "https://127.0.0.1:{port}",
    }
    own: dict[str, Any] = {"http_client": client}
    world: Troubled = await troubled(every=times, **own)
    if row.addressed:
        port = urlsplit(world.sandbox.account_url).port
        own[operation.source] = {"base_url": addresses[row.fault].format(port=port)}
        world = await troubled(every=times, behind=world, **own)
    elif isinstance(row.fault, Toxic):
        call = f"^{operation.method} [^?]*{operation.path.removesuffix('$')}" + (
            r"(\?|$)" if operation.path.endswith("$") else ""
        )
        world.proxies[operation.source].poison(row.fault, row.times, call=call)
    else:
        times = 1_000 if row.times == FOREVER else int(row.times)
        where = {"source": operation.source, "method": operation.method, "path": operation.path}
        await world.fault(**where, times=times, **row.fault)
    return world


async def _cell(world: Troubled, operation: Operation) -> Cell:
    """What really happens."""
    headers = {"Idempotency-Key": operation.key} if operation.key else {}
    answer = await world.graphql(operation.document, **headers)
    seen = [
        call
        for call in await world.calls(operation.source)
        if call["method"] == operation.method and re.search(operation.path, call["path"])
    ]
    # Whatever was sent again was sent under one key: the source carries it out once.
    assert operation.source != "account" or len({call["headers"].get("idempotency-key") for call in seen}) <= 1
    return Cell(_sees(answer, operation), len(seen), await _done(world, operation))


def _sees(answer: dict[str, Any], operation: Operation) -> str:
    [told] = (answer.get("data") or {None: None}).values()
    errors = answer.get("errors", [])
    if not errors:
        missing = told.get("unavailable")
        if missing:
            assert [one["source"] for one in missing] == [operation.source.upper()]
            assert {one["source"] for one in told["nodes"]} == {"SOFTWAREONE", "RESELLER"}
            return f"partial {missing[0]['code']}"
        # The right answer, too: the record that was asked for, the change that was asked for.
        assert told.get("sourceId", ADA[operation.source]) == ADA[operation.source]
        assert told.get("email", CREATED) == CREATED
        return "data"
    [error] = errors
    said = error["extensions"]
    assert said["source"] == operation.source.upper()
    if told is not None:
        assert error["path"] == ["user", "role", "owner"]
        assert (told["sourceId"], told["role"]["name"], told["role"]["owner"]) == (ADA["account"], "Admin", None)
        return f"partial {said['code']}"
    words = (said["code"], "retryable" if said["retryable"] else "", said.get("outcome", ""))
    return " ".join(filter(None, words))


async def _done(world: Troubled, operation: Operation) -> int:
    if operation.method == "POST":
        return sum(one["user"]["email"] == CREATED for one in await world.accounts())
    if operation.stored is None:
        return 0
    column, value = operation.stored
    return int((await world.stored(operation.source, ADA[operation.source]))[column] == value)
