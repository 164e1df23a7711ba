"""The table of statuses, and the details of a status."""

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from gateway.api.grpc.errors import STATUS, field_path, status_of
from gateway.errors import (
    BadUserInput,
    Code,
    Forbidden,
    IdempotencyInProgress,
    Internal,
    Origin,
    Unauthenticated,
    Violation,
)
from gateway.users.model import UserSource
from usergateway.v1 import users_pb2

ADA = {"id": "acus_adalovelace1", "source": users_pb2.USER_SOURCE_ACCOUNT}


@asynccontextmanager
async def source_with(respond: Callable[[bytes], tuple[bytes, Any]]) -> AsyncIterator[str]:
    """Start a source whose `respond` gets the first line of a request and returns status and JSON; return its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status, document = respond((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        body = json.dumps(document).encode()
        writer.write(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n" % status)
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def test_every_code_has_its_status() -> None:
    """Each code has the status that clients depend on."""
    assert {code.value: status.name for code, status in STATUS.items()} == {
        "BAD_USER_INPUT": "INVALID_ARGUMENT",
        "GRAPHQL_PARSE_FAILED": "INVALID_ARGUMENT",
        "GRAPHQL_VALIDATION_FAILED": "INVALID_ARGUMENT",
        "OPERATION_RESOLUTION_FAILURE": "INVALID_ARGUMENT",
        "UNAUTHENTICATED": "UNAUTHENTICATED",
        "FORBIDDEN": "PERMISSION_DENIED",
        "NOT_FOUND": "NOT_FOUND",
        "CONFLICT": "ALREADY_EXISTS",
        "IDEMPOTENCY_CONFLICT": "FAILED_PRECONDITION",
        "IDEMPOTENCY_IN_PROGRESS": "ABORTED",
        "RATE_LIMITED": "RESOURCE_EXHAUSTED",
        "SOURCE_NOT_CONFIGURED": "FAILED_PRECONDITION",
        "SOURCE_CREDENTIALS": "FAILED_PRECONDITION",
        "SOURCE_TIMEOUT": "DEADLINE_EXCEEDED",
        "SOURCE_UNAVAILABLE": "UNAVAILABLE",
        "SOURCE_INVALID_RESPONSE": "INTERNAL",
        "INTERNAL": "INTERNAL",
    }
    assert set(STATUS) == set(Code)


@pytest.mark.parametrize(
    ("fault", "status", "reason", "retry_after"),
    [
        ({"kind": "status", "status": 401}, "FAILED_PRECONDITION", "SOURCE_CREDENTIALS", None),
        ({"kind": "status", "status": 403}, "FAILED_PRECONDITION", "SOURCE_CREDENTIALS", None),
        ({"kind": "status", "status": 429, "retryAfter": 60}, "RESOURCE_EXHAUSTED", "RATE_LIMITED", 60),
        ({"kind": "status", "status": 503}, "UNAVAILABLE", "SOURCE_UNAVAILABLE", 1),
        ({"kind": "html"}, "INTERNAL", "SOURCE_INVALID_RESPONSE", None),
        ({"kind": "hangup-before"}, "UNAVAILABLE", "SOURCE_UNAVAILABLE", 1),
    ],
)
async def test_a_read_that_fails(
    world: Any, fault: dict[str, Any], status: str, reason: str, retry_after: float | None
) -> None:
    """A failing source results in a status with reason and facts, and RetryInfo if a later call may succeed."""
    await world.fault(source="account", times=20, **fault)
    failure = await world.fail("GetUser", **ADA)
    assert (failure.status.name, failure.reason, failure.domain) == (status, reason, "usergateway")
    assert failure.retry_after == retry_after
    assert failure.metadata["source"] == "ACCOUNT"
    assert failure.metadata["retryable"] == ("true" if retry_after else "false")
    assert "outcome" not in failure.metadata
    if "status" in fault:
        assert failure.metadata["httpStatus"] == str(fault["status"])
    allowed = {"source", "sourceCode", "sourceMessage", "sourceRequestId", "httpStatus", "retryable", "retryAfter"}
    assert failure.metadata.keys() <= allowed


async def test_a_slow_source(open_world: Any) -> None:
    """A source that exceeds its timeout is DEADLINE_EXCEEDED with details, while the client still waits."""
    async with open_world(account={"timeout": 0.2, "max_attempts": 1}) as world:
        await world.fault(source="account", kind="slow", delay=60, times=9)
        failure = await world.fail("GetUser", **ADA)
        assert (failure.status.name, failure.reason) == ("DEADLINE_EXCEEDED", "SOURCE_TIMEOUT")
        assert failure.metadata["source"] == "ACCOUNT"


async def test_a_change_that_may_have_been_executed(world: Any) -> None:
    """A change that may have been executed has the outcome `unknown`."""
    await world.fault(source="softwareone", method="PUT", kind="hangup-after", times=9)
    failure = await world.fail("UpdateSoftwareOneUser", id="USR-0000-0001", user={"first_name": "Ada"})
    assert (failure.status.name, failure.metadata["outcome"]) == ("UNAVAILABLE", "unknown")


async def test_refusals_of_a_source(world: Any) -> None:
    """An e-mail address in use is ALREADY_EXISTS with its field; a missing user is NOT_FOUND."""
    grace = await world.get("GetUser", id="acus_gracehopper1", source=users_pb2.USER_SOURCE_ACCOUNT)
    taken = await world.fail("UpdateAccountUser", id=ADA["id"], user={"email": grace.email})
    assert (taken.status.name, taken.reason) == ("ALREADY_EXISTS", "CONFLICT")
    assert [field for field, _ in taken.violations] == ["user.email"]
    assert taken.metadata["sourceCode"] == "resource_conflict"
    assert taken.metadata["sourceRequestId"].startswith("rq_")
    missing = await world.fail("UpdateAccountUser", id="acus_nobody", user={"name": "Nobody"})
    assert (missing.status.name, missing.reason) == ("NOT_FOUND", "NOT_FOUND")


@pytest.mark.parametrize("sign", ["é", "漢", "😀"])
@pytest.mark.parametrize("length", [100, 600, 5000])
async def test_a_refusal_in_another_script(open_world: Any, sign: str, length: int) -> None:
    """A client gets the status with details for messages of a source in any length and script."""
    text = sign * length
    refusal = {"title": text, "errors": {"firstName": [text], "email": [sign * 10] * 500}}
    async with (
        source_with(lambda _: (b"400 Bad Request", refusal)) as url,
        open_world(softwareone={"base_url": url}) as world,
    ):
        failure = await world.fail("UpdateSoftwareOneUser", id="USR-0000-0001", user={"first_name": "A"})
    assert (failure.status.name, failure.reason) == ("INVALID_ARGUMENT", "BAD_USER_INPUT")
    assert failure.message.startswith(sign * 50)
    assert failure.violations[0][0] == "user.first_name"
    assert failure.violations[0][1].startswith(sign * 50)


@pytest.mark.parametrize("many", [2**31, 2**63])
async def test_a_number_past_32_bits(open_world: Any, many: int) -> None:
    """A number of users past 32 bits fails the lookup of its organization, with the same code on both surfaces."""
    organization = {"id": "o1", "name": "Org", "allowedUsers": many}

    def respond(request_line: bytes) -> tuple[bytes, Any]:
        user = {"id": "u1", "name": "Bob", "organization": organization}
        return b"200 OK", organization if b"/organizations/" in request_line else user

    query = '{ user(id: "u1", source: RESELLER) { name organization { allowedUsers } } }'
    async with source_with(respond) as url, open_world(reseller={"base_url": url}) as world:
        call = await world.call("GetUser", id="u1", source=users_pb2.USER_SOURCE_RESELLER, view=users_pb2.VIEW_FULL)
        result = await world.gateway.execute(query)
    assert call.message.name == result.data["user"]["name"] == "Bob"
    assert call.partial_errors["organization"] == "SOURCE_INVALID_RESPONSE"
    [error] = result.errors
    assert error.extensions["code"] == "SOURCE_INVALID_RESPONSE"
    assert error.path[:2] == ["user", "organization"]


async def test_a_source_that_is_not_configured(open_world: Any) -> None:
    """A read of a source without base URL and token is SOURCE_NOT_CONFIGURED."""
    async with open_world(reseller=None) as world:
        failure = await world.fail("GetUser", id="x", source=users_pb2.USER_SOURCE_RESELLER)
        assert (failure.status.name, failure.reason) == ("FAILED_PRECONDITION", "SOURCE_NOT_CONFIGURED")


async def test_a_request_that_still_runs(world: Any) -> None:
    """A second change with the request_id of a running one is ABORTED, with RetryInfo."""
    world.account.hold()
    given = {"user": {"email": "slow@example.com"}, "request_id": "still-running"}
    first = asyncio.ensure_future(world.get("CreateAccountUser", **given))
    await world.account.holds_something()
    second = await world.fail("CreateAccountUser", **given)
    assert (second.status.name, second.reason) == ("ABORTED", "IDEMPOTENCY_IN_PROGRESS")
    assert second.retry_after
    world.account.release()
    assert (await first).email == "slow@example.com"


async def test_an_unexpected_exception_is_masked(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception is INTERNAL without its text, which is in the log with the request id."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    world.gateway._parts.users.read = broken
    world.sent["x-request-id"] = "find-me-7"
    with caplog.at_level(logging.ERROR, "gateway.grpc"):
        failure = await world.fail("GetUser", **ADA)
    assert (failure.status.name, failure.reason, failure.request_id) == ("INTERNAL", "INTERNAL", "find-me-7")
    assert "secret" not in str(failure)
    [record] = caplog.records
    assert "find-me-7" in record.getMessage()
    assert "secret detail" in str(record.exc_info)


@pytest.mark.parametrize(
    "error",
    [Unauthenticated("Who?"), Forbidden("No."), IdempotencyInProgress("Still running."), Internal("secret")],
)
def test_rows_that_no_source_reaches(error: Any) -> None:
    """Errors that only the gateway causes have ErrorInfo and RequestInfo too."""
    status = status_of(error, "r-1", "GetUser")
    assert status.code == STATUS[error.code]
    kinds = [detail.type_url.rpartition(".")[2] for detail in status.details]
    assert kinds == ["ErrorInfo", "RequestInfo"]
    assert "secret" not in status.message


def test_a_status_fits_into_metadata() -> None:
    """A status with many violations and long texts is within the metadata that clients accept."""
    violations = [Violation(("change", "preferences", n, "enabled"), "é" * 2000) for n in range(500)]
    status = status_of(BadUserInput("é" * 10_000, violations=violations), "r-1", "UpdateAccountUser")
    assert status.ByteSize() < 5500


@pytest.mark.parametrize("sign", ["é", "漢", "😀", "\n", "%"])
@pytest.mark.parametrize("length", [100, 600, 5000])
def test_a_status_fits_in_any_script(sign: str, length: int) -> None:
    """An encoded status leaves space for the other trailers in 8 KiB."""
    text = sign * length
    violations = [Violation(("change", "name"), sign * 10) for _ in range(500)]
    origin = Origin(UserSource.ACCOUNT, text, text, text, 400)
    status = status_of(BadUserInput(text, origin=origin, violations=violations), "r" * 128, "UpdateAccountUser")
    size = len(b64encode(status.SerializeToString())) + len(quote(status.message))
    assert size < 7680


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("change", "preferences", 0, "notification_type"), "user.preferences[0].notification_type"),
        (("first",), "page_size"),
        (("after",), "page_token"),
        (("filter", "sources", 2), "filter.sources[2]"),
        (("update_mask",), "update_mask"),
    ],
)
def test_fields_by_their_names_in_the_request(path: tuple[str | int, ...], field: str) -> None:
    """A violation has the field name of the request, not of the domain."""
    assert field_path(Violation(path, "is wrong")) == field
