"""Attacks by many connections and by requests that no client sends: files, the log, and what responses reveal."""

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from security.attacker import connect, descriptors, memory
from security.outside import Caller, RecordedProcess, Serve

_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
)


@pytest.fixture(params=["aiohttp", "lean"])
def server(request: pytest.FixtureRequest) -> str:
    """The name of each of the servers."""
    return str(request.param)


@contextmanager
def _idle_connections(running: RecordedProcess, number: int) -> Iterator[list[socket.socket]]:
    """Open connections, and send one request on each."""
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = stack.enter_context(connect(running))
            client.settimeout(30)
            client.sendall(_REQUEST)
            clients.append(client)
        yield clients


async def test_idle_connections_leave_files_for_the_sources(
    serve: Serve, server: str, production_settings: dict[str, str], caller_of: Callable[..., Caller]
) -> None:
    """With few files, many idle connections do not keep callers and sources from being connected.

    Callers got the error that the source cannot be reached, and new ones were not accepted at all.
    """
    with serve(files=400, GATEWAY_HTTP_SERVER=server, **production_settings) as running:
        caller = caller_of(running, "all")
        with _idle_connections(running, 600) as clients:
            assert clients[-1].recv(4096).startswith(b"HTTP/1.1 200")
            for _ in range(3):
                result = await caller.execute("{ users(first: 3) { nodes { name } } }")
                assert len(result["data"]["users"]["nodes"]) == 3, result
            assert descriptors(running) < 280
            closed = sum(not _is_open(client) for client in clients)
            assert 350 < closed < 600
        assert "Traceback" not in running.output


def _is_open(client: socket.socket) -> bool:
    client.settimeout(0.01)
    try:
        while data := client.recv(4096):
            assert data.startswith(b"HTTP/1.1 200")
    except TimeoutError:
        return True
    except ConnectionResetError:
        pass
    return False


async def test_a_busy_connection_is_not_closed(serve: Serve, server: str, production_settings: dict[str, str]) -> None:
    """Beyond the maximum of connections, idle ones are closed, the longest idle one first, and no WebSocket is."""
    limited = serve(GATEWAY_HTTP_CONNECTIONS="10", GATEWAY_HTTP_SERVER=server, **production_settings)
    with limited as running, connect(running) as web_socket:
        web_socket.sendall(_UPGRADE + b"\r\n")
        assert web_socket.recv(4096).startswith(b"HTTP/1.1 101")
        with ExitStack() as stack:
            clients = []
            for _ in range(30):
                clients.append(stack.enter_context(connect(running)))
                clients[-1].sendall(_REQUEST)
                assert clients[-1].recv(4096).startswith(b"HTTP/1.1 200")  # so each is idle longer than the next
            assert [_is_open(client) for client in clients] == [False] * 21 + [True] * 9
        web_socket.sendall(b"\x81\x8f\0\0\0\0" + b'{"type":"ping"}')
        assert b'{"type":"pong"}' in web_socket.recv(4096)


async def test_no_files_left(serve: Serve, server: str, production_settings: dict[str, str]) -> None:
    """When there are no files left, the log gets a few lines a second, and clients are accepted again afterwards.

    It got up to 8,900 tracebacks a second.
    """
    with serve(GATEWAY_HTTP_SERVER=server, GATEWAY_GRPC_PORT="off", **production_settings) as running:
        before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (descriptors(running) + 5, before[1]))
        with _idle_connections(running, 100):
            await running.has_printed("left_out=")  # in the first line after a second or more
            assert 0 < running.output.count("out of system resource") < 40
            assert len(running.output) < 50_000
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)
        with connect(running) as client:
            client.sendall(_REQUEST)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (_UPGRADE + b"Origin: http://[\r\n\r\n", b"403"),
        (_UPGRADE + b"Origin: chrome-extension://x\r\n\r\n", b"403"),
        (b"POST /graphql HTTP/1.1\r\nHost: x\r\nExpect: \xff\r\nContent-Length: 1\r\n\r\n", b"417"),
        (b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\nAccept: " + b"," * 8_000 + b"\r\n\r\n", b"406"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 4_000 + b"\r\n", b"4"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
async def test_odd_requests(
    serve: Serve, server: str, production_settings: dict[str, str], sent: bytes, status: bytes
) -> None:
    """A request that no client sends is refused without a line in the log, and no response names the software."""
    with serve(GATEWAY_HTTP_SERVER=server, **production_settings) as running, connect(running) as client:
        host = urlsplit(running.address("GraphQL")).netloc.encode()
        client.sendall(sent.replace(b"Host: x", b"Host: " + host))
        response = client.recv(65_536)
        assert response.split()[1].startswith(status), response[:200]
        assert b"aiohttp" not in response
        assert b"python" not in response.lower()
        assert "ERROR" not in running.output


def test_unfinished_webhooks(serve: Serve, production_settings: dict[str, str], server: str) -> None:
    """Webhooks without a valid signature that never end add little memory, and small ones are still received.

    600 of them added 150 MiB, and there could be 20,000.
    """
    unfinished = b"POST /webhooks/reseller HTTP/1.1\r\nHost: x\r\nContent-Length: 250001\r\n\r\n" + b"x" * 250_000
    small = b"POST /webhooks/reseller HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{"
    with serve(**production_settings, GATEWAY_HTTP_SERVER=server) as running, ExitStack() as stack:
        before = memory(running)
        first = stack.enter_context(connect(running))
        first.sendall(small)
        for _ in range(600):
            client = stack.enter_context(connect(running))
            client.settimeout(1)
            with suppress(OSError):  # it may have been closed
                client.sendall(unfinished)
        assert memory(running) - before < 60
        first.sendall(b"}")
        assert first.recv(4096).startswith(b"HTTP/1.1 401")


def test_unfinished_webhooks_do_not_take_all_connections(
    serve: Serve, production_settings: dict[str, str], server: str
) -> None:
    """Webhooks that never end give way, so that others can connect, however many there are.

    With as many as there may be connections, nobody else was accepted for ten seconds.
    """
    unfinished = b"POST /webhooks/reseller HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nx"
    with serve(**production_settings, GATEWAY_HTTP_SERVER=server, files=1024) as running, ExitStack() as stack:
        for _ in range(900):
            client = stack.enter_context(connect(running))
            with suppress(OSError):  # it may have been closed
                client.sendall(unfinished)
        for _ in range(5):
            other = stack.enter_context(connect(running))
            other.sendall(_REQUEST)
            assert other.recv(4096).startswith(b"HTTP/1.1 200")
