"""The instructions of a request do not grow unnoticed."""

import platform

import orjson
import pytest

from benchmarks import instructions
from benchmarks.constant_source import ConstantSource, run_constant_source
from benchmarks.counted_gateway import total
from benchmarks.instructions import EXPECTATIONS, LIMIT, OPERATIONS, grown
from benchmarks.load import LoadError, open_connection
from benchmarks.source_responses import SourceResponses

COMMAND = ".venv/bin/python -m benchmarks.instructions --write"
RESPONSES = SourceResponses(
    user={"id": "acus_1", "user": {"name": "Ada"}},
    users=[{"id": "acus_1"}, {"id": "acus_2"}],
    roles=[{"id": "rl_1"}],
    departments=[{"id": "dp_1"}],
)


@pytest.mark.skipif(instructions.unavailable() is not None, reason=str(instructions.unavailable()))
@pytest.mark.skipif(
    instructions.expected() is None,
    reason=f"{EXPECTATIONS.name} has no counts for {instructions.interpreter()}; {COMMAND} adds them",
)
def test_no_operation_takes_more_instructions() -> None:
    """No operation takes more instructions than expected."""
    found = grown(instructions.measure(), instructions.expected() or {})
    assert not found, f"{'; '.join(found)}. Make it cheaper, or accept it by `{COMMAND}`, and say why in the commit."


def test_the_expectations_have_every_operation() -> None:
    """Each operation has a count for each interpreter, so that none is left out unnoticed."""
    names = {each.name for each in OPERATIONS}
    assert all(counts.keys() == names for counts in orjson.loads(EXPECTATIONS.read_bytes()).values())


@pytest.mark.parametrize(("count", "times"), [(100, 0), (103, 0), (104, 1), (50, 0)])
def test_growth(count: int, times: int) -> None:
    """A count that has grown by more than 3 % is named with both figures; a smaller one never is."""
    found = grown({"user": count, "users": 1}, {"user": 100, "users": 1})
    assert found == [f"user(id): {count} instructions a request instead of 100"] * times
    assert LIMIT == 1.03


def test_an_operation_without_expectation() -> None:
    """An operation that has no expected count yet is not compared."""
    assert grown({"user": 100}, {}) == []


def test_the_interpreter() -> None:
    """Counts belong to one build of the interpreter."""
    assert platform.python_version() in instructions.interpreter()
    assert "PGO" in instructions.interpreter()


def test_the_total_of_a_dump() -> None:
    """The total of a dump is read, and a dump without one is an error."""
    assert total("events: Ir\nfn=(1)\n0 7\ntotals: 4711\n") == 4711
    with pytest.raises(LoadError, match="no total"):
        total("events: Ir\n")


def test_the_constant_source() -> None:
    """The source has every user, lists by limit, and the records that they refer to; it counts all but polls."""
    source = ConstantSource(RESPONSES)
    assert source.respond("GET", "/v1/identity/account-users/acus_9")["id"] == "acus_9"
    assert source.respond("PATCH", "/v1/identity/account-users/acus_9")["user"]["name"] == "Ada King"
    page = source.respond("GET", "/v1/identity/account-users?include[]=role&limit=1")
    assert [user["id"] for user in page["data"]] == ["acus_1"]
    assert page["page_info"]["has_next_page"]
    assert source.respond("GET", "/v1/identity/roles/rl_1") == {"id": "rl_1"}
    assert source.respond("GET", "/v1/operations/departments?limit=9")["data"] == RESPONSES.departments


def test_the_connections_of_the_constant_source() -> None:
    """A connection carries several requests; one that has not arrived whole is not answered."""
    with run_constant_source(RESPONSES) as source, open_connection(source.port) as connection:
        for n in range(2):
            connection.socket.send(b"PATCH /v1/identity/account-users/acus_9 HTTP/1.1\r\nContent-Le")
            assert source.calls == n
            body = connection.exchange(b"ngth: 2\r\n\r\n{}")
            assert orjson.loads(body)["user"]["name"] == "Ada King"
        connection.exchange(b"GET /v1/core/audit-events?limit=9 HTTP/1.1\r\n\r\n")
        assert source.calls == 2
