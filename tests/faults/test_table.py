"""The table of faults: for each fault and each operation, the result for the caller and the calls at the source.

The sandbox makes the faulty responses, the proxy the faults of the network. Each cell has a separate gateway, sandbox
and proxy, in which all else works. Faults of the network are tested with each HTTP client.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from faults.conftest import FaultyWorld
from faults.toxic import FOREVER, Toxic
from ports import refusing_port

from gateway.sources.http.clients import CLIENTS

ADA = {"account": "acus_adalovelace1", "softwareone": "USR-0000-0001", "reseller": f"00000000-0000-4000-8000-{1:012}"}
CREATED = "new@faults.example"
_QUICK_TIMEOUT = 12  # seconds


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, the call at the source that fails, and the column and value that show whether it was executed."""

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


def _update(name: str, source: str, fields: str) -> str:
    return f'mutation {{ {name}(id: "{ADA[source]}", input: {{{fields}}}) {{ sourceId }} }}'


_USER_PATH = r"/users/[^/]+$"
_RENAME = _update("updateAccountUser", "account", 'name: "Changed"')
OPERATIONS = {
    "read account": Operation(_read("account"), "account", "GET", r"/account-users/"),
    "read softwareone": Operation(_read("softwareone"), "softwareone", "GET", _USER_PATH),
    "read reseller": Operation(_read("reseller"), "reseller", "GET", _USER_PATH),
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
        _USER_PATH,
        stored=("first_name", "Changed"),
    ),
    "update reseller": Operation(
        _update("updateResellerUser", "reseller", 'company: "Changed"'),
        "reseller",
        "PATCH",
        _USER_PATH,
        stored=("company", "Changed"),
    ),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """The result for the caller, the number of calls at the source, and whether the change is stored (0 or 1)."""

    result: str
    calls: int
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A fault and its cells: reads of the account source and of the others, changes there and in the others."""

    fault: Any
    times: float
    reads: Cell
    other_reads: Cell
    changes: Cell
    other_changes: Cell
    quick: bool = False  # the source does not respond: the timeouts are short

    def __str__(self) -> str:
        fault = " ".join(map(str, self.fault.values())) if isinstance(self.fault, dict) else str(self.fault)
        return f"{fault}, {'once' if self.times == 1 else 'lasting'}"

    @property
    def clients(self) -> tuple[str, ...]:
        """The HTTP clients for which the fault may differ; the responses of a source are the same for all."""
        return ("lean",) if isinstance(self.fault, dict) else tuple(CLIENTS)

    @property
    def addressed(self) -> bool:
        """Whether the fault is in the address of the source, so that no call at all arrives."""
        return isinstance(self.fault, str) and not isinstance(self.fault, Toxic)

    def expected(self, operation: Operation) -> Cell:
        if operation.changes:
            return self.changes if operation.source == "account" else self.other_changes
        cell = self.reads if operation.source == "account" else self.other_reads
        nested = operation is OPERATIONS["list"] or (operation is OPERATIONS["look up"] and not self.addressed)
        if nested and cell.result != "data":
            return Cell(f"partial {cell.result.split()[0]}", cell.calls)
        return cell


def _row(fault: Any, times: float, reads: Cell, changes: Cell, **options: Any) -> Row:
    cells = {"other_reads": reads, "other_changes": changes} | options
    return Row(fault, times, reads=reads, changes=changes, **cells)


UNAVAILABLE, TIMEOUT = "SOURCE_UNAVAILABLE retryable", "SOURCE_TIMEOUT retryable"
LOST, HUNG = f"{UNAVAILABLE} unknown", f"{TIMEOUT} unknown"
INVALID, RATE_LIMITED, CREDENTIALS = "SOURCE_INVALID_RESPONSE", "RATE_LIMITED retryable", "SOURCE_CREDENTIALS"


def _status(status: int, **options: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status} | options


TABLE = [
    # faults of the network, by the proxy. Only the account source has keys, so only its changes are repeated
    _row(Toxic.LATENCY, 1, Cell("data", 1), Cell("data", 1, 1)),
    _row(Toxic.RESET_BEFORE, 1, Cell("data", 1), Cell("data", 1, 1), other_changes=Cell(LOST, 0)),
    _row(Toxic.RESET_BEFORE, FOREVER, Cell(UNAVAILABLE, 0), Cell(LOST, 0)),
    _row(Toxic.RESET_AFTER, 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(LOST, 1, 1)),
    _row(Toxic.RESET_AFTER, FOREVER, Cell(UNAVAILABLE, 3), Cell(LOST, 3, 1), other_changes=Cell(LOST, 1, 1)),
    _row(Toxic.HALF_BODY, 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(LOST, 1, 1)),
    _row(Toxic.HALF_BODY, FOREVER, Cell(UNAVAILABLE, 3), Cell(LOST, 3, 1), other_changes=Cell(LOST, 1, 1)),
    _row(Toxic.GARBAGE, 1, Cell(INVALID, 1), Cell(f"{INVALID} unknown", 1, 1)),
    _row(Toxic.GARBAGE, FOREVER, Cell(INVALID, 1), Cell(f"{INVALID} unknown", 1, 1)),
    _row(Toxic.DRIP, 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(HUNG, 1, 1), quick=True),
    _row(Toxic.DRIP, FOREVER, Cell(TIMEOUT, 3), Cell(HUNG, 3, 1), other_changes=Cell(HUNG, 1, 1), quick=True),
    _row(Toxic.BLACK_HOLE, 1, Cell("data", 1), Cell("data", 1, 1), other_changes=Cell(HUNG, 0), quick=True),
    _row(Toxic.BLACK_HOLE, FOREVER, Cell(TIMEOUT, 0), Cell(HUNG, 0), quick=True),
    # faulty responses, by the sandbox
    _row(_status(429, retryAfter=0), 1, Cell("data", 2), Cell("data", 2, 1)),
    _row(_status(429, retryAfter=0), FOREVER, Cell(RATE_LIMITED, 3), Cell(RATE_LIMITED, 3)),
    _row(_status(429, retryAfter=60), 1, Cell(RATE_LIMITED, 1), Cell(RATE_LIMITED, 1)),
    _row(
        _status(500),  # only the account source declares it transient
        1,
        Cell("data", 2),
        Cell("data", 2, 1),
        other_reads=Cell(UNAVAILABLE, 1),
        other_changes=Cell(LOST, 1),
    ),
    _row(
        _status(500),
        FOREVER,
        Cell(UNAVAILABLE, 3),
        Cell(LOST, 3),
        other_reads=Cell(UNAVAILABLE, 1),
        other_changes=Cell(LOST, 1),
    ),
    _row(_status(502), 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(LOST, 1)),
    _row(
        _status(502),
        FOREVER,
        Cell(UNAVAILABLE, 3),
        Cell(LOST, 3),
        other_changes=Cell(LOST, 1),
    ),
    # only the account source documents a 503, and does not execute the change then
    _row(_status(503), 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(LOST, 1)),
    _row(_status(503), FOREVER, Cell(UNAVAILABLE, 3), Cell(UNAVAILABLE, 3), other_changes=Cell(LOST, 1)),
    _row(_status(504), 1, Cell("data", 2), Cell("data", 2, 1), other_changes=Cell(HUNG, 1)),
    _row(
        _status(504),
        FOREVER,
        Cell(TIMEOUT, 3),
        Cell(HUNG, 3),
        other_changes=Cell(HUNG, 1),
    ),
    _row(_status(401), FOREVER, Cell(CREDENTIALS, 1), Cell(CREDENTIALS, 1)),
    _row(_status(418), FOREVER, Cell(INVALID, 1), Cell(f"{INVALID} unknown", 1)),
    _row({"kind": "html"}, FOREVER, Cell(INVALID, 1), Cell(f"{INVALID} unknown", 1)),
    _row({"kind": "garbage"}, FOREVER, Cell(INVALID, 1), Cell(f"{INVALID} unknown", 1)),
    # faults in the address: nothing was sent, so no outcome is unknown
    _row("refused", FOREVER, Cell(UNAVAILABLE, 0), Cell(UNAVAILABLE, 0)),
    _row("no such name", FOREVER, Cell(UNAVAILABLE, 0), Cell(UNAVAILABLE, 0)),
    _row("no TLS there", FOREVER, Cell(UNAVAILABLE, 0), Cell(UNAVAILABLE, 0)),
]


@pytest.mark.parametrize("row", TABLE, ids=str)
async def test_the_table(faulty_world: Callable[..., Any], row: Row) -> None:
    """Every operation ends in time with the expected result, and a successful change is stored once."""
    with ExitStack() as stack:
        refused = stack.enter_context(refusing_port())
        cases = {(client, name): operation for client in row.clients for name, operation in OPERATIONS.items()}
        worlds = {case: await _world(faulty_world, row, each, refused, case[0]) for case, each in cases.items()}
        async with asyncio.timeout(_QUICK_TIMEOUT + 8 if row.quick else None):
            cells = await asyncio.gather(*(_cell(worlds[case], each) for case, each in cases.items()))
    expected = {case: row.expected(operation) for case, operation in cases.items()}
    assert dict(zip(cases, cells, strict=True)) == expected


async def _world(
    faulty_world: Callable[..., Any], row: Row, operation: Operation, refused: int, client: str
) -> FaultyWorld:
    times = {"try_timeout": 1.5, "timeout": _QUICK_TIMEOUT} if row.quick else {"try_timeout": 20, "timeout": 45}
    addresses = {
        "refused": f"http://127.0.0.1:{refused}",
        # Longer than a name may be, so that the resolver of this machine refuses it, whatever its DNS server does.
        "no such name": f"http://{'a-long-name.' * 30}invalid",
        "no TLS there": "https://127.0.0.1:{port}",
    }
    settings: dict[str, Any] = {"http_client": client}
    world: FaultyWorld = await faulty_world(every=times, **settings)
    if row.addressed:
        port = urlsplit(world.sandbox.account_url).port
        settings[operation.source] = {"base_url": addresses[row.fault].format(port=port)}
        world = await faulty_world(every=times, behind=world, **settings)
    elif isinstance(row.fault, Toxic):
        call = f"^{operation.method} [^?]*{operation.path.removesuffix('$')}" + (
            r"(\?|$)" if operation.path.endswith("$") else ""
        )
        world.proxies[operation.source].poison(row.fault, row.times, call=call)
    else:
        times = 1_000 if row.times == FOREVER else int(row.times)
        matched = {"source": operation.source, "method": operation.method, "path": operation.path}
        await world.fault(**matched, times=times, **row.fault)
    return world


async def _cell(world: FaultyWorld, operation: Operation) -> Cell:
    """Execute the operation and return what happened."""
    headers = {"Idempotency-Key": operation.key} if operation.key else {}
    response = await world.graphql(operation.document, **headers)
    calls = [
        call
        for call in await world.calls(operation.source)
        if call["method"] == operation.method and re.search(operation.path, call["path"])
    ]
    # All attempts have one key, so that the source executes the change once.
    assert operation.source != "account" or len({call["headers"].get("idempotency-key") for call in calls}) <= 1
    return Cell(_result(response, operation), len(calls), await _stored(world, operation))


def _result(response: dict[str, Any], operation: Operation) -> str:
    [data] = (response.get("data") or {None: None}).values()
    errors = response.get("errors", [])
    if not errors:
        missing = data.get("unavailable")
        if missing:
            assert [source["source"] for source in missing] == [operation.source.upper()]
            assert {user["source"] for user in data["nodes"]} == {"SOFTWAREONE", "RESELLER"}
            return f"partial {missing[0]['code']}"
        # It is the requested record, or the requested change.
        assert data.get("sourceId", ADA[operation.source]) == ADA[operation.source]
        assert data.get("email", CREATED) == CREATED
        return "data"
    [error] = errors
    extensions = error["extensions"]
    assert extensions["source"] == operation.source.upper()
    if data is not None:
        assert error["path"] == ["user", "role", "owner"]
        assert (data["sourceId"], data["role"]["name"], data["role"]["owner"]) == (ADA["account"], "Admin", None)
        return f"partial {extensions['code']}"
    parts = (extensions["code"], "retryable" if extensions["retryable"] else "", extensions.get("outcome", ""))
    return " ".join(filter(None, parts))


async def _stored(world: FaultyWorld, operation: Operation) -> int:
    if operation.method == "POST":
        return sum(user["user"]["email"] == CREATED for user in await world.accounts())
    if operation.stored is None:
        return 0
    column, value = operation.stored
    return int((await world.stored(operation.source, ADA[operation.source]))[column] == value)
