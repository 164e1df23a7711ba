"""Calls to a source while the process cannot open another file."""

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sources.http.steps.fakes import READ, Source, outcome
from sources.http.steps.virtual import clock, run
from sources.raw import KEEP

from gateway.errors import SourceUnavailable
from gateway.sources.http.circuit import Circuit, CircuitSettings, CircuitState
from gateway.sources.http.errors import OutOfDescriptorsError, out_of_descriptors
from gateway.sources.http.exchange import Request


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Lower the limit of the process to the files that are open; none of them is closed as garbage meanwhile."""
    gc.collect()
    gc.disable()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        lowest_free = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        gc.enable()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "source.invalid"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_descriptor(raw: Any, transport: Any, host: str, scheme: str) -> None:
    """The error names the gateway's lack of files, can be retried, and the next call succeeds once there are some."""
    server, calls = await raw(KEEP), transport()
    url = server.url.replace("127.0.0.1", host).replace("http", scheme)
    with no_descriptors(), pytest.raises(SourceUnavailable) as caught:
        await calls.send(Request("account", "PATCH", url, "/x", {}, b"{}"))
    assert "The gateway has too many open files" in caught.value.message
    assert (caught.value.retryable, caught.value.retry_after, caught.value.outcome) == (True, 1.0, None)
    assert (await calls.send(Request("account", "GET", server.url, "/x"))).status == 200


async def test_not_resolved(transport: Any) -> None:
    """With free descriptors, a name that does not exist is a source that could not be reached."""
    assert not out_of_descriptors()
    with pytest.raises(SourceUnavailable) as caught:
        await transport().send(Request("account", "GET", f"http://{'a-long-name.' * 30}invalid/x", "/x"))
    assert caught.value.message == "The account source could not be reached."


def test_circuit() -> None:
    """A call that was not sent for lack of descriptors does not open the circuit of the source."""

    async def scenario() -> None:
        circuit = Circuit(CircuitSettings(min_calls=1), clock=clock)
        failure = OutOfDescriptorsError(READ)
        assert await outcome(circuit, READ, Source(failure)) is failure
        assert circuit.state is CircuitState.CLOSED

    run(scenario())
